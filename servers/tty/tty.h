/* SPDX-License-Identifier: MIT */
/* Terminals and the descriptions open on them. */
#ifndef TTY_TTY_H
#define TTY_TTY_H

#include <fs/description.h>
#include <proto/chr.h>
#include <proto/dev.h>
#include <proto/file.h>
#include <proto/pm.h>
#include <proto/tty.h>
#include <sys/server.h>

#include "ldisc.h"

#define TTY_LINES 4u /* serial lines: ttyS0 .. */
#define TTY_MAJOR_SERIAL 4u
#define TTY_SERIAL_MINOR 64u
#define TTY_MAJOR_ALIAS 5u /* 5:0 /dev/tty, 5:1 /dev/console */

struct tty {
	struct ldisc ldisc;
	struct winsize winsize;
	uint64_t device;        /* as st_rdev */
	int32_t session, group; /* 0 none */
	bool present, hung_up, exclusive;
	cap_t line;                      /* its driver, speaks chr */
	struct acall *reading, *writing; /* the driver's calls that are out */
	uint32_t writing_length;
	uint8_t received[512], sending[1024]; /* their buffers: preserved memory is a memory object */
	struct waitq readers, writers, drainers;
	struct timer read_timer; /* VTIME */
	struct open_tty *opens;
};

struct open_tty {
	struct description d;
	struct tty *tty;
	struct open_tty *next; /* on the same terminal */
};

/* tty.c */
void ttys_start(bool restarted);
struct tty *tty_of_device(uint64_t device);
void tty_pump(struct tty *tty);    /* send what is in the output ring */
void tty_changed(struct tty *tty); /* input or output room: wake and notify */
uint64_t tty_poll_events(const struct tty *tty);
void tty_hang_up(struct tty *tty);

/* jobs.c: sessions, foreground groups, signals */
void jobs_signal(int32_t group, int signal, int32_t session);
/* Before a read (SIGTTIN) or a change (SIGTTOU): 0 go on, PARK, or an error. */
long jobs_check(struct request *rq, struct tty *tty, int signal);
long jobs_acquire(struct request *rq, struct tty *tty, bool force);
long jobs_release(struct request *rq, struct tty *tty);
long jobs_set_group(struct request *rq, struct tty *tty, int32_t group);
void jobs_session_exit(int32_t session);
extern struct waitq jobs_waiting;

/* ioctl.c, file.c */
long tty_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out);
extern const struct file_ops tty_file_ops;

#define SIGHUP 1
#define SIGCONT 18
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGWINCH 28

#endif
