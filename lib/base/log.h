/*
 * log.h - one line an event, the thing first:
 *
 *	exporter 192.0.2.1 domain 42: template 256 refused: record of zero length
 *
 * To stderr (no time stamp, the service manager adds one), to a file (ISO 8601
 * UTC stamps, reopened on SIGHUP) or to syslog.  Thread-safe; a line is
 * written whole.  lib/wire never logs; what a packet can cause is counted
 * always and logged at most once an exporter and interval (log_allow).
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Stderr, name "default/core"; call once, before any thread.  Until log_name()
 * a line on stderr begins "program: " as those of other commands do; then, and
 * always in a file and in syslog, "LEVEL ( name/type ): ".
 */
void log_open(const char *program);
/* The "( name/type )" of the lines; copied. */
void log_name(const char *name);
void log_level(enum log_level max);
/* Append to `path`, created 0600 with its directories; 0, or -1 with errno and the old target kept.
 */
int log_to_file(const char *path);
int log_reopen(void);
/* Lines on stderr, too, begin with the time. */
void log_stamp_stderr(bool on);
/* During the start: errors that go to a file or to syslog stand on stderr, too. */
void log_echo(bool on);
/* "daemon", "local0", ...; -1 with EINVAL for an unknown name. */
int log_to_syslog(const char *facility, const char *ident);
bool log_has_facility(const char *facility);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* With ": strerror(errno)" behind. */
void log_error_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Lines of this level since the start, captured ones and those below log_level() too. */
unsigned log_count(enum log_level level);

/* True at most once in `interval_us` for the event that *last_us belongs to (0: never yet). */
bool log_allow(uint64_t *last_us, uint64_t now_us, uint64_t interval_us);

/*
 * For tests: every line of every level goes here instead, without level and
 * time.  NULL: back.  The function must not log.
 */
void log_capture(void (*line)(void *ctx, enum log_level level, const char *text), void *ctx);

#endif /* LOG_H */
