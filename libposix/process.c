/* SPDX-License-Identifier: MIT */
/* fork and its kin, exec, exit, wait. */
#include "signal.h"
#include "thread.h"

#include <proto/file_types.h>
#include <proto/pm.h>

/* --- making processes and threads ------------------------------------------------------------- */
/* In a child with a copy of the memory: what was the parent's own. */
static void begin_child(void)
{
	struct lp_thread *self = lp_thread();

	tb()->tid = (uint32_t)tb()->pid;
	tb()->robust_list = 0;
	self->poll_notify = 0;
	self->poll_words = 0;
	memset(self->files, 0, sizeof(self->files));
	this_process()->lock_files = 0;
	this_process()->random_count = 0; /* see random.c */
	/* Another thread may have held them. */
	this_process()->random_lock = this_process()->mm_lock = this_process()->action_lock = 0;
	lp_actions_forked();
	memset(ipc_page()->watches, 0, sizeof(ipc_page()->watches));
}

static long fork_process(uint64_t set_tid, uint64_t clear_tid, uint64_t stack, uint64_t exit_signal)
{
	struct pm_fork_req request = { .exit_signal = exit_signal, .tid = tb()->tid };
	struct pm_fork_reply reply;
	long pid = pm_call_fork(PROC_SLOT_PM, NULL, &request, &reply);

	if (pid || !reply.is_child)
		return pid;
	begin_child();
	tb()->clear_tid = clear_tid;
	if (set_tid)
		*(uint32_t *)set_tid = tb()->tid;
	if (stack)
		tb()->user_rsp = stack;
	return 0;
}

static void fill_start(struct lp_start *start, uint64_t stack)
{
	struct thread_block *block = tb();

	*start = (struct lp_start){
		.frame = lp_thread()->frame,
		.rsp = stack ? stack : block->user_rsp,
		.mask = block->mask,
	};
}

/* Shares the memory, and this thread stands still until it execs or exits. */
static long fork_shared(uint64_t flags, uint64_t stack, uint64_t exit_signal, uint64_t tls)
{
	struct lp_start start;
	struct pm_fork_req request = {
		.flags = PM_FORK_VM | PM_FORK_VFORK,
		.stack = (uint64_t)&start,
		.exit_signal = exit_signal,
		.tid = tb()->tid,
	};
	struct pm_fork_reply reply;

	fill_start(&start, stack);
	start.vforked = 1;
	start.tls = flags & CLONE_SETTLS ? tls : lp_thread()->tls;
	start.alt_stack = tb()->alt_stack;
	start.alt_stack_size = tb()->alt_stack_size;
	start.alt_stack_flags = tb()->alt_stack_flags;
	return pm_call_fork(PROC_SLOT_PM, NULL, &request, &reply);
}

static long create_thread(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid,
			  uint64_t tls)
{
	struct lp_start *start = (struct lp_start *)((stack - sizeof(*start)) & ~15ull);
	struct pm_thread_create_req request = {
		.flags = flags,
		.stack = (uint64_t)start,
		.tls = flags & CLONE_SETTLS ? tls : 0,
		.tid_address = flags & CLONE_PARENT_SETTID ? parent_tid : 0,
		.tid = tb()->tid,
	};
	struct pm_thread_create_reply reply;

	if (!stack)
		return -EINVAL;
	fill_start(start, stack);
	start->tls = flags & CLONE_SETTLS ? tls : lp_thread()->tls;
	start->set_tid = flags & CLONE_CHILD_SETTID ? child_tid : 0;
	start->clear_tid = flags & CLONE_CHILD_CLEARTID ? child_tid : 0;
	return pm_call_thread_create(PROC_SLOT_PM, NULL, &request, &reply);
}

/* entry.S: the first code of a thread; PM has filled in its block's names. */
void lp_thread_begin(const struct lp_start *start)
{
	struct thread_block *block = tb();
	struct lp_thread *self = lp_thread();

	*self = (struct lp_thread){ .frame = start->frame, .tls = start->tls, .vforked = start->vforked };
	block->user_rsp = start->rsp;
	block->mask = start->mask;
	block->saved_mask_valid = 0;
	block->clear_tid = start->clear_tid;
	block->robust_list = 0;
	block->alt_stack = start->alt_stack;
	block->alt_stack_size = start->alt_stack_size;
	block->alt_stack_flags = start->alt_stack_flags;
	memset(ipc_page()->watches, 0, sizeof(ipc_page()->watches));
	if (start->tls)
		kcall(set_fsbase, start->tls);
	if (start->set_tid)
		*(uint32_t *)start->set_tid = block->tid;
}

long lp_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid, uint64_t tls)
{
	uint64_t exit_signal = flags & 0xff;
	long pid;

	if (flags & (CLONE_NAMESPACES | CLONE_PIDFD | CLONE_PARENT))
		return flags & CLONE_NAMESPACES ? -EPERM : -EINVAL;
	if (flags & CLONE_THREAD) {
		uint32_t needed = CLONE_VM | CLONE_SIGHAND | CLONE_FILES | CLONE_FS;

		return (flags & needed) == needed ? create_thread(flags, stack, parent_tid, child_tid, tls)
						  : -EINVAL;
	}
	if (exit_signal > SIGNAL_MAX)
		return -EINVAL;
	if (flags & CLONE_VM)
		return flags & CLONE_VFORK ? fork_shared(flags, stack, exit_signal, tls) : -EINVAL;
	if (flags & (CLONE_SIGHAND | CLONE_FILES | CLONE_FS))
		return -EINVAL;
	pid = fork_process(flags & CLONE_CHILD_SETTID ? child_tid : 0,
			   flags & CLONE_CHILD_CLEARTID ? child_tid : 0, stack, exit_signal);
	if (!pid && flags & CLONE_SETTLS)
		lp_arch_prctl(ARCH_SET_FS, tls);
	if (pid > 0 && flags & CLONE_PARENT_SETTID)
		*(uint32_t *)parent_tid = (uint32_t)pid;
	return pid;
}

long lp_fork(void)
{
	return fork_process(0, 0, 0, SIGCHLD);
}

long lp_vfork(void)
{
	return fork_shared(0, 0, SIGCHLD, 0);
}

/* --- exec ------------------------------------------------------------------------------------------ */
/* Strings on their way into the arguments object, a page at a time. */
struct packer {
	cap_t memory;
	uint32_t filled;
	uint64_t at; /* offset of buffer[0] in the object */
	long error;
	char buffer[4096];
};

static void pack_flush(struct packer *packer)
{
	long done;

	if (!packer->filled || packer->error)
		return;
	if (packer->at + packer->filled > EXEC_ARGS_MAX) {
		packer->error = -E2BIG;
		return;
	}
	done = kcall(mo_write, packer->memory, packer->at, packer->buffer, packer->filled);
	if (done < 0)
		packer->error = done;
	packer->at += packer->filled;
	packer->filled = 0;
}

/* Linux's MAX_ARG_STRLEN, with the NUL. */
#define STRING_MAX (128u * 1024u)

static void pack_string(struct packer *packer, const char *string)
{
	for (const char *start = string;; string++) {
		if (string - start == STRING_MAX)
			packer->error = -E2BIG;
		packer->buffer[packer->filled++] = *string;
		if (packer->filled == sizeof(packer->buffer))
			pack_flush(packer);
		if (!*string || packer->error)
			return;
	}
}

static uint32_t pack_vector(struct packer *packer, const char *const *vector)
{
	uint32_t count = 0;

	if (!vector)
		return 0;
	for (; vector[count] && !packer->error; count++)
		pack_string(packer, vector[count]);
	return count;
}

static uint32_t packed(const struct packer *packer)
{
	return (uint32_t)(packer->at + packer->filled);
}

static long pack(struct packer *packer, struct exec_args *args, const char *path, const char *const *argv,
		 const char *const *envp)
{
	packer->at = sizeof(*args);
	args->path_offset = packed(packer);
	pack_string(packer, path);
	args->argv_offset = packed(packer);
	args->argc = pack_vector(packer, argv);
	args->envp_offset = packed(packer);
	args->envc = pack_vector(packer, envp);
	args->size = packed(packer);
	pack_flush(packer);
	if (packer->error)
		return packer->error;
	return kcall(mo_write, packer->memory, 0, args, sizeof(*args));
}

/* Faults (and so answers EFAULT) before anything is made, if a string is not readable. */
static void read_vector(const char *const *vector)
{
	for (; vector && *vector; vector++)
		(void)*(volatile const char *)*vector;
}

static long execute(int dir, const char *path, const char *const *argv, const char *const *envp,
		    uint32_t flags)
{
	struct packer packer = { .filled = 0 };
	struct exec_args args = { .dir = dir, .flags = flags };
	struct pm_exec_req request = { .tid = tb()->tid };
	struct pm_exec_reply reply;
	struct call_options options = { .caps_count = 1 };
	long status = lp_path_length(path, flags & AT_EMPTY_PATH);

	if (status < 0)
		return status;
	read_vector(argv);
	read_vector(envp);
	packer.memory = (cap_t)kcall(mo_create, EXEC_ARGS_MAX, 0);
	if (packer.memory < 0)
		return packer.memory;
	status = pack(&packer, &args, path, argv, envp);
	options.caps[0] = packer.memory;
	if (status >= 0)
		status = pm_call_exec(PROC_SLOT_PM, &options, &request, &reply);
	kcall(cap_close, packer.memory);
	return status;
}

long lp_execve(uint64_t path, uint64_t argv, uint64_t envp)
{
	return execute(AT_FDCWD, (const char *)path, (const char *const *)argv, (const char *const *)envp, 0);
}

long lp_execveat(uint64_t dir, uint64_t path, uint64_t argv, uint64_t envp, uint64_t flags)
{
	if (flags & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return execute((int)dir, (const char *)path, (const char *const *)argv, (const char *const *)envp,
		       (uint32_t)flags);
}

/* --- exit ----------------------------------------------------------------------------------------- */
/* struct robust_list_head of Linux */
struct robust_head {
	uint64_t next;
	int64_t futex_offset;
	uint64_t pending;
};
#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID 0x3fffffffu

/* If this thread holds the mutex, whoever takes it next is told that its owner died. */
static void leave_mutex(const struct robust_head *head, uint64_t entry)
{
	uint32_t *word = (uint32_t *)((entry & ~1ull) + (uint64_t)head->futex_offset);
	uint32_t held = __atomic_load_n(word, __ATOMIC_SEQ_CST);

	if ((held & FUTEX_TID) != tb()->tid)
		return;
	__atomic_store_n(word, (held & FUTEX_WAITERS) | FUTEX_OWNER_DIED, __ATOMIC_SEQ_CST);
	kcall(futex, word, FUTEX_OP_WAKE | FUTEX_OP_SHARED, 1, 0, 0, 0);
}

static void leave_robust_list(void)
{
	const struct robust_head *head = (struct robust_head *)tb()->robust_list;
	uint64_t entry;

	if (!head)
		return;
	tb()->robust_list = 0; /* a pointer that leads nowhere ends the walk, not the exit */
	entry = head->next;
	for (unsigned limit = 0; entry & ~1ull && (entry & ~1ull) != (uint64_t)head && limit < 2048;
	     limit++) {
		uint64_t next = *(uint64_t *)(entry & ~1ull);

		leave_mutex(head, entry);
		entry = next;
	}
	if (head->pending)
		leave_mutex(head, head->pending);
}

long lp_exit_group(uint64_t code)
{
	struct pm_exit_req request = { .status = (code & 0xff) << 8 };
	struct pm_exit_reply reply;

	leave_robust_list();
	for (;;)
		pm_call_exit(PROC_SLOT_PM, NULL, &request, &reply);
}

/* Of this thread. Its block is used again only after it has ended. */
long lp_exit(uint64_t code)
{
	struct pm_exit_thread_req request = { .tid = tb()->tid, .status = (code & 0xff) << 8 };
	struct pm_exit_thread_reply reply;
	uint64_t clear = tb()->clear_tid;

	leave_robust_list();
	tb()->clear_tid = 0;
	tb()->mask = ~0ull;
	pm_call_exit_thread(PROC_SLOT_PM, NULL, &request, &reply);
	if (clear)
		lp_writable((void *)clear, 4);
	for (;;)
		kcall(thread_exit, clear);
}

/* --- wait --------------------------------------------------------------------------------------------- */
#define WNOHANG 1u
#define WUNTRACED 2u
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x1000000u
#define WAIT_FLAGS_THREADS 0xe0000000u /* __WNOTHREAD, __WALL, __WCLONE: PM knows one kind of child */

void lp_fill_rusage(void *to, uint64_t user_ns, uint64_t system_ns, const struct process_times *times);

static long wait_for(int64_t pid, uint64_t options, struct process_times *times, struct pm_wait_reply *reply)
{
	struct pm_wait_req request = { .pid = pid, .options = options };
	struct call_options buffers = { .out = times, .out_length = times ? sizeof(*times) : 0 };

	return pm_call_wait(PROC_SLOT_PM, &buffers, &request, reply);
}

long lp_wait4(uint64_t pid, uint64_t status, uint64_t options, uint64_t usage)
{
	struct process_times times;
	struct pm_wait_reply reply;
	uint64_t known = WNOHANG | WUNTRACED | WCONTINUED | WAIT_FLAGS_THREADS;
	long got;

	if (options & ~known & 0xffffffff)
		return -EINVAL;
	if ((int32_t)pid == INT32_MIN)
		return -ESRCH;
	options = (options & (WNOHANG | WUNTRACED | WCONTINUED)) | WEXITED;
	got = wait_for((int32_t)pid, options, usage ? &times : NULL, &reply);
	if (got > 0 && status)
		*(uint32_t *)status = (uint32_t)reply.wait_status;
	if (got > 0 && usage)
		lp_fill_rusage((void *)usage, times.user_ns + times.children_user_ns,
			       times.system_ns + times.children_system_ns, &times);
	return got;
}

/* waitid's code and status from wait's status word. */
static void fill_child_info(struct signal_info *info, long pid, const struct pm_wait_reply *reply)
{
	uint32_t status = (uint32_t)reply->wait_status;

	memset(info, 0, 128);
	if (!pid)
		return;
	info->signo = SIGCHLD;
	info->child.pid = (int32_t)pid;
	info->child.uid = (uint32_t)reply->uid;
	if (status == 0xffff) {
		info->code = 6; /* CLD_CONTINUED */
		info->child.status = 18;
	} else if ((status & 0xff) == 0x7f) {
		info->code = 5; /* CLD_STOPPED */
		info->child.status = (int32_t)(status >> 8 & 0xff);
	} else if (status & 0x7f) {
		info->code = status & 0x80 ? 3 : 2; /* CLD_DUMPED, CLD_KILLED */
		info->child.status = (int32_t)(status & 0x7f);
	} else {
		info->code = 1; /* CLD_EXITED */
		info->child.status = (int32_t)(status >> 8 & 0xff);
	}
}

/* idtype: P_ALL 0, P_PID 1, P_PGID 2. */
static long waitid_target(uint64_t idtype, int32_t id, int64_t *pid)
{
	if (idtype > 2 || (idtype == 1 && id <= 0) || (idtype == 2 && id < 0))
		return -EINVAL;
	*pid = idtype == 0 ? -1 : idtype == 1 ? id : -(int64_t)id;
	return 0;
}

long lp_waitid(uint64_t idtype, uint64_t id, uint64_t info, uint64_t options, uint64_t usage)
{
	struct process_times times;
	struct pm_wait_reply reply = {};
	int64_t pid;
	uint64_t events = WUNTRACED | WEXITED | WCONTINUED;
	long got = waitid_target(idtype, (int32_t)id, &pid);

	if (got || options & ~(events | WNOHANG | WNOWAIT | WAIT_FLAGS_THREADS) & 0xffffffff ||
	    !(options & events))
		return -EINVAL;
	got = wait_for(pid, options & ~(uint64_t)WAIT_FLAGS_THREADS, usage ? &times : NULL, &reply);
	if (got < 0)
		return got;
	if (info)
		fill_child_info((struct signal_info *)info, got, &reply);
	if (usage && got)
		lp_fill_rusage((void *)usage, times.user_ns + times.children_user_ns,
			       times.system_ns + times.children_system_ns, &times);
	return 0;
}
