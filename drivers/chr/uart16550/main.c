/* SPDX-License-Identifier: MIT */
/*
 * uart16550: one serial port of the 16550 family. It moves bytes between the chip's queues and the
 * calls of its client; line discipline and everything else live above (servers/tty).
 *
 * Registers and bits: National Semiconductor PC16550D data sheet, section 8.
 */
#include <proto/chr.h>
#include <sys/server.h>

enum { DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, DLL = 0, DLM = 1 };

#define IER_RECEIVED 0x01u
#define IER_SENT 0x02u
#define IER_LINE 0x04u
#define FCR_ENABLE 0x01u
#define FCR_CLEAR 0x06u
#define FCR_TRIGGER_8 0x80u
#define LCR_BREAK 0x40u
#define LCR_DIVISOR 0x80u
#define MCR_READY 0x0bu /* DTR, RTS, and OUT2, which gates the interrupt on a PC */
#define LSR_RECEIVED 0x01u
#define LSR_ERRORS 0x0eu
#define LSR_QUEUE_EMPTY 0x20u
#define LSR_IDLE 0x40u

#define QUEUE_DEPTH 16u /* bytes that fit when the transmit queue is empty (section 8.4) */
#define CLOCK_DIVIDED 115200u
#define NOTIFY_IRQ 1u
#define RECEIVE_RING 1024u

/* Input that nobody has asked for yet survives a restart; the rest is in the client's calls. */
PRESERVED static uint8_t ring[RECEIVE_RING];
PRESERVED static uint32_t ring_head, ring_used;
PRESERVED static uint64_t line_errors;
PRESERVED static uint32_t speed, line_control;
PRESERVED static struct waitq readers, writers, drainers;

static cap_t ports, irq;
static uint16_t base;

static uint8_t in(unsigned reg)
{
	return (uint8_t)kcall(port_in, ports, base + reg, 1);
}

static void out(unsigned reg, uint32_t value)
{
	kcall(port_out, ports, base + reg, 1, value);
}

static void receive(void)
{
	uint8_t status, byte;

	while ((status = in(LSR)) & LSR_RECEIVED) {
		byte = in(DATA);
		line_errors += (status & LSR_ERRORS) != 0;
		if (ring_used == RECEIVE_RING)
			continue;
		ring[(ring_head + ring_used) % RECEIVE_RING] = byte;
		ring_used++;
	}
}

/* The interrupt asks for bytes to send only while a writer waits for room. */
static void enable_interrupts(void)
{
	out(IER, IER_RECEIVED | IER_LINE | (writers.first || drainers.first ? IER_SENT : 0));
}

static long uart_read(struct request *rq, const struct chr_read_req *req, struct chr_read_reply *reply)
{
	uint32_t done = 0, piece;
	long status;

	(void)req;
	if (!ring_used)
		receive();
	if (!ring_used)
		return request_park(rq, &readers);
	while (ring_used && done < rq->out_length) {
		piece = RECEIVE_RING - ring_head < ring_used ? RECEIVE_RING - ring_head : ring_used;
		if (piece > rq->out_length - done)
			piece = (uint32_t)(rq->out_length - done);
		status = request_write(rq, done, ring + ring_head, piece);
		if (status < 0)
			return done ? (long)done : status;
		ring_head = (ring_head + piece) % RECEIVE_RING;
		ring_used -= piece;
		done += piece;
	}
	reply->errors = line_errors;
	return (long)done;
}

/* progress[0]: bytes that are in the chip. A crash between the chip and that count sends some
 * twice: a serial line is at-least-once. */
static long uart_write(struct request *rq, const struct chr_write_req *req, struct chr_write_reply *reply)
{
	uint8_t bytes[QUEUE_DEPTH];
	size_t count, i;
	long status;

	(void)req, (void)reply;
	while (rq->progress[0] < rq->in_length) {
		if (!(in(LSR)&LSR_QUEUE_EMPTY)) {
			status = request_park(rq, &writers);
			enable_interrupts();
			return status;
		}
		count = rq->in_length - rq->progress[0];
		if (count > QUEUE_DEPTH)
			count = QUEUE_DEPTH;
		status = request_read(rq, rq->progress[0], bytes, count);
		if (status < 0)
			return status;
		for (i = 0; i < count; i++)
			out(DATA, bytes[i]);
		rq->progress[0] += count;
	}
	return (long)rq->progress[0];
}

static long uart_drain(struct request *rq, const struct chr_drain_req *req, struct chr_drain_reply *reply)
{
	long status;

	(void)req, (void)reply;
	if (in(LSR)&LSR_IDLE)
		return 0;
	status = request_park(rq, &drainers);
	enable_interrupts();
	return status;
}

static void program_line(void)
{
	uint32_t divisor = speed ? CLOCK_DIVIDED / speed : 1;

	out(IER, 0);
	out(LCR, LCR_DIVISOR);
	out(DLL, divisor & 0xff);
	out(DLM, divisor >> 8);
	out(LCR, line_control);
	out(FCR, FCR_ENABLE | FCR_TRIGGER_8);
	out(MCR, MCR_READY);
	enable_interrupts();
}

static long uart_set_line(struct request *rq, const struct chr_set_line_req *req,
			  struct chr_set_line_reply *reply)
{
	(void)rq, (void)reply;
	if (req->data_bits < 5 || req->data_bits > 8 || req->parity > 2 || req->stop_bits - 1 > 1 ||
	    req->speed > CLOCK_DIVIDED)
		return -EINVAL;
	if (req->speed) /* speed 0 means hang up, which a line without modem control cannot */
		speed = (uint32_t)req->speed;
	line_control = (uint32_t)(req->data_bits - 5) | (uint32_t)(req->stop_bits - 1) << 2 |
		       (req->parity ? 0x08u : 0) | (req->parity == 2 ? 0x10u : 0);
	program_line();
	return 0;
}

static long uart_send_break(struct request *rq, const struct chr_send_break_req *req,
			    struct chr_send_break_reply *reply)
{
	(void)rq, (void)reply;
	out(LCR, req->on ? line_control | LCR_BREAK : line_control);
	return 0;
}

static const struct chr_ops chr_ops = {
	.read = uart_read,
	.write = uart_write,
	.set_line = uart_set_line,
	.drain = uart_drain,
	.send_break = uart_send_break,
};

static long dispatch(struct request *rq)
{
	return chr_dispatch(&chr_ops, rq);
}

static void notify(uint64_t bits)
{
	if (!(bits & NOTIFY_IRQ))
		return;
	in(IIR); /* reading it acknowledges the transmitter's interrupt (section 8.6) */
	receive();
	if (ring_used)
		waitq_wake_one(&readers);
	waitq_wake(&writers);
	waitq_wake(&drainers);
	enable_interrupts();
	kcall(irq_ack, irq);
}

static long start(bool restarted)
{
	const struct startup_entry *range = startup_find(STARTUP_PORTS, NULL, 0);
	const struct startup_entry *line = startup_find(STARTUP_IRQ, NULL, 0);
	long status;

	if (!range || !line)
		return -ENODEV;
	ports = range->slot;
	base = (uint16_t)range->address;
	irq = line->slot;
	if (!restarted) {
		speed = CLOCK_DIVIDED;
		line_control = 0x03; /* 8 data bits, no parity, 1 stop bit */
	}
	status = kcall(irq_bind, irq, SLOT_NOTIFY, 0);
	if (status < 0)
		return status;
	program_line();
	kcall(irq_ack, irq);
	return 0;
}

/* Without transactions: what has gone out cannot be taken back, so progress is noted piece by piece. */
static const struct service service = {
	.name = "uart16550",
	.dispatch = dispatch,
	.start = start,
	.notify = notify,
};

int main(void)
{
	service_main(&service);
}
