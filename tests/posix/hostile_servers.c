/* SPDX-License-Identifier: MIT */
/* TEST: timeout=300 */
/*
 * Messages that no honest program sends, to every server a process can reach: every operation of every
 * protocol, with words, buffers and capabilities drawn at random. Each is answered, and no server dies of it.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>

#include "hostile.h"
#include "kernel_calls.h"

#include <proto/proto.h>

#define PROTOCOLS 21u
#define OPERATIONS 65u

/* --- targets -------------------------------------------------------------------------------------- */

static struct target {
	const char *name;
	cap_t cap;
	const char *path; /* opened by root; NULL: not a file */
	int flags;
} targets[] = {
	{ "pm", PROC_SLOT_PM, NULL, 0 },
	{ "vfs", PROC_SLOT_VFS, NULL, 0 },
	{ "pipe", PROC_SLOT_PIPE, NULL, 0 },
	{ "net", PROC_SLOT_NET, NULL, 0 },
	{ "socket of TCP", -1, ":1", 0 },
	{ "socket of UDP", -1, ":2", 0 },
	{ "file on tmpfs", -1, "/tmp/hostile.file", O_RDWR | O_CREAT },
	{ "file on ext2", -1, "/root/hostile.file", O_RDWR | O_CREAT },
	{ "directory", -1, "/tmp", O_RDONLY | O_DIRECTORY },
	{ "path", -1, "/root", O_PATH },
	{ "pipe, reading", -1, "|0", 0 },
	{ "pipe, writing", -1, "|1", 0 },
	{ "terminal", -1, "/dev/console", O_RDWR | O_NOCTTY },
	{ "/dev/null", -1, "/dev/null", O_RDWR },
	{ "/dev/zero", -1, "/dev/zero", O_RDWR },
	{ "/dev/urandom", -1, "/dev/urandom", O_RDONLY },
	{ "file of /proc", -1, "/proc/services", O_RDONLY },
	{ "directory of /proc", -1, "/proc/self", O_RDONLY | O_DIRECTORY },
	{ "disk", -1, "/dev/vda", O_RDONLY },
};
#define TARGETS (sizeof targets / sizeof *targets)

static unsigned target;
static int well_formed; /* with the buffers and the number of capabilities that the operation has */
static int pipe_ends[2];

/* Descriptors are above those that a wild operation is likely to name. */
static void open_targets(void)
{
	NEED(pipe(pipe_ends) == 0);
	for (unsigned i = 0; i < TARGETS; i++) {
		struct target *t = &targets[i];
		int fd;

		if (!t->path)
			continue;
		if (t->path[0] == ':') /* the type of a socket */
			fd = socket(AF_INET, t->path[1] - '0', 0);
		else if (t->path[0] == '|')
			fd = dup(pipe_ends[t->path[1] - '0']);
		else
			fd = open(t->path, t->flags, 0600);
		t->cap = fd < 0 ? -1 : fcntl(fd, F_DUPFD, 40);
		if (fd >= 0)
			close(fd);
		else
			printf("# %s: cannot be opened (errno %d)\n", t->path, errno);
	}
}

/* --- messages ----------------------------------------------------------------------------------------- */

static cap_t objects[4];

static void tick(int signal)
{
	(void)signal;
}

/* What parks is interrupted. */
static void start_ticking(void)
{
	struct itimerval interval = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction action = { .sa_handler = tick };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

/* sigsuspend under a full mask. */
static int may_block(uint64_t op)
{
	return op == IPC_OP(4, 13);
}

/* Output of theirs does not reach ours. */
static void prepare(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	objects[0] = (cap_t)kcall(notify_create);
	objects[1] = (cap_t)kcall(watch_create, objects[0], 3, 5);
	objects[2] = (cap_t)kcall(mo_create, 65536, 0);
	objects[3] = (cap_t)kcall(mo_create, 1ul << 40, 0);
	start_ticking();
}

static cap_t random_cap(void)
{
	switch (random_below(8)) {
	case 0: return PROC_SLOT_PM + (cap_t)random_below(4);
	case 1: return (cap_t)random_below(3);
	case 2: return targets[random_below(TARGETS)].cap;
	case 3: return (cap_t)random_argument();
	}
	return objects[random_below(4)];
}

static void attach_caps(struct ipc_page *page, unsigned count)
{
	page->caps_count = count;
	for (unsigned i = 0; i < IPC_MAX_CAPS; i++)
		page->caps[i] =
		    (struct ipc_cap){ random_cap(), random_below(3) ? CAP_ALL : (uint32_t)random_word(), 0 };
}

/* Mostly as the kernel wants them, so that the server gets to see the message. */
static uint64_t random_flags(struct ipc_page *page)
{
	uint64_t flags = IPC_INTR;

	for (unsigned i = 0; i < IPC_EXTRA_WORDS; i++)
		page->extra[i] = random_argument();
	attach_caps(page, 0);
	if (random_below(2))
		flags |= IPC_EXTRA;
	if (random_below(3) == 0)
		attach_caps(page, (unsigned)random_below(random_below(8) ? IPC_MAX_CAPS + 1 : 100));
	page->recv_count = (uint32_t)random_below(random_below(8) ? IPC_MAX_CAPS + 1 : 100);
	page->recv_min = random_below(8) ? 0 : (cap_t)random_argument();
	if (random_below(2))
		flags |= IPC_RECV_CAPS | (random_below(2) ? IPC_RECV_FD : 0);
	return flags;
}

static void random_buffers(struct ipc_msg *msg)
{
	uint64_t kinds = random_below(6);

	if (kinds & 1) {
		msg->in_addr = random_address();
		msg->in_len = random_below(2) ? random_number() : random_below(64);
	}
	if (kinds & 2) {
		msg->out_addr = random_address();
		msg->out_len = random_below(2) ? random_number() : random_below(4096);
	}
}

/* Text that is a path to some operations, numbers to others, and shows nothing on a terminal. */
static void fill_buffer(void)
{
	static const char *const texts[] = { ".", "..", "/", "a/../b", "/proc/self/fd/1", "\n", "", "x/" };

	if (random_below(2)) {
		memset(hostile_buffer, '\n', 4096);
		strcpy(hostile_buffer, texts[random_below(sizeof texts / sizeof *texts)]);
	} else {
		for (unsigned i = 0; i < 512; i++)
			((uint64_t *)hostile_buffer)[i] = random_argument();
	}
}

static int is_fork(uint64_t op)
{
	return op == IPC_OP(4, 1);
}

/* A child that a message has made goes at once. */
static void end_child(void)
{
	struct ipc_msg msg = { .op = IPC_OP(4, 6) };

	for (;;)
		raw_call(PROC_SLOT_PM, 0, &msg);
}

/* Descriptors and private slots that answers have filled. */
static void close_received(void)
{
	for (cap_t slot = 60; slot < 100; slot++)
		kcall(cap_close, slot);
	for (cap_t slot = CAP_PRIVATE | 24; slot < (CAP_PRIVATE | 60); slot++)
		kcall(cap_close, slot);
	for (cap_t slot = 3; slot < 40; slot++)
		kcall(cap_close, slot);
}

/* Flags of the operations that processes may send. */
static const uint32_t file_flags[OPERATIONS] = {
#define OP(number, name, flags, request, reply) [number] = flags,
#include <proto/file.def>
};
static const uint32_t vfs_flags[OPERATIONS] = {
#include <proto/vfs.def>
};
static const uint32_t pm_flags[OPERATIONS] = {
#include <proto/pm.def>
};
static const uint32_t pipe_flags[OPERATIONS] = {
#include <proto/pipe.def>
};
static const uint32_t socket_flags[OPERATIONS] = {
#include <proto/socket.def>
};
static const uint32_t net_flags[OPERATIONS] = {
#include <proto/net.def>
#undef OP
};

static uint32_t flags_of(uint64_t op)
{
	switch (IPC_OP_PROTO(op)) {
	case PROTO_ID_FILE: return file_flags[IPC_OP_NUMBER(op)];
	case PROTO_ID_VFS: return vfs_flags[IPC_OP_NUMBER(op)];
	case PROTO_ID_PM: return pm_flags[IPC_OP_NUMBER(op)];
	case PROTO_ID_PIPE: return pipe_flags[IPC_OP_NUMBER(op)];
	case PROTO_ID_SOCKET: return socket_flags[IPC_OP_NUMBER(op)];
	case PROTO_ID_NET: return net_flags[IPC_OP_NUMBER(op)];
	}
	return 0;
}

/* Past the check of its form, into the handler. */
static uint64_t form(struct ipc_msg *msg, struct ipc_page *page, uint64_t op)
{
	uint32_t flags = flags_of(op);

	msg->in_len = flags & OP_IN ? msg->in_len : 0;
	msg->out_len = flags & OP_OUT ? msg->out_len : 0;
	page->caps_count = flags & OP_CAPS_OPT && random_below(2) ? 0 : OP_CAPS_OF(flags);
	page->recv_count = OP_RCAPS_OF(flags);
	page->recv_min = 0;
	return IPC_INTR | IPC_EXTRA | (page->recv_count ? IPC_RECV_CAPS | IPC_RECV_FD : 0u);
}

static void send_call(uint64_t op)
{
	struct ipc_page *page = own_page();
	struct ipc_msg msg = { .op = op };
	uint64_t flags;
	long status;

	for (unsigned i = 0; i < IPC_WORDS; i++)
		msg.w[i] = random_argument();
	random_buffers(&msg);
	flags = random_flags(page);
	if (well_formed)
		flags = form(&msg, page, op);
	status = raw_call(targets[target].cap, flags, &msg);
	if (is_fork(op) && status == 0 && msg.w[0] == 1)
		end_child();
	count_answer(status);
}

static void attack(unsigned step)
{
	uint64_t op = IPC_OP(step / OPERATIONS % PROTOCOLS, step % OPERATIONS);

	if (step % 64 == 0)
		close_received();
	if (target == 0) /* which can stop the clock */
		start_ticking();
	fill_buffer();
	progress->note = op;
	/* Anything but text would garble the terminal that the results are read from. */
	if (!strcmp(targets[target].name, "terminal") && IPC_OP_PROTO(op) == 1)
		memset(hostile_buffer, 0, HOSTILE_BUFFER);
	send_call(op);
}

/* The operations that the target knows, again and again. */
static const uint8_t spoken[] = { 4, 2, 9 };

static void attack_own(unsigned step)
{
	unsigned protocol = target < sizeof spoken ? spoken[target] : 1;

	well_formed = random_below(8) != 0;
	attack(protocol * OPERATIONS + step % 52);
}

/* --- all of it ------------------------------------------------------------------------------------------- */

static int terminal_mode_known;
static struct termios terminal_mode;

/* The console belongs to whoever reads the results. */
static void save_terminal(void)
{
	terminal_mode_known = tcgetattr(STDOUT_FILENO, &terminal_mode) == 0;
}

static void restore_terminal(void)
{
	if (!terminal_mode_known)
		return;
	tcflow(STDOUT_FILENO, TCOON);
	tcflush(STDOUT_FILENO, TCIFLUSH);
	tcsetattr(STDOUT_FILENO, TCSANOW, &terminal_mode);
	tcsetpgrp(STDOUT_FILENO, getpgrp());
}

static void report_target(const char *how, struct campaign_result result)
{
	char name[128];

	restore_terminal();
	snprintf(name, sizeof name, "%s answers %s", targets[target].name, how);
	if (result.stalls)
		printf("# the last that was not answered: protocol %u, operation %u\n",
		       IPC_OP_PROTO(result.last_stall), IPC_OP_NUMBER(result.last_stall));
	CHECK(name, result.stalls == 0);
	snprintf(name, sizeof name, "services after %s, %s", targets[target].name, how);
	CHECK(name, services_unchanged());
}

static const struct campaign each = { "every operation", PROTOCOLS *OPERATIONS, 3000, prepare, attack,
				      may_block };
static const struct campaign own = { "operations it knows", 52 * 60, 3000, prepare, attack_own, may_block };

int main(int argc, char **argv)
{
	if (!on_anole())
		return 0;
	hostile_setup();
	services_now(services_before);
	save_terminal();
	open_targets();
	for (target = 0; target < TARGETS; target++) {
		if (targets[target].cap == -1 ||
		    (argc > 1 && strncmp(argv[1], targets[target].name, strlen(argv[1]))))
			continue;
		printf("# %s\n", targets[target].name);
		report_target("every operation", campaign_run(&each));
		report_target("its own operations", campaign_run(&own));
	}
	unlink("/tmp/hostile.file");
	unlink("/root/hostile.file");
	check_system("hostile messages");
	return check_result();
}
