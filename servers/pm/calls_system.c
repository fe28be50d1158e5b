/* SPDX-License-Identifier: MIT */
/* Timers, names, what procfs asks, the system's start and end: messages. */
#include "calls.h"
#include "image.h"
#include "peers.h"

#include <util/string.h>

static PRESERVED struct host_names names;

/* --- timers ---------------------------------------------------------------------------------------- */
long do_itimer(struct request *rq, const struct pm_itimer_req *in, struct pm_itimer_reply *out)
{
	struct process *process = caller_of(rq);
	struct timer_value new = { in->value_ns, in->interval_ns }, old = { 0, 0 };
	long status;

	if (!process)
		return -ESRCH;
	status = itimer_set(process, (uint32_t)in->which, in->set ? &new : NULL, &old);
	out->value_ns = old.value;
	out->interval_ns = old.interval;
	return status;
}

#define SIGEV_THREAD 2u
#define SIGEV_THREAD_ID 4u
#define CLOCKS 4u

long do_timer_create(struct request *rq, const struct pm_timer_create_req *in,
		     struct pm_timer_create_reply *out)
{
	struct process *process = caller_of(rq);
	struct posix_timer *timer;
	uint64_t clock = in->clock == 7 ? 1 : in->clock; /* CLOCK_BOOTTIME is as monotonic */

	if (!process || clock >= CLOCKS || in->notify > SIGEV_THREAD_ID || in->notify == 3)
		return -EINVAL;
	if (in->notify != 1 && (in->signal < 1 || in->signal > SIGNAL_COUNT))
		return -EINVAL;
	if (in->notify == SIGEV_THREAD_ID && !process_thread(process, (int32_t)in->tid))
		return -EINVAL;
	timer = timer_make(process);
	if (!timer)
		return -EAGAIN;
	timer->clock = (uint32_t)clock;
	timer->notify = (uint32_t)in->notify;
	timer->signal = (uint32_t)in->signal;
	timer->value = in->tid == ~0ull ? timer->id : in->value;
	timer->tid = (uint32_t)in->tid;
	out->id = timer->id;
	return 0;
}

static struct posix_timer *named_timer(struct request *rq, uint64_t id)
{
	struct process *process = caller_of(rq);

	return process ? timer_find(process, (uint32_t)id) : NULL;
}

long do_timer_set(struct request *rq, const struct pm_timer_set_req *in, struct pm_timer_set_reply *out)
{
	struct posix_timer *timer = named_timer(rq, in->id);
	struct timer_value new = { in->value_ns, in->interval_ns }, old;

	if (!timer)
		return -EINVAL;
	old = timer_left(timer);
	timer_arm(timer, in->flags & 1, &new);
	out->value_ns = old.value;
	out->interval_ns = old.interval;
	return 0;
}

long do_timer_get(struct request *rq, const struct pm_timer_get_req *in, struct pm_timer_get_reply *out)
{
	struct posix_timer *timer = named_timer(rq, in->id);
	struct timer_value left;

	if (!timer)
		return -EINVAL;
	left = timer_left(timer);
	out->value_ns = left.value;
	out->interval_ns = left.interval;
	out->overrun = timer->overrun;
	return 0;
}

long do_timer_delete(struct request *rq, const struct pm_timer_delete_req *in,
		     struct pm_timer_delete_reply *out)
{
	struct posix_timer *timer = named_timer(rq, in->id);

	(void)out;
	if (!timer)
		return -EINVAL;
	timer_free(timer);
	return 0;
}

static bool is_root(const struct request *rq)
{
	struct process *process = caller_of(rq);

	return process && process_entry(process)->euid == 0;
}

long do_clock_set(struct request *rq, const struct pm_clock_set_req *in, struct pm_clock_set_reply *out)
{
	const struct startup_entry *root = startup_find(STARTUP_ROOT, "root", 0);

	(void)out;
	if (!is_root(rq) || !root)
		return -EPERM;
	return kcall(clock_set, root->slot, in->realtime_ns);
}

/* --- names, options ------------------------------------------------------------------------------------ */
long do_name(struct request *rq, const struct pm_name_req *in, struct pm_name_reply *out)
{
	struct process *process = caller_of(rq);
	char name[sizeof(((struct process_entry *)0)->command)] = { 0 };
	long status = 0;

	(void)out;
	if (!process)
		return -ESRCH;
	if (in->set) {
		if (rq->in_length >= sizeof(name))
			return -EINVAL;
		if (rq->in_length)
			status = request_read(rq, 0, name, rq->in_length);
		if (status >= 0)
			memcpy(process_entry(process)->command, name, sizeof(name));
		for (struct thread *thread = process->threads; thread; thread = thread->next)
			thread_show(thread);
	} else {
		if (rq->out_length < sizeof(name))
			return -EINVAL;
		status = request_write(rq, 0, process_entry(process)->command, sizeof(name));
	}
	return status < 0 ? status : 0;
}

static long set_host_name(struct request *rq, char *name)
{
	char text[65] = { 0 };
	long status = 0;

	if (!is_root(rq))
		return -EPERM;
	if (rq->in_length >= sizeof(text))
		return -EINVAL;
	if (rq->in_length)
		status = request_read(rq, 0, text, rq->in_length);
	if (status >= 0) {
		memcpy(name, text, sizeof(text));
	}
	return status < 0 ? status : 0;
}

long do_host_name(struct request *rq, const struct pm_host_name_req *in, struct pm_host_name_reply *out)
{
	long status;

	(void)out;
	if (!names.host[0]) {
		strlcpy(names.host, "anole", sizeof(names.host));
		strlcpy(names.domain, "(none)", sizeof(names.domain));
	}
	if (in->set)
		return set_host_name(rq, in->which ? names.domain : names.host);
	if (rq->out_length < sizeof(names))
		return -EINVAL;
	status = request_write(rq, 0, &names, sizeof(names));
	return status < 0 ? status : 0;
}

static long set_option(struct process *process, uint32_t flag, bool on)
{
	process->flags = on ? process->flags | flag : process->flags & ~flag;
	return 0;
}

long do_option(struct request *rq, const struct pm_option_req *in, struct pm_option_reply *out)
{
	struct process *process = caller_of(rq);
	static const uint16_t flags[PM_OPTION_LAST + 1] = {
		[PM_OPTION_SUBREAPER] = PROC_SUBREAPER,
		[PM_OPTION_NO_NEW_PRIVS] = PROC_NO_NEW_PRIVS,
		[PM_OPTION_DUMPABLE] = PROC_UNDUMPABLE,
		[PM_OPTION_KEEP_CAPS] = PROC_KEEP_CAPS,
	};

	(void)out;
	if (!process || in->which < 1 || in->which > PM_OPTION_LAST)
		return -EINVAL;
	if (in->which == PM_OPTION_DEATH_SIGNAL) {
		if (in->set && in->value > SIGNAL_COUNT)
			return -EINVAL;
		if (in->set)
			process->death_signal = (uint32_t)in->value;
		return in->set ? 0 : process->death_signal;
	}
	/* The flag says the contrary of this one. */
	if (in->which == PM_OPTION_DUMPABLE)
		return in->set ? set_option(process, PROC_UNDUMPABLE, !in->value)
			       : !(process->flags & PROC_UNDUMPABLE);
	return in->set ? set_option(process, flags[in->which], in->value)
		       : (process->flags & flags[in->which]) != 0;
}

long do_trace_unknown(struct request *rq, const struct pm_trace_unknown_req *in,
		      struct pm_trace_unknown_reply *out)
{
	struct process *process = caller_of(rq);

	(void)out;
	if (process)
		slog("%s (%d): unknown system call %lu", process_entry(process)->command,
		     process_pid(process), in->number);
	return 0;
}

/* --- procfs --------------------------------------------------------------------------------------------- */
long do_process_cap(struct request *rq, const struct pm_process_cap_req *in, struct pm_process_cap_reply *out)
{
	struct process *process = process_by_pid((int32_t)in->pid);

	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (!process || process_is_zombie(process))
		return -ESRCH;
	out->stamp = process_entry(process)->stamp;
	if (in->which > 1)
		return -EINVAL;
	return in->which ? request_give(rq, process->fd_table, CAP_R, false)
			 : request_give(rq, process->image->space, CAP_R, false);
}

/*
 * Linux's load averages, one step every five seconds. Nobody wakes up for them: the kernel sums up how many threads
 * could run, and the steps since somebody last asked are made up for with the average over that time.
 */
#define STEP_NS 5000000000ul
#define ONE (1ul << 16)
static PRESERVED struct {
	uint64_t averages[3], at_ns, runnable_ns;
} loads;

static void advance_loads(void)
{
	static const uint32_t decay[3] = { 60284, 64453, 65173 }; /* exp(-5 s / 1, 5, 15 min) */
	struct system_info info = { 0 };
	uint64_t passed, steps, load;

	kcall(system_info, &info);
	passed = info.uptime_ns - loads.at_ns;
	steps = passed / STEP_NS;
	if (!steps)
		return;
	load = (info.runnable_ns - loads.runnable_ns) / (passed / ONE);
	loads.at_ns += steps * STEP_NS;
	loads.runnable_ns = info.runnable_ns - passed % STEP_NS * load / ONE;
	for (uint64_t n = 0; n < steps && n < 1000; n++)
		for (int i = 0; i < 3; i++)
			loads.averages[i] = (loads.averages[i] * decay[i] + load * (ONE - decay[i])) / ONE;
}

long do_system_counts(struct request *rq, const struct pm_system_counts_req *in,
		      struct pm_system_counts_reply *out)
{
	(void)rq, (void)in;
	out->processes = process_count();
	out->forks = table.forks;
	out->last_pid = (uint64_t)table.last_pid;
	advance_loads();
	out->load1 = loads.averages[0];
	out->load5 = loads.averages[1];
	out->load15 = loads.averages[2];
	return 0;
}

long do_random(struct request *rq, const struct pm_random_req *in, struct pm_random_reply *out)
{
	uint8_t bytes[16];
	long status;

	(void)in, (void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (rq->out_length < sizeof(bytes))
		return -EINVAL;
	random_bytes(bytes, sizeof(bytes));
	status = request_write(rq, 0, bytes, sizeof(bytes));
	return status < 0 ? status : 0;
}

long do_threads(struct request *rq, const struct pm_threads_req *in, struct pm_threads_reply *out)
{
	struct process *process = process_by_pid((int32_t)in->pid);
	uint64_t offset = 0;
	long status = 0;

	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (!process)
		return -ESRCH;
	for (struct thread *thread = process->threads; thread && status >= 0; thread = thread->next) {
		if (offset + 4 > rq->out_length)
			break;
		status = request_write(rq, offset, &thread->tid, 4);
		offset += 4;
	}
	return status < 0 ? status : (long)(offset / 4);
}

/* --- start and end ----------------------------------------------------------------------------------------- */
long do_reboot(struct request *rq, const struct pm_reboot_req *in, struct pm_reboot_reply *out)
{
	(void)out;
	if (!is_root(rq))
		return -EPERM;
	if (in->how > 2)
		return -EINVAL;
	peers_power((uint32_t)in->how);
	return 0;
}

static const char *const inits[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };
#define INITS (sizeof(inits) / sizeof(inits[0]))
static PRESERVED uint32_t init_tried;
static PRESERVED struct request *init_request;
static PRESERVED long init_error;
static PRESERVED struct waitq init_waiter;

static const char init_environment[] = "HOME=/\0TERM=linux\0PATH=/sbin:/usr/sbin:/bin:/usr/bin";

/* As libposix would make it. */
static cap_t init_args(const char *path)
{
	char buffer[256];
	struct exec_args *args = (struct exec_args *)buffer;
	size_t length = strlen(path) + 1, at = sizeof(*args);
	long memory = tx_made(kcall(mo_create, EXEC_ARGS_MAX, 0));

	if (memory < 0)
		return (cap_t)memory;
	*args = (struct exec_args){ .argc = 1, .envc = 3, .dir = VFS_CWD };
	args->path_offset = (uint32_t)at;
	memcpy(buffer + at, path, length);
	args->argv_offset = (uint32_t)(at += length);
	memcpy(buffer + at, path, length);
	args->envp_offset = (uint32_t)(at += length);
	memcpy(buffer + at, init_environment, sizeof(init_environment));
	args->size = (uint32_t)(at + sizeof(init_environment));
	kcall(mo_write, memory, 0, buffer, args->size);
	return (cap_t)memory;
}

static void init_answer(long status)
{
	init_error = status ? status : 1;
	machine_wake(&init_waiter);
}

static void init_exec(struct process *process)
{
	cap_t args = init_args(inits[init_tried]);
	long status = args < 0 ? args : exec_begin(process, NULL, NULL, args);

	if (args >= 0)
		tx_close(args);
	init_answer(status < 0 ? status : 0);
}

void init_exec_failed(struct process *process, long error)
{
	slog("%s cannot be run: error %ld", inits[init_tried], error);
	init_tried = init_tried + 1;
	if (init_tried < INITS)
		init_exec(process);
}

static void init_session(struct process *process, long status)
{
	process->flags &= ~(uint32_t)PROC_STARTING;
	if (status < 0)
		init_answer(status);
	else
		init_exec(process);
}

/* One for each MiB, as many as are worth having: what a user's processes can delay others by grows with them. */
static uint64_t default_processes(void)
{
	struct system_info info = { .pages_total = 0 };
	uint64_t count;

	kcall(system_info, &info);
	count = info.pages_total * ANOLE_PAGE_SIZE >> 20;
	if (count < 64)
		return 64;
	return count < PROCESS_MAX / 2 ? count : PROCESS_MAX / 2;
}

static void default_limits(struct process *process)
{
	struct process_entry *entry = process_entry(process);
	uint64_t processes = default_processes();

	for (unsigned i = 0; i < LIMITS; i++)
		process->limits[i] = (struct limit){ ~0ull, ~0ull };
	process->limits[3] = (struct limit){ 8ul << 20, ~0ull };            /* RLIMIT_STACK */
	process->limits[4] = (struct limit){ 0, ~0ull };                    /* RLIMIT_CORE */
	process->limits[6] = (struct limit){ processes, processes };        /* RLIMIT_NPROC */
	process->limits[7] = (struct limit){ 1024, 4096 };                  /* RLIMIT_NOFILE */
	process->limits[8] = (struct limit){ 8ul << 20, 8ul << 20 };        /* RLIMIT_MEMLOCK */
	process->limits[13] = process->limits[14] = (struct limit){ 0, 0 }; /* RLIMIT_NICE, RTPRIO */
	entry->limit_files = 1024;
	entry->limit_file_size = ~0ull;
	entry->start_ns = machine_now();
	strlcpy(entry->command, "init", sizeof(entry->command));
}

static long make_init(void)
{
	struct process *process = process_new(NULL);
	long table = tx_made(kcall(table_create, 1024, 1));

	if (!process || table < 0)
		return -ENOMEM;
	process->fd_table = (cap_t)table;
	process->flags = PROC_STARTING;
	default_limits(process);
	return peers_session_create(process, init_session);
}

long do_start_init(struct request *rq, const struct pm_start_init_req *in, struct pm_start_init_reply *out)
{
	long status;

	(void)in, (void)out;
	if (!stamp_is_service(rq->stamp) && rq->badge != BADGE_RS)
		return -EPERM;
	if (init_error)
		return init_error == 1 ? 0 : init_error;
	if (!init_process()) {
		status = make_init();
		if (status < 0)
			return status;
	}
	return request_park(rq, &init_waiter);
}
