/* SPDX-License-Identifier: MIT */
/*
 * The process manager's state and the interfaces between its files. Two layers: calls*.c decode
 * messages; the rest operates on the structures below, and what it wants of the kernel it asks of
 * machine.h, which tests on the host replace.
 *
 * What other servers see of a process (ids, groups, credentials) lives in its entry of the
 * process table, nowhere else.
 */
#ifndef PM_PM_H
#define PM_PM_H

#include "signals.h"

#include <abi/thread_block.h>
#include <proto/pm_types.h>
#include <sys/random.h>
#include <sys/server.h>
#include <util/string.h>

#define THREAD_POOL 8192u
#define BADGES_MAX 65536u /* open files and the like of all users */
#define QUEUE_POOL 4096u
#define QUEUE_MAX 256u /* of one process or thread: then sigqueue answers EAGAIN */
#define TIMER_POOL 1024u
#define TIMERS_PER_PROCESS 64u
#define LIMITS PROCESS_LIMITS
#define INIT_PID 1

/* An address space of processes: shared between a vfork child and its parent. */
struct image {
	cap_t space;
	uint32_t users;
	struct image *next_free;
	uint64_t freed; /* by which transaction, here and below */
	uint64_t base;  /* where libposix is mapped */
	uint64_t blocks_used[THREADS_MAX / 64], blocks_mapped[THREADS_MAX / 64];
};

/* A signal with what came with it; standard signals stand at most once in a queue. */
struct queued_signal {
	struct signal_info info;
	struct queued_signal *next;
};

struct signal_queue {
	uint64_t pending; /* bit n - 1: signal n */
	uint32_t length;
	struct queued_signal *first, *last;
};

enum thread_phase { THREAD_UNUSED, THREAD_MADE, THREAD_LIVE, THREAD_LEAVING };
struct thread {
	struct process *process;
	struct thread *next; /* of the process; or of the free list */
	int32_t tid;
	uint8_t phase; /* LEAVING: has said exit_thread, ends itself any moment */
	uint16_t block;
	cap_t cap;
	uint64_t freed;
	struct signal_queue signals;
	uint64_t hint;           /* what the pending word of its block holds */
	uint64_t wait_set;       /* sigtimedwait: signals it waits for */
	struct request *waiting; /* ... and the request */
	struct timer timer;      /* ... and its time limit */
};

struct interval_timer {
	struct timer timer;
	uint64_t deadline, interval; /* REAL: monotonic; VIRTUAL, PROF: of CPU time; 0 off */
};

struct posix_timer {
	struct timer timer;
	struct process *process;
	struct posix_timer *next;
	uint32_t id, clock, notify, signal, tid;
	uint64_t value, deadline, interval, overrun;
};

/* exec under way: the new image, whose loader is at work, beside the old one. */
struct exec_state {
	struct request *request; /* of the caller; NULL for init's first */
	struct image *image;
	struct thread *loader;
	int32_t caller; /* tid */
	cap_t private_table;
	uint64_t badge; /* of the loader's capability to PM: no other may commit */
};

struct limit {
	uint64_t soft, hard;
};

enum process_flags {
	PROC_EXECED = 0x01, /* setpgid by the parent is over */
	PROC_STOPPED = 0x02,
	PROC_STOP_NEWS = 0x04,     /* the stop, or */
	PROC_CONTINUE_NEWS = 0x08, /* ... the continue, has not been waited for */
	PROC_VFORKED = 0x10,       /* still in its parent's memory */
	PROC_STARTING = 0x20,      /* VFS has not answered yet: its thread has not run */
	PROC_SUBREAPER = 0x40,
	PROC_NO_NEW_PRIVS = 0x80,
	PROC_UNDUMPABLE = 0x100,
	PROC_KEEP_CAPS = 0x200,
	PROC_NOCLDSTOP = 0x400, /* flags of SIGCHLD's action; which signals are ignored and caught */
	PROC_NOCLDWAIT = 0x800, /* stands in the process table */
	PROC_BOUND = 0x1000,    /* a thread of it, or of who made it, was given an affinity */
	PROC_ENDING = 0x2000,   /* its end has begun, and is gone on with whatever happens */
};

enum { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_NPROC = 6, RLIMIT_NOFILE, RLIMIT_AS = 9 };
#define NO_LIMIT UINT64_MAX

struct process {
	uint64_t freed;
	struct process *parent, *children, *zombies; /* those that live, those to be waited for */
	struct process *older, *younger;             /* siblings, in either list */
	struct process *next, *previous;             /* all processes; or the free list */
	struct image *image;
	struct thread *threads;
	cap_t private_table, fd_table;
	uint32_t flags, stop_signal, exit_signal, death_signal;
	uint32_t wait_status;
	int32_t fork_error; /* STARTING: what VFS answered, negative */
	struct signal_queue signals;
	struct exec_state exec;
	struct process_times times; /* of threads that have ended; of children waited for */
	struct posix_timer *timers;
	uint32_t timer_count, timer_next;
	uint64_t cpu_warned; /* seconds of processor time at the last SIGXCPU */
	struct limit limits[LIMITS];
	struct interval_timer itimers[3];
	struct waitq waiters; /* in wait, for its children */
	struct waitq makers;  /* who made it: waits for VFS, or (vfork) for its exec */
};

extern struct process_table *proctab; /* the share */
extern struct process processes[PROCESS_MAX];

/* --- transactions ---------------------------------------------------------------------------- */
/* A place out of a free list, by its link there, is all zero. What it was is not needed again, unless this same
 * transaction has freed it. */
static inline void take_place(void *place, size_t size, void *link, uint64_t freed)
{
	if (freed != tx_sequence()) {
		tx_save_word(link);
		tx_fresh(place, size);
	}
	memset(place, 0, size);
}
/* In loops over many, where it does no harm that the part before is done if the service dies. */
static inline void breathe(void)
{
	if (tx_is_long())
		tx_checkpoint();
}

/* --- table.c: who there is ------------------------------------------------------------------- */
void table_start(bool restarted);
static inline uint32_t process_slot(const struct process *process)
{
	return (uint32_t)(process - processes);
}
static inline struct process_entry *process_entry(const struct process *process)
{
	return &proctab->entry[process - processes];
}
static inline int32_t process_pid(const struct process *process)
{
	return process_entry(process)->pid;
}
static inline bool process_is_zombie(const struct process *process)
{
	return process_entry(process)->state == PROCESS_ZOMBIE;
}
extern struct table {
	struct process *first; /* of all, the youngest */
	struct process *free_processes;
	struct thread *free_threads;
	uint64_t generation, forks;
	uint32_t count, live_threads;
	uint32_t used_processes, used_threads; /* beyond these none has been used yet */
	int32_t last_pid;
} table;
struct process *process_by_stamp(uint64_t stamp);
struct process *process_by_pid(int32_t pid); /* zombies too */
struct thread *thread_by_tid(int32_t tid);
uint32_t process_count(void);
uint32_t processes_of(uint32_t uid); /* zombies too */
void process_changes_owner(const struct process *process, uint32_t before);
/* Every process by its place, for walks during which processes may go; NULL: nobody there. */
uint32_t process_places(void);
struct process *process_at(uint32_t place);
/* A new process with a pid and a stamp, a copy of the parent's public entry (NULL: all zero);
 * NULL if the table is full. */
struct process *process_new(struct process *parent);
void process_free(struct process *process); /* the reaped, or one that could not be made */
void process_adopt(struct process *child, struct process *parent);
void process_become_zombie(struct process *process);
/* Process group and session numbers keep a pid from being used again. */
void process_set_group(struct process *process, int32_t pgid, int32_t sid);
/* tid 0: a new number. NULL: none left. thread_name: from now on the number means this thread. */
struct thread *thread_new(struct process *process, int32_t tid);
void thread_name(struct thread *thread);
/* Tell the kernel what the thread is called: after a change of the command or of its number. */
void thread_show(const struct thread *thread);
void thread_free(struct thread *thread);
struct thread *process_thread(struct process *process, int32_t tid); /* of that process only */
struct process *init_process(void);

/* --- signal.c --------------------------------------------------------------------------------------- */
bool queue_add(struct signal_queue *queue, const struct signal_info *info);
bool queue_take(struct signal_queue *queue, int signal, struct signal_info *info);
void queue_discard(struct signal_queue *queue, uint64_t signals);
void queue_clear(struct signal_queue *queue);
/* To a process, or to one of its threads. Does everything that follows from it. */
void signal_post(struct process *process, struct thread *thread, const struct signal_info *info);
/* The thread that waits for our answer to this request: it looks for signals then, without being interrupted. `told`:
 * of its progress, for signals to many. */
void signal_calling(const struct thread *thread, uint64_t *told);
void signal_simple(struct process *process, int signal);
/* A fault: cannot be blocked or ignored. */
void signal_force(struct thread *thread, const struct signal_info *info);
/* The next signal with a handler outside `mask`; defaults are carried out here. 0: none. -1: the process has
 * ended by it. */
int signal_take(struct thread *thread, uint64_t mask, struct signal_info *info);
/* One of `set`, whatever its action. 0: none. */
int signal_accept(struct thread *thread, uint64_t set, struct signal_info *info);
long signal_set_action(struct process *process, int signal, uint64_t handler, uint64_t flags);
/* After exec: handlers are gone, what is ignored stays so. */
void signal_reset_actions(struct process *process);
/* exec: what was pending for the old thread. */
void signal_move(struct thread *from, struct thread *to);
void signal_update_hints(struct process *process);
bool signal_allowed(const struct process *from, const struct process *to, int signal);
long signal_kill(struct process *from, int32_t pid, int32_t tid, const struct signal_info *info);
/* To each process of a group; ESRCH if there is none; `from` NULL: no check. */
long signal_group(const struct process *from, int32_t pgid, const struct signal_info *info);

/* --- job.c: stop, continue, groups, sessions ------------------------------------------------------------ */
void job_stop(struct process *process, int signal);
void job_continue(struct process *process);
bool job_group_orphaned(int32_t pgid);
/* `process` leaves its group or loses its parent: groups that are orphaned by it and hold a stopped
 * process get SIGHUP and SIGCONT. */
void job_departure(struct process *process);
long job_setpgid(struct process *caller, int32_t pid, int32_t pgid);
long job_setsid(struct process *caller);
/* Tells the parent: SIGCHLD with this code, and wakes its wait. */
void job_tell_parent(struct process *process, int code);

/* --- wait.c ------------------------------------------------------------------------------------------------ */
struct wait_result {
	uint32_t status, uid;
	struct process_times times;
};
/* Pid of a child with news, which is then known; 0 if there is none yet; -ECHILD. */
long wait_find(struct process *process, int64_t pid, uint64_t options, struct wait_result *result);
bool wait_ignored(const struct process *parent); /* children are not waited for */

/* --- cred.c ------------------------------------------------------------------------------------------------- */
long cred_set(struct process *process, uint32_t which, int64_t a, int64_t b, int64_t c);
long cred_set_groups(struct process *process, const uint32_t *groups, uint32_t count);
/* exec of a file with this mode and owner; answers AT_SECURE. */
bool cred_exec(struct process *process, uint32_t mode, uint32_t uid, uint32_t gid);

/* --- life.c ------------------------------------------------------------------------------------- */
/* A stopped thread in a block of its own; begins at `entry` (offset in libposix) with `argument`. NULL: no memory,
 * or too many. thread_join makes it one of its process's. */
struct thread *thread_make(struct process *process, struct image *image, cap_t private_table, int32_t tid,
			   uint64_t entry, uint64_t argument, uint64_t mask);
void thread_enter(struct thread *thread); /* one that runs already */
void thread_join(struct thread *thread);
void thread_drop(struct thread *thread, struct image *image); /* one that did not join */
void thread_end(struct thread *thread);                       /* kill and forget */
void threads_sweep(struct process *process);                  /* those that have left by themselves */
void process_account(struct process *process, struct process_times *times); /* now, threads and all */
/* A child of the caller's process; its thread has not run yet. share: in the same memory (vfork), with `argument`
 * for libposix's thread entry. NULL: no memory, or too many. */
struct process *process_fork(struct thread *caller, bool share, uint64_t argument, uint32_t exit_signal);
void process_begin(struct process *child);
void process_undo(struct process *child);
void process_exit(struct process *process, uint32_t wait_status);
void exits_restart(void); /* the last incarnation may not have come to the end of one */
void process_reap(struct process *process);
/* A user's programs may crash as fast as they like: the log is for others too. */
bool may_log_end(void);
void vfork_release(struct process *child);

/* --- exec.c ------------------------------------------------------------------------------------- */
/* Starts a loader with the arguments object. caller and request: NULL for init. */
long exec_begin(struct process *process, struct thread *caller, struct request *request, cap_t args);
/* The loader goes; whoever waits for it is told. */
void exec_abandon(struct process *process, long error);
struct exec_file {
	uint32_t mode, uid, gid;
	bool no_setid;
};
/* The new image is the process; answers AT_SECURE. */
bool exec_commit(struct process *process, const struct exec_file *file);

/* --- timer.c ------------------------------------------------------------------------------------------------------ */
void timers_restart(void);
void timers_limit(struct process *process); /* RLIMIT_CPU is new or inherited */
void timers_exit(struct process *process, bool exec);
/* value and interval in ns; new NULL: only tells. */
struct timer_value {
	uint64_t value, interval;
};
long itimer_set(struct process *process, uint32_t which, const struct timer_value *new,
		struct timer_value *old);
struct posix_timer *timer_make(struct process *process);
struct posix_timer *timer_find(struct process *process, uint32_t id);
void timer_free(struct posix_timer *timer);
void timer_arm(struct posix_timer *timer, bool absolute, const struct timer_value *new);
struct timer_value timer_left(const struct posix_timer *timer);

/* --- shortage.c ------------------------------------------------------------------------------------- */
/* A thread of the process met a page for which there is no memory: somebody is killed, perhaps the process itself;
 * if not, the access can be made again. If its user's quota is used up, that is the user's largest process. */
void shortage_fault(struct process *process);
/* The process was refused memory: whether another one has been killed that held much of it. */
bool shortage_relieve(const struct process *process);

#endif
