/*
 * sql_secret.c - see sql_secret.h.
 */
#include "nfacctd/sql_secret.h"

#include <stdio.h>
#include <string.h>

bool sql_password(const struct plugin_settings *p, char to[static SQL_PASSWORD_MAX], char *why,
		  size_t size)
{
	FILE *f;

	if (!p->sql_passwd_file) {
		snprintf(to, SQL_PASSWORD_MAX, "%s", p->sql_passwd ? p->sql_passwd : "");
		return true;
	}
	f = fopen(p->sql_passwd_file, "re");
	if (!f || !fgets(to, SQL_PASSWORD_MAX, f)) {
		snprintf(why, size, "sql_passwd_file: \"%s\": %s", p->sql_passwd_file,
			 f ? "is empty" : "cannot be read");
		if (f)
			fclose(f);
		return false;
	}
	fclose(f);
	to[strcspn(to, "\r\n")] = '\0';
	return true;
}
