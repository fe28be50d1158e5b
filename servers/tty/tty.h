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
#define TTY_MAJOR_ALIAS 5u /* 5:0 /dev/tty, 5:1 /dev/console, 5:2 /dev/ptmx */
#define TTY_MINOR_MASTER 2u
#define TTY_MAJOR_SLAVE 136u /* /dev/pts/N */
#define TTY_PTYS 128u

struct tty {
	struct ldisc ldisc;
	struct winsize winsize;
	uint64_t device;        /* as st_rdev */
	int32_t session, group; /* 0 none */
	bool present, exclusive;
	cap_t line;                      /* its driver, speaks chr; CAP_NONE of a pseudo-terminal */
	struct acall *reading, *writing; /* the driver's calls that are out */
	uint32_t writing_length;
	/* Their buffers: preserved memory is a memory object. What the driver writes is no part of transactions. */
	uint8_t *received;
	uint8_t sending[1024];
	struct waitq readers, writers, drainers;
	struct timer read_timer; /* VTIME */
	struct open_tty *opens;
	/* Of a pseudo-terminal: */
	bool pty, locked, was_open, abandoned;
	uint32_t node_state;
	uint64_t removal; /* of the node: the number of it, once it is known to be due */
	struct open_tty *master;
	struct waitq masters; /* who waits at the master */
	uint64_t owner;       /* of the node: uid | gid << 32 */
	char node_path[24];
};

struct open_tty {
	struct description d;
	struct tty *tty;
	struct open_tty *next; /* on the same terminal */
	bool master;           /* the other side of a pseudo-terminal: not in the list */
	bool hung_up;
};

/* tty.c */
void ttys_start(bool restarted);
struct tty *tty_of_device(uint64_t device);
void tty_pump(struct tty *tty);    /* send what is in the output ring */
void tty_changed(struct tty *tty); /* input or output room: wake and notify */
void tty_input(struct tty *tty, const uint8_t *bytes, size_t count); /* from the line */
uint64_t tty_poll_events(const struct open_tty *open);
void tty_hang_up(struct tty *tty); /* the session has ended */
struct call_buffer tty_buffer(const void *preserved, uint64_t length);

/* pty.c */
struct tty *pty_at(uint32_t number);
/* 0 with the terminal of a new pair, PARK, or an error. */
long pty_open(struct request *rq, uint64_t stamp, struct tty **tty);
void pty_abandon(struct tty *tty);
void pty_open_cancelled(const struct request *rq);
void pty_closed(struct tty *tty, bool master);
bool pty_slave_gone(const struct tty *tty); /* it was open, and no longer is */
long pty_master_read(struct request *rq, struct open_tty *open, uint64_t flags);
long pty_master_write(struct request *rq, struct open_tty *open, uint64_t flags);
uint64_t pty_master_events(const struct tty *tty);
long pty_ioctl(struct request *rq, struct tty *tty, uint64_t request);
/* 0 when the nodes of masters closed before the call have gone, else PARK. */
long ptys_settle(struct request *rq);
void ptys_start(void);

/* jobs.c: sessions, foreground groups, signals */
void jobs_signal(int32_t group, int signal, int32_t session);
/* Before a read (SIGTTIN) or a change (SIGTTOU): 0 go on, PARK, or an error. */
long jobs_check(struct request *rq, struct tty *tty, int signal);
long jobs_acquire(struct request *rq, struct tty *tty, bool force);
long jobs_release(struct request *rq, struct tty *tty);
long jobs_set_group(struct request *rq, struct tty *tty, int32_t group);
void jobs_session_exit(int32_t session);
/* The session and the foreground group lose their terminal, by SIGHUP. */
void jobs_hang_up(struct tty *tty);
extern struct waitq jobs_waiting;

/* ioctl.c, file.c */
long tty_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out);
extern const struct file_ops tty_file_ops;

enum {
	FIONREAD = 0x541b,
	TIOCGPTLCK = 0x80045439,
	TIOCGPTN = 0x80045430,
	TIOCSPTLCK = 0x40045431,
};

#define SIGHUP 1
#define SIGCONT 18
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGWINCH 28

#endif
