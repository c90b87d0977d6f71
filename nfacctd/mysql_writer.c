/*
 * mysql_writer.c - a connection of the mysql sink and the tables that were looked
 * at over it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/name_template.h"

static void forget_table(struct sql_table *table)
{
	struct mysql_table *t = (struct mysql_table *)table;

	if (t->stmt)
		mysql_stmt_close(t->stmt);
	free(t);
}

void mysql_writer_init(struct mysql_writer *w, struct sink_mysql *s)
{
	w->s = s;
	w->tables.forget = forget_table;
	link_init(&w->link);
}

void mysql_writer_disconnect(struct mysql_writer *w)
{
	sql_tables_clear(&w->tables);
	link_close(&w->link);
}

void mysql_writer_clear(struct mysql_writer *w)
{
	mysql_writer_disconnect(w);
	strbuf_clear(&w->text);
	free(w->rows);
}

unsigned mysql_writer_connect(struct mysql_writer *w)
{
	struct sink_mysql *s = w->s;
	size_t row = s->row_size ? s->row_size : 1;

	if (w->link.mysql)
		return 0;
	if (!w->rows)
		w->rows = xcalloc(MYSQL_BATCH_ROWS, row);
	if (link_connect(&w->link, s->p) != 0)
		return w->link.err;
	if (w->was_connected) {
		s->book.counts.reconnects++;
		log_info("%s: connected again (%s)", s->book.who, w->link.where);
	}
	w->was_connected = true;
	return 0;
}

unsigned mysql_create_table(struct mysql_writer *w, const char *table, int64_t when,
			    const uint8_t *key)
{
	char made[SQL_SCHEMA_BYTES], why[SQL_WHY_BYTES];

	if (!sql_schema_text(made, w->s->p, w->s->l, when, key, w->link.why))
		return w->link.err = LINK_OURS;
	if (link_run(&w->link, made, strlen(made), NULL) == 1050)	/* already there */
		w->link.err = 0;
	if (w->link.err) {
		snprintf(why, sizeof(why), "%s", w->link.why);
		snprintf(w->link.why, sizeof(w->link.why),
			 "sql_table_schema: \"%.100s\" for table %s: %.300s",
			 w->s->p->sql_table_schema, table, why);
	}
	return w->link.err;
}

struct mysql_table *mysql_table_known(struct mysql_writer *w, const char *name)
{
	return (struct mysql_table *)sql_tables_find(&w->tables, name);
}

struct mysql_table *mysql_table_get(struct mysql_writer *w, const char *name,
				    struct mysql_report *rep)
{
	struct mysql_table *t = mysql_table_known(w, name);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	if (w->s->p->sql_check) {
		if (mysql_table_look(t, &w->link, &w->s->columns, name, w->s->p, rep) != 0 ||
			rep->problems) {
			if (!w->link.err) {
				w->link.err = LINK_OURS;
				snprintf(w->link.why, sizeof(w->link.why),
					"table %s cannot be written", name);
			}
			free(t);
			return NULL;
		}
	} else {	/* nobody looked: the way that is right for any keys */
		snprintf(t->table.name, sizeof(t->table.name), "%s", name);
		t->columns = w->s->columns;
		t->way = MYSQL_SET;
	}
	sql_tables_add(&w->tables, &t->table);
	return t;
}

static bool name_is_safe(const char *name)
{
	return !strpbrk(name, "'\\");
}

unsigned mysql_table_exists(struct mysql_writer *w, const char *name, bool *exists)
{
	MYSQL_RES *res;

	*exists = false;
	if (!name_is_safe(name))	/* mysql_table_look() says so */
		return 0;
	res = link_select(&w->link,
		"SELECT 1 FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA=DATABASE()"
		" AND TABLE_NAME='%s'",
		name);
	if (!res)
		return w->link.err;
	*exists = mysql_num_rows(res) > 0;
	mysql_free_result(res);
	return 0;
}

/*
 * The table of a group, made when sql_table_schema says how.  Names that vary by
 * row are in strangers' hands, so not more than sql_tables_max of them are made.
 */
static unsigned make_table(struct mysql_writer *w, struct name_group *g, const struct purge *p)
{
	const struct sum_row *first = g->rows[0];
	bool of_rows = strchr(w->s->table, '$') != NULL, exists = false;

	if (of_rows && mysql_table_exists(w, g->name, &exists) != 0)
		return w->link.err;
	if (of_rows && !exists && w->s->tables_made >= w->s->p->sql_tables_max) {
		g->refused = true;
		return 0;
	}
	if (mysql_create_table(w, g->name, sql_moment(p, first), first->key) != 0)
		return w->link.err;
	w->s->tables_made += of_rows && !exists;
	return 0;
}

unsigned mysql_ready_tables(struct mysql_writer *w, struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { w->s->book.who, 0, true, sql_book_told_lately(&w->s->book) };

	for (size_t i = 0; i < g->n; i++) {
		g->group[i].refused = false;
		if (mysql_table_known(w, g->group[i].name))
			continue;
		if (w->s->p->sql_table_schema && make_table(w, &g->group[i], p) != 0)
			return w->link.err;
		if (!g->group[i].refused && !mysql_table_get(w, g->group[i].name, &rep))
			return w->link.err;
	}
	return 0;
}

bool mysql_share_tables(struct mysql_writer *to, struct mysql_writer *from,
			const struct name_groups *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct mysql_table *known, *copy;

		if (mysql_table_known(to, g->group[i].name) || g->group[i].refused)
			continue;
		known = mysql_table_known(from, g->group[i].name);
		if (!known)
			return false;
		copy = xmalloc(sizeof(*copy));
		*copy = *known;
		copy->stmt = NULL;	/* of the other connection */
		sql_tables_add(&to->tables, &copy->table);
	}
	return true;
}
