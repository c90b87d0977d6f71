/*
 * log.c - see log.h.
 *
 * A line is formatted on the stack and leaves in one write(), so lines of
 * threads and of processes that append to one file never mix; the mutex only
 * guards a change of target.  Bytes that would break a line or drive a
 * terminal are shown as '?': text can come from packets and from files.
 */
#include "owner.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static struct {
	pthread_mutex_t lock;
	enum log_level max;
	char program[64], name[64], ident[64];
	bool named;
	char *path;		/* log file; NULL: none */
	int fd;			/* open when path is set */
	bool syslog, echo, stamp_stderr;
	unsigned count[LOG_LEVEL_DEBUG + 1];
	void (*capture)(void *ctx, enum log_level level, const char *text);
	void *capture_ctx;
} to = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .max = LOG_LEVEL_INFO, .name = "default/core", .fd = -1
};

/* `spoken` stands in front on stderr when no name was given. */
static const struct {
	const char *word, *spoken;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "ERROR", "error: ", LOG_ERR },
	[LOG_LEVEL_WARN] = { "WARN", "warning: ", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "INFO", "", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "DEBUG", "debug: ", LOG_DEBUG },
};

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{ "auth", LOG_AUTH }, { "mail", LOG_MAIL }, { "daemon", LOG_DAEMON }, { "kern", LOG_KERN },
	{ "user", LOG_USER }, { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

void log_open(const char *program)
{
	const char *slash = strrchr(program, '/');

	snprintf(to.program, sizeof(to.program), "%s", slash ? slash + 1 : program);
}

void log_name(const char *name)
{
	pthread_mutex_lock(&to.lock);
	snprintf(to.name, sizeof(to.name), "%s", name);
	to.named = true;
	pthread_mutex_unlock(&to.lock);
}

void log_level(enum log_level max)
{
	pthread_mutex_lock(&to.lock);
	to.max = max;
	pthread_mutex_unlock(&to.lock);
}

/* Make the directories that `path` stands in. */
static int make_parents(const char *path)
{
	char *copy = strdup(path);
	int ret = 0;

	if (!copy)
		return -1;
	for (char *p = strchr(copy + 1, '/'); *copy && p && ret == 0; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) == 0)
			owner_give_path(copy);
		else if (errno != EEXIST)
			ret = -1;
		*p = '/';
	}
	free(copy);
	return ret;
}

static int open_file(const char *path)
{
	struct stat st;
	bool exists;
	int fd;

	if (make_parents(path) < 0)
		return -1;
	exists = stat(path, &st) == 0;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd >= 0 && !exists)
		owner_give(fd);
	return fd;
}

int log_to_file(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (!copy)
		return -1;
	fd = open_file(path);
	if (fd < 0) {
		free(copy);
		return -1;
	}
	pthread_mutex_lock(&to.lock);
	free(to.path);
	if (to.fd >= 0)
		close(to.fd);
	to.path = copy;
	to.fd = fd;
	pthread_mutex_unlock(&to.lock);
	return 0;
}

int log_reopen(void)
{
	int fd, ret = 0;

	pthread_mutex_lock(&to.lock);
	if (to.path) {
		fd = open_file(to.path);
		if (fd >= 0) {
			close(to.fd);
			to.fd = fd;
		} else {
			ret = -1;
		}
	}
	pthread_mutex_unlock(&to.lock);
	return ret;
}

void log_echo(bool on)
{
	pthread_mutex_lock(&to.lock);
	to.echo = on;
	pthread_mutex_unlock(&to.lock);
}

void log_stamp_stderr(bool on)
{
	pthread_mutex_lock(&to.lock);
	to.stamp_stderr = on;
	pthread_mutex_unlock(&to.lock);
}

/* -1: there is none of this name. */
static int facility_of(const char *name)
{
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcasecmp(facilities[i].name, name) == 0)
			return facilities[i].facility;
	return -1;
}

bool log_has_facility(const char *facility)
{
	return facility_of(facility) >= 0;
}

int log_to_syslog(const char *facility, const char *ident)
{
	const int number = facility_of(facility);

	if (number < 0) {
		errno = EINVAL;
		return -1;
	}
	pthread_mutex_lock(&to.lock);
	if (to.syslog)
		closelog();
	snprintf(to.ident, sizeof(to.ident), "%s", ident);
	openlog(to.ident, LOG_PID, number);
	to.syslog = true;
	pthread_mutex_unlock(&to.lock);
	return 0;
}

/* Where the next byte goes when `n` of what snprintf counted did not all fit. */
static size_t fitting(int n, size_t room)
{
	if (n < 0)
		return 0;
	return (size_t)n < room ? (size_t)n : room - 1;
}

/* What stands before the text; called with the lock held. */
static size_t put_prefix(char *buf, size_t n, enum log_level level)
{
	time_t now = time(NULL);
	struct tm tm;
	size_t stamp;

	if ((to.path || (to.stamp_stderr && !to.syslog)) && gmtime_r(&now, &tm)) {
		stamp = strftime(buf, n, "%Y-%m-%dT%H:%M:%SZ ", &tm);
		return stamp + fitting(snprintf(buf + stamp, n - stamp, "%s ( %s ): ",
						levels[level].word, to.name), n - stamp);
	}
	if (to.named || to.syslog)
		return fitting(snprintf(buf, n, "%s ( %s ): ", levels[level].word, to.name), n);
	return fitting(snprintf(buf, n, "%s%s%s", to.program, to.program[0] ? ": " : "",
				levels[level].spoken), n);
}

/* A full disk or a closed stderr must not stop accounting: nothing to do about it here. */
static void write_line(int fd, const char *line, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, line, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			break;
		line += done;
		n -= (size_t)done;
	}
}

static void send_line(enum log_level level, char *line, size_t n)
{
	if (to.syslog && !to.path)
		syslog(levels[level].priority, "%.*s", (int)n, line);
	line[n++] = '\n';
	if (to.path)
		write_line(to.fd, line, n);
	if ((!to.path && !to.syslog) || (to.echo && level == LOG_LEVEL_ERROR))
		write_line(STDERR_FILENO, line, n);
}

static void emit(enum log_level level, int err, const char *fmt, va_list ap)
{
	static const char cut[] = " [...]";
	/* The prefix is at most 120 bytes; room for it, the text, the mark of a cut and '\n'. */
	char line[LINE_MAX_BYTES + 160];
	char reason[128];
	size_t start, n, room;
	int k, saved = errno;

	pthread_mutex_lock(&to.lock);
	to.count[level]++;
	if (level > to.max && !to.capture)
		goto unlock;
	start = n = to.capture ? 0 : put_prefix(line, sizeof(line), level);
	room = LINE_MAX_BYTES - sizeof(cut);
	k = vsnprintf(line + n, room, fmt, ap);
	n += fitting(k, room);
	if (k >= (int)room) {
		memcpy(line + n, cut, sizeof(cut));
		n += sizeof(cut) - 1;
	}
	if (err && n + 4 < start + LINE_MAX_BYTES) {
		room = start + LINE_MAX_BYTES - n;
		n += fitting(snprintf(line + n, room, ": %s",
				      strerror_r(err, reason, sizeof(reason))), room);
	}
	for (size_t i = start; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[n] = '\0';
	if (to.capture)
		to.capture(to.capture_ctx, level, line);
	else
		send_line(level, line, n);
unlock:
	pthread_mutex_unlock(&to.lock);
	errno = saved;
}

#define LOG_FUNCTION(name, level, err)		\
	void name(const char *fmt, ...)		\
	{					\
		va_list ap;			\
						\
		va_start(ap, fmt);		\
		emit(level, err, fmt, ap);	\
		va_end(ap);			\
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, 0)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, 0)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, 0)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, 0)
LOG_FUNCTION(log_error_errno, LOG_LEVEL_ERROR, errno)
LOG_FUNCTION(log_warn_errno, LOG_LEVEL_WARN, errno)

unsigned log_count(enum log_level level)
{
	unsigned n;

	pthread_mutex_lock(&to.lock);
	n = to.count[level];
	pthread_mutex_unlock(&to.lock);
	return n;
}

bool log_allow(uint64_t *last_us, uint64_t now_us, uint64_t interval_us)
{
	/* A clock that was set back must not silence an event for years. */
	if (*last_us && now_us >= *last_us && now_us - *last_us < interval_us)
		return false;
	*last_us = now_us ? now_us : 1;
	return true;
}

void log_capture(void (*line)(void *ctx, enum log_level level, const char *text), void *ctx)
{
	pthread_mutex_lock(&to.lock);
	to.capture = line;
	to.capture_ctx = ctx;
	pthread_mutex_unlock(&to.lock);
}
