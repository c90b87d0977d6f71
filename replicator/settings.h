/*
 * settings.h - what the command line and the configuration file say.
 *
 * Two forms: samplicator's options and receiver words, to take its place as it
 * is; and --config FILE in the grammar of nfacctd's files, which also takes
 * the tee keys of pmacct.
 */
#ifndef REPLICATOR_SETTINGS_H
#define REPLICATOR_SETTINGS_H

#include "base/conf.h"
#include "replicator/receivers.h"

/* A file of receivers. */
struct source_file {
	const char *path;
	bool map;			/* pmacct's tee_receivers; else samplicator's */
	struct receiver_defaults defaults;
};

/* One tee of `plugins:`. */
struct tee {
	char *name;
	char *receivers;		/* tee_receivers */
	char *tag_map;			/* pre_tag_map */
	bool transparent;
	uint64_t send_buffer;
	char *source_ip;
	uint32_t precedence;		/* IP precedence, 0 to 7 */
};

enum { LISTEN_MAX = 16 };	/* addresses that one process listens on */

struct settings {
	char *listen_ip;
	uint32_t listen_port;		/* 0: the default of the form that is used */
	char *listen_service;		/* -p with a service name */
	struct endpoint listen;		/* the three above, resolved */
	char *listen_also;
	struct endpoint also[LISTEN_MAX - 1];	/* listen_also, resolved */
	size_t nalso;
	uint64_t receive_buffer, send_buffer;	/* bytes; 0: ours */
	uint32_t datagram_max;
	int family;			/* 0, 4, 6 */
	bool transparent, no_checksum, background, check, debug;
	uint32_t delay_us;		/* of the receivers on the command line */
	uint32_t idle_ms;		/* end when nothing came for so long; 0: never */
	uint32_t workers;
	char *pid_file, *stats_file, *metrics, *log_file, *syslog;
	bool top;			/* --top: look at the process behind `control` */
	char *allow;			/* file of exporters that may come in */
	uint64_t rate_limit;		/* datagrams a second of one exporter; 0: any */
	uint32_t dedup_ms;		/* window for second copies; 0: they pass */
	bool take_over;			/* the sockets of the process behind `control` */
	struct names *names;		/* these two: used by who reads the receivers' files */
	struct files *texts;
	uint32_t names_s;		/* seconds between two lookups; 0: with reloads only */
	char *plugins, *receivers;	/* --config's keys */
	uint32_t template_memory;	/* MB; 0: none */
	char *template_file;		/* where they outlive the process; NULL: nowhere */
	char *control;			/* path of the socket for commands */
	const char *tell;		/* --tell: a command to a replicator that runs */
	struct source_file *files;
	size_t nfiles;
	char **words;			/* receivers on the command line */
	size_t nwords;
	struct tee *tees;
	size_t ntees;
	struct conf conf;
	unsigned problems;		/* in the file, that do not let us start */
};

enum { SETTINGS_GO = -1 };

extern const struct conf_key settings_keys[];
extern const size_t settings_nkeys;

/* SETTINGS_GO, or the status to exit with, after saying why on stderr (--help: on stdout). */
int settings_parse(struct settings *s, int argc, char **argv);
void settings_clear(struct settings *s);
/* Read all files and words into `rs`, which is empty; -1 when there was an error (logged). */
int settings_receivers(const struct settings *s, struct receivers *rs);

#endif /* REPLICATOR_SETTINGS_H */
