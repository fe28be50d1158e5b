/* SPDX-License-Identifier: MIT */
/* ioctls of terminals, as tty_ioctl(4). */
#include <fs/stream.h>
#include <util/string.h>

#include "tty.h"

enum {
	TCGETS = 0x5401,
	TCSETS,
	TCSETSW,
	TCSETSF,
	TCSBRK = 0x5409,
	TCXONC,
	TCFLSH,
	TIOCEXCL,
	TIOCNXCL,
	TIOCSCTTY,
	TIOCGPGRP,
	TIOCSPGRP,
	TIOCOUTQ,
	TIOCGWINSZ = 0x5413,
	TIOCSWINSZ,
	TIOCMGET,
	FIONBIO = 0x5421,
	TIOCNOTTY,
	TCSBRKP = 0x5425,
	TIOCGSID = 0x5429,
};

static long get_int(struct request *rq, int32_t value)
{
	return stream_put(rq, &value, sizeof(value));
}

static uint32_t speed_of(uint32_t cflag)
{
	static const uint32_t low[] = { 0,   50,   75,   110,  134,  150,  200,   300,
					600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
	static const uint32_t high[] = { 0, 57600, 115200, 230400, 460800, 500000, 576000, 921600 };
	uint32_t code = cflag & CBAUD;

	if (code < 16)
		return low[code];
	code &= 15;
	return code < sizeof(high) / sizeof(*high) ? high[code] : 0;
}

static void line_set(struct acall *call)
{
	(void)call;
}

static void set_line(struct tty *tty, uint32_t cflag)
{
	struct chr_set_line_req req = {
		.speed = speed_of(cflag),
		.data_bits = 5 + ((cflag & CSIZE) >> 4),
		.parity = cflag & PARENB ? cflag & PARODD ? 1 : 2 : 0,
		.stop_bits = cflag & CSTOPB ? 2 : 1,
	};
	struct acall *call = acall_new(line_set, NULL);

	if (call && chr_send_set_line(call, tty->line, &req) < 0)
		acall_free(call);
}

static bool output_drained(const struct tty *tty)
{
	return tty->pty || (!tty->ldisc.output_used && !tty->writing);
}

static long set_termios(struct request *rq, struct tty *tty, uint64_t how)
{
	struct termios termios;
	uint32_t before = tty->ldisc.termios.cflag;
	long status = jobs_check(rq, tty, SIGTTOU);

	if (status)
		return status;
	status = stream_take(rq, &termios, sizeof(termios));
	if (status < 0)
		return status;
	if (how != TCSETS && !output_drained(tty))
		return request_park(rq, &tty->drainers);
	if (how == TCSETSF)
		ldisc_flush_input(&tty->ldisc);
	ldisc_set(&tty->ldisc, &termios);
	if (!tty->pty && (before ^ termios.cflag) & (CBAUD | CSIZE | PARENB | PARODD | CSTOPB))
		set_line(tty, termios.cflag);
	tty_pump(tty);
	tty_changed(tty);
	return 0;
}

static long set_winsize(struct request *rq, struct tty *tty)
{
	struct winsize winsize;
	long status = stream_take(rq, &winsize, sizeof(winsize));

	if (status < 0)
		return status;
	if (memcmp(&winsize, &tty->winsize, sizeof(winsize)) && tty->group)
		jobs_signal(tty->group, SIGWINCH, tty->session);
	tty->winsize = winsize;
	return 0;
}

static long set_group(struct request *rq, struct tty *tty)
{
	int32_t group;
	long status = jobs_check(rq, tty, SIGTTOU);

	if (status)
		return status;
	status = stream_take(rq, &group, sizeof(group));
	return status < 0 ? status : jobs_set_group(rq, tty, group);
}

static long flush(struct tty *tty, uint64_t which)
{
	if (which > 2)
		return -EINVAL;
	if (which != 1)
		ldisc_flush_input(&tty->ldisc);
	if (which != 0)
		ldisc_flush_output(&tty->ldisc);
	tty_changed(tty);
	return 0;
}

static long flow(struct tty *tty, uint64_t action)
{
	if (action > 3)
		return -EINVAL;
	if (action < 2)
		tty->ldisc.stopped = action == 0;
	tty_pump(tty);
	return 0;
}

static long set_nonblocking(struct request *rq, struct open_tty *open)
{
	int32_t on;
	long status = stream_take(rq, &on, sizeof(on));

	if (status < 0)
		return status;
	open->d.flags = on ? open->d.flags | O_NONBLOCK : open->d.flags & ~(uint32_t)O_NONBLOCK;
	return 0;
}

static long drain(struct request *rq, struct tty *tty)
{
	return output_drained(tty) ? 0 : request_park(rq, &tty->drainers);
}

long tty_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	struct open_tty *open = description_find(rq->badge);
	struct tty *tty = open ? open->tty : NULL;
	long status;

	(void)out;
	if (!open)
		return -EBADF;
	if (open->hung_up)
		return -EIO;
	if (open->master) {
		status = pty_ioctl(rq, tty, in->request);
		if (status != -ENOTTY)
			return status;
	}
	switch (in->request) {
	case TCGETS: return stream_put(rq, &tty->ldisc.termios, sizeof(struct termios));
	case TCSETS:
	case TCSETSW:
	case TCSETSF: return set_termios(rq, tty, in->request);
	case TIOCGWINSZ: return stream_put(rq, &tty->winsize, sizeof(tty->winsize));
	case TIOCSWINSZ: return set_winsize(rq, tty);
	case TIOCSCTTY: return jobs_acquire(rq, tty, in->argument == 1);
	case TIOCNOTTY: return jobs_release(rq, tty);
	case TIOCGPGRP: return tty->session ? get_int(rq, tty->group) : -ENOTTY;
	case TIOCSPGRP: return set_group(rq, tty);
	case TIOCGSID: return tty->session ? get_int(rq, tty->session) : -ENOTTY;
	case FIONREAD: return get_int(rq, (int32_t)ldisc_readable(&tty->ldisc));
	case TIOCOUTQ: return get_int(rq, (int32_t)tty->ldisc.output_used);
	case FIONBIO: return set_nonblocking(rq, open);
	case TCFLSH: return flush(tty, in->argument);
	case TCXONC: return flow(tty, in->argument);
	case TCSBRK:
	case TCSBRKP: return drain(rq, tty);
	case TIOCEXCL:
	case TIOCNXCL: tty->exclusive = in->request == TIOCEXCL; return 0;
	}
	return -ENOTTY;
}
