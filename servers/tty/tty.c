/* SPDX-License-Identifier: MIT */
/* The terminals: bytes between the line discipline and the serial driver. */
#include <util/string.h>

#include "tty.h"

#define RECEIVED_BYTES 512u

PRESERVED static struct tty ttys[TTY_LINES];

static void listen(struct tty *tty);

struct tty *tty_of_device(uint64_t device)
{
	uint32_t major = dev_major(device), minor = dev_minor(device);
	uint32_t index = minor - TTY_SERIAL_MINOR;

	if (major == TTY_MAJOR_SLAVE)
		return pty_at(minor);
	if (major == TTY_MAJOR_ALIAS && minor == 1)
		index = 0;
	else if (major != TTY_MAJOR_SERIAL || minor < TTY_SERIAL_MINOR)
		return NULL;
	return index < TTY_LINES && ttys[index].present ? &ttys[index] : NULL;
}

uint64_t tty_poll_events(const struct open_tty *open)
{
	const struct tty *tty = open->tty;
	uint64_t ready = 0;

	if (open->hung_up)
		return POLLHUP | POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR;
	if (open->master)
		return pty_master_events(tty);
	if (ldisc_ready(&tty->ldisc, 1))
		ready |= POLLIN | POLLRDNORM;
	if (tty->ldisc.output_used < LDISC_OUTPUT / 2)
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

static void tell_master(struct tty *tty)
{
	waitq_wake(&tty->masters);
	if (tty->master && tty->master->d.watches.first)
		watch_notify(&tty->master->d.watches, tty_poll_events(tty->master));
}

void tty_changed(struct tty *tty)
{
	struct open_tty *open;

	if (tty->pty)
		tell_master(tty);

	waitq_wake(&tty->readers);
	waitq_wake(&tty->writers);
	if (!tty->ldisc.output_used && !tty->writing)
		waitq_wake(&tty->drainers);
	for (open = tty->opens; open; open = open->next)
		if (open->d.watches.first)
			watch_notify(&open->d.watches, tty_poll_events(open));
}

struct call_buffer tty_buffer(const void *preserved, uint64_t length)
{
	return (struct call_buffer){ .memory = SLOT_PRESERVED,
				     .offset = (uint64_t)preserved - PRESERVED_BASE,
				     .length = length };
}

static void sent(struct acall *call)
{
	struct tty *tty = call->owner;

	tty->writing = NULL;
	tty_pump(tty);
	tty_changed(tty);
}

/* The bytes leave the ring as they are handed to the driver, so a write that is delivered
 * again to a new incarnation of it sends the same bytes from `sending`. */
void tty_pump(struct tty *tty)
{
	struct chr_write_req req = {};
	const uint8_t *piece;
	uint32_t length;

	if (tty->pty)
		tell_master(tty);
	if (tty->writing || tty->pty)
		return;
	piece = ldisc_output_piece(&tty->ldisc, &length);
	if (!piece)
		return;
	if (length > sizeof(tty->sending))
		length = sizeof(tty->sending);
	tty->writing = acall_new(sent, tty);
	if (!tty->writing)
		return;
	memcpy(tty->sending, piece, length);
	ldisc_sent(&tty->ldisc, length);
	tty->writing->in = tty_buffer(tty->sending, length);
	if (chr_send_write(tty->writing, tty->line, &req) < 0) {
		acall_free(tty->writing);
		tty->writing = NULL;
	}
}

void tty_input(struct tty *tty, const uint8_t *bytes, size_t count)
{
	size_t i;
	int signal;

	for (i = 0; i < count; i++) {
		signal = ldisc_input(&tty->ldisc, bytes[i]);
		if (signal && tty->group)
			jobs_signal(tty->group, signal, tty->session);
	}
	tty_pump(tty);
	tty_changed(tty);
}

static void received(struct acall *call)
{
	struct tty *tty = call->owner;

	tty->reading = NULL;
	if (call->status > 0 && (size_t)call->status <= RECEIVED_BYTES)
		tty_input(tty, tty->received, (size_t)call->status);
	if (call->status >= 0 || call->status == -EINTR || call->status == -ERESTART)
		listen(tty);
	else
		slog("tty: the line does not answer: %ld", call->status);
}

static void listen(struct tty *tty)
{
	struct chr_read_req req = {};

	tty->reading = acall_new(received, tty);
	if (!tty->reading)
		return;
	tty->reading->out = tty_buffer(tty->received, RECEIVED_BYTES);
	if (chr_send_read(tty->reading, tty->line, &req) < 0) {
		acall_free(tty->reading);
		tty->reading = NULL;
	}
}

void tty_hang_up(struct tty *tty)
{
	if (tty->group)
		jobs_signal(tty->group, SIGHUP, tty->session);
	if (tty->group)
		jobs_signal(tty->group, SIGCONT, tty->session);
	tty->session = tty->group = 0;
	tty_changed(tty);
}

void ttys_start(bool restarted)
{
	struct tty *tty = &ttys[0];

	if (!restarted) {
		ldisc_reset(&tty->ldisc);
		tty->winsize = (struct winsize){ .rows = 24, .columns = 80 };
		tty->device = dev_make(TTY_MAJOR_SERIAL, TTY_SERIAL_MINOR);
		tty->line = service_cap("uart16550");
		tty->received = pheap_alloc_data(RECEIVED_BYTES);
		tty->present = tty->received && tty->line != CAP_NONE;
	}
	if (tty->present && !tty->reading)
		listen(tty);
	tty_pump(tty);
	if (restarted) {
		tty_changed(tty);
		ptys_start();
	}
}
