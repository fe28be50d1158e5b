/* SPDX-License-Identifier: MIT */
/*
 * edu: QEMU's device for learning to write drivers (docs/specs/edu.rst of QEMU), which computes factorials and
 * interrupts when one is ready. Write a number to /dev/edu and read its factorial, modulo 2^32. This is the driver
 * that docs/writing-a-driver.md explains.
 */
#include <drv/pci.h>
#include <fs/description.h>
#include <fs/stream.h>
#include <util/string.h>

/* Registers, as indices of 32-bit words. */
#define REG_FACTORIAL (0x08 / 4)
#define REG_STATUS (0x20 / 4)
#define REG_INTERRUPTS (0x24 / 4)
#define REG_ACKNOWLEDGE (0x64 / 4)
#define STATUS_COMPUTING 0x01u
#define STATUS_INTERRUPT 0x80u /* when it has computed */

struct edu {
	struct description d;
	uint32_t number;
	bool asked;             /* a number has been written, and its factorial not been computed */
	char answer[16];        /* a line */
	uint32_t length, taken; /* of it; what has been read */
};

PRESERVED struct description_table descriptions;
static PRESERVED struct waitq turns, computed;

/* Of this incarnation: after a restart the device is reset, and what it computed is asked again. */
static volatile uint32_t *registers;
static cap_t irq;
static struct request *at_device;

static long edu_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct edu *edu = description_find(rq->badge);
	char text[12];
	size_t length = rq->in_length < sizeof(text) ? rq->in_length : sizeof(text);
	uint64_t number = 0;
	long status;

	(void)in, (void)out;
	if (!edu || (edu->d.flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	status = request_read(rq, 0, text, length);
	if (status < 0)
		return status;
	for (size_t i = 0; i < length && text[i] != '\n'; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (number > UINT32_MAX)
		return -ERANGE;
	edu->number = (uint32_t)number;
	edu->asked = true;
	edu->length = edu->taken = 0;
	return (long)rq->in_length;
}

/* The answer of the device into edu->answer. progress[0]: the result plus one, from the interrupt. */
static long compute(struct request *rq, struct edu *edu)
{
	if (!rq->progress[0] && at_device && at_device != rq)
		return request_park(rq, &turns);
	if (!rq->progress[0]) {
		if (!at_device) {
			at_device = rq;
			registers[REG_STATUS] = STATUS_INTERRUPT;
			registers[REG_FACTORIAL] = edu->number;
		}
		return request_park(rq, &computed);
	}
	edu->length =
	    (uint32_t)snprintf(edu->answer, sizeof(edu->answer), "%u\n", (uint32_t)(rq->progress[0] - 1));
	edu->asked = false;
	return 0;
}

/* progress[1]: where in the answer it reads, plus one: a run after a crash reads the same. */
static long edu_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct edu *edu = description_find(rq->badge);
	size_t length;
	long status = 0;

	(void)in, (void)out;
	if (!edu || (edu->d.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (edu->asked)
		status = compute(rq, edu);
	if (status)
		return status;
	if (!rq->progress[1])
		rq->progress[1] = edu->taken + 1;
	edu->taken = (uint32_t)rq->progress[1] - 1;
	length = edu->length - edu->taken < rq->out_length ? edu->length - edu->taken : rq->out_length;
	status = length ? request_write(rq, 0, edu->answer + edu->taken, length) : 0;
	if (status > 0)
		edu->taken += (uint32_t)status;
	return status;
}

static void notify(uint64_t bits)
{
	struct request *rq = at_device;

	(void)bits;
	registers[REG_ACKNOWLEDGE] = registers[REG_INTERRUPTS];
	kcall(irq_ack, irq);
	if (!rq || registers[REG_STATUS] & STATUS_COMPUTING)
		return;
	rq->progress[0] = (uint64_t)registers[REG_FACTORIAL] + 1;
	at_device = NULL;
	request_wake(rq);
	waitq_wake_one(&turns);
}

/* The device cannot be stopped: who waits for it is answered when it is done. */
static long cancel(struct request *rq)
{
	return rq == at_device || rq->progress[0] ? PARK : -EINTR;
}

static long edu_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOTTY : -EBADF;
}

static long edu_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	if (!description_find(rq->badge))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM));
}

static long edu_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? stream_put_text(rq, "/dev/edu") : -EBADF;
}

static const struct file_ops file_ops = {
	DESCRIPTION_FILE_OPS, STREAM_FILE_OPS,     .read = edu_read, .write = edu_write,
	.ioctl = edu_ioctl,   .mmap = stream_mmap, .poll = edu_poll, .path = edu_path,
};

static long edu_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	struct edu *edu = rq->context ? rq->context : description_new_special(sizeof(*edu), in);

	(void)out;
	if (!edu)
		return -ENFILE;
	rq->context = edu; /* for the run after a crash */
	return request_give_badge(rq, edu->d.badge);
}

static const struct dev_ops dev_ops = { .open = edu_open };

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&file_ops, rq);
	case PROTO_ID_DEV: return rq->badge & BADGE_SERVICE ? dev_dispatch(&dev_ops, rq) : -EPERM;
	}
	return -ENOSYS;
}

static void release(uint64_t badge)
{
	struct edu *edu = description_find(badge);

	if (edu)
		description_delete(edu);
}

static long start(bool restarted)
{
	uint64_t size = 0;
	long error = pci_switch_on();

	(void)restarted;
	registers = pci_map_bar(0, &size);
	if (!error && size < 4096)
		error = -ENODEV;
	return error ? error : pci_message_interrupt(0, 0, &irq);
}

int main(void)
{
	/* Without transactions: it keeps nothing, the device is begun with again. */
	static const struct service service = {
		.name = "edu",
		.dispatch = dispatch,
		.start = start,
		.notify = notify,
		.release = release,
		.cancel = cancel,
	};

	service_main(&service);
}
