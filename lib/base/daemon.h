/*
 * daemon.h - pid file, detaching, signals.
 *
 * Signals arrive through a signalfd, so they act at once, also when no datagram
 * comes (the reference waits for the next one).  Block them with
 * daemon_signals() before the first thread starts.
 *
 * Start-up errors are told by the exit status: daemon_detach_begin() forks and
 * the parent waits; daemon_detach_done(status) lets it exit with that status
 * once the child has opened what it needs.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses of every program. */
enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

/* Block INT TERM HUP USR1 USR2, ignore PIPE; a signalfd (non-blocking, close-on-exec), or -1. */
int daemon_signals(void);
/* The next pending signal number, 0 if none. */
int daemon_signal_read(int fd);

/* Write the pid into `path`, locked; -1 with errno, EWOULDBLOCK: another process holds it. */
int pidfile_open(const char *path);
/* Remove and unlock; fd as from pidfile_open. */
void pidfile_close(int fd, const char *path);
/* After a fork: write the new pid. */
void pidfile_update(int fd);

/* In the child: returns; the parent waits for daemon_detach_done and exits with its status. */
int daemon_detach_begin(void);
/* In the child: close stdio if `ok`, tell the parent. */
void daemon_detach_done(int status);

/* READY=1, STATUS=..., STOPPING=1 to the service manager; nothing when there is none. */
void daemon_notify(const char *state);
/* STATUS=..., what `systemctl status` shows. */
void daemon_notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1, for Type=notify-reload; READY=1 ends it. */
void daemon_notify_reloading(uint64_t mono_us);
/* WATCHDOG=1 is expected at least this often, in microseconds; 0: nobody watches. */
uint64_t daemon_watchdog_us(void);

#endif /* DAEMON_H */
