/* SPDX-License-Identifier: MIT */
/*
 * The process manager's decisions on the host: who gets a signal and what it does there, what wait finds, job
 * control, orphaned groups, credentials.
 *
 * SOURCES: servers/pm/table.c servers/pm/signal.c servers/pm/job.c servers/pm/wait.c servers/pm/cred.c
 */
#include "servers/pm/machine.h"

#include <stdio.h>
#include <stdlib.h>

#define TEST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* --- the machine, as the logic sees it --------------------------------------------------------- */
static struct thread *interrupted;
static int interrupts, stops, continues, parent_wakes, request_wakes;
static uint64_t masks[64]; /* by tid, small ones */
static uint64_t pending_words[64];

void machine_interrupt(struct thread *thread)
{
	interrupted = thread;
	interrupts++;
}

void machine_stop(struct thread *thread)
{
	(void)thread;
	stops++;
}

void machine_continue(struct thread *thread)
{
	(void)thread;
	continues++;
}

uint64_t machine_mask(struct thread *thread)
{
	return masks[thread->tid];
}

void machine_set_pending(struct thread *thread, uint64_t pending)
{
	pending_words[thread->tid] = pending;
}

void machine_wake(struct waitq *queue)
{
	(void)queue;
	parent_wakes++;
}

void machine_wake_request(struct request *request)
{
	(void)request;
	request_wakes++;
}

/* Transactions are lib/sys's business: every number of theirs is that of the last here, so nothing is saved. */
struct tx_log tx_log;

void tx_save(void *memory, size_t length)
{
	(void)memory, (void)length;
}

void tx_fresh(void *memory, size_t length)
{
	(void)memory, (void)length;
}

bool tx_is_long(void)
{
	return false;
}

void tx_checkpoint(void) {}

/* Ends as life.c has it, without a kernel. */
void process_exit(struct process *process, uint32_t wait_status)
{
	while (process->threads) {
		struct thread *thread = process->threads;

		process->threads = thread->next;
		thread_free(thread);
	}
	process_become_zombie(process);
	process->wait_status = wait_status;
	queue_clear(&process->signals);
	job_departure(process);
	while (process->children)
		process_adopt(process->children, init_process());
	while (process->zombies)
		process_adopt(process->zombies, init_process());
	job_tell_parent(process, wait_status & 0x7f ? CLD_KILLED : CLD_EXITED);
}

void process_reap(struct process *process)
{
	process_free(process);
}

/* --- making things -------------------------------------------------------------------------------- */
static struct thread *add_thread(struct process *process, int32_t tid)
{
	struct thread *thread = thread_new(process, tid);

	TEST(thread);
	thread->phase = THREAD_LIVE;
	thread->next = process->threads;
	process->threads = thread;
	thread_name(thread);
	masks[thread->tid] = 0;
	return thread;
}

static struct process *make(struct process *parent)
{
	struct process *process = process_new(parent);

	TEST(process);
	process->exit_signal = SIGCHLD;
	add_thread(process, process_pid(process));
	return process;
}

static void post(struct process *process, int signal)
{
	struct signal_info info = { .signo = signal };

	signal_post(process, NULL, &info);
}

static struct wait_result result;
static long look(struct process *parent, int64_t pid, uint64_t options)
{
	return wait_find(parent, pid, options, &result);
}

static void finish(struct process *process)
{
	struct process *parent = process->parent;
	int32_t pid = process_pid(process);

	if (!process_is_zombie(process))
		process_exit(process, 0);
	TEST(look(parent, pid, 4) == pid);
}

static struct process *init;

/* --- signals ------------------------------------------------------------------------------------------ */
static void test_defaults(void)
{
	struct process *process = make(init);

	post(process, SIGCHLD);
	post(process, SIGWINCH);
	TEST(!process_is_zombie(process) && !process->signals.pending);
	post(process, SIGTERM);
	TEST(process_is_zombie(process) && process->wait_status == SIGTERM);
	finish(process);
	post(init, SIGTERM);
	post(init, SIGKILL);
	TEST(!process_is_zombie(init));
}

static void test_handler(void)
{
	struct process *process = make(init);
	struct thread *thread = process->threads;
	struct signal_info info;

	TEST(signal_set_action(process, SIGUSR1, 0x1000, 0) == 0);
	TEST(signal_set_action(process, SIGKILL, 0x1000, 0) == -EINVAL);
	TEST(signal_set_action(process, 65, SIG_IGN, 0) == -EINVAL);
	interrupts = 0;
	post(process, SIGUSR1);
	TEST(interrupts == 1 && interrupted == thread);
	TEST(pending_words[thread->tid] == SIGNAL_BIT(SIGUSR1));
	TEST(signal_take(thread, SIGNAL_BIT(SIGUSR1), &info) == 0);
	TEST(signal_take(thread, 0, &info) == SIGUSR1);
	TEST(pending_words[thread->tid] == 0 && signal_take(thread, 0, &info) == 0);
	finish(process);
}

static void test_blocked(void)
{
	struct process *process = make(init);
	struct thread *thread = process->threads;
	struct signal_info info;

	masks[thread->tid] = ~0ull;
	interrupts = 0;
	post(process, SIGTERM);
	post(process, SIGTERM);
	TEST(interrupts == 0 && !process_is_zombie(process) && pending_words[thread->tid]);
	masks[thread->tid] = 0;
	TEST(signal_take(thread, 0, &info) == -1 && process_is_zombie(process));
	finish(process);
}

/* An ignored signal is dropped, but one that is blocked might be waited for. */
static void test_ignored(void)
{
	struct process *process = make(init);
	struct thread *thread = process->threads;

	masks[thread->tid] = SIGNAL_BIT(SIGCHLD);
	post(process, SIGCHLD);
	TEST(process->signals.pending == SIGNAL_BIT(SIGCHLD));
	TEST(signal_set_action(process, SIGCHLD, SIG_IGN, 0) == 0 && !process->signals.pending);
	masks[thread->tid] = 0;
	signal_set_action(process, SIGTERM, SIG_IGN, 0);
	post(process, SIGTERM);
	TEST(!process->signals.pending && !process_is_zombie(process));
	finish(process);
}

static void test_queue(void)
{
	struct process *process = make(init);
	struct signal_info info = { .signo = SIGRTMIN + 1, .code = SI_QUEUE };

	masks[process->threads->tid] = ~0ull;
	for (int i = 0; i < 5; i++) {
		info.sender.value = (uint64_t)i;
		signal_post(process, NULL, &info);
	}
	for (int i = 0; i < 5; i++)
		TEST(signal_accept(process->threads, SIGNAL_BIT(SIGRTMIN + 1), &info) == SIGRTMIN + 1 &&
		     info.sender.value == (uint64_t)i);
	TEST(signal_accept(process->threads, ~0ull, &info) == 0);
	/* Places run out: real-time signals are refused, standard ones stay pending. */
	for (unsigned i = 0; i < QUEUE_POOL + 10; i++)
		signal_post(process, NULL, &info);
	post(process, SIGUSR1);
	TEST(process->signals.pending & SIGNAL_BIT(SIGUSR1));
	queue_clear(&process->signals);
	TEST(process->signals.first == NULL && process->signals.last == NULL);
	finish(process);
}

static void test_threads(void)
{
	struct process *process = make(init);
	struct thread *first = process->threads, *second = add_thread(process, 0);
	struct signal_info info = { .signo = SIGUSR1, .code = SI_TKILL };

	signal_set_action(process, SIGUSR1, 0x1000, 0);
	masks[first->tid] = SIGNAL_BIT(SIGUSR1);
	post(process, SIGUSR1);
	TEST(interrupted == second && pending_words[first->tid] && pending_words[second->tid]);
	TEST(signal_take(second, 0, &info) == SIGUSR1 && !pending_words[first->tid]);
	info.signo = SIGUSR1;
	signal_post(process, first, &info);
	TEST(first->signals.pending && !second->signals.pending && signal_take(second, 0, &info) == 0);
	info.signo = SIGSEGV;
	signal_set_action(process, SIGSEGV, 0x2000, 0);
	signal_force(first, &info);
	masks[first->tid] = 0;
	TEST(signal_take(first, 0, &info) == SIGSEGV); /* faults come first */
	TEST(signal_take(first, 0, &info) == SIGUSR1);
	masks[first->tid] = SIGNAL_BIT(SIGSEGV);
	info.signo = SIGSEGV;
	signal_force(first, &info);
	TEST(process_is_zombie(process) && process->wait_status == SIGSEGV);
	finish(process);
}

static void test_waiting(void)
{
	struct process *process = make(init);
	struct thread *thread = process->threads;

	thread->waiting = (struct request *)&result;
	thread->wait_set = SIGNAL_BIT(SIGTERM);
	request_wakes = 0;
	post(process, SIGTERM);
	TEST(request_wakes == 1 && !process_is_zombie(process));
	thread->waiting = NULL;
	finish(process);
}

static void test_permission(void)
{
	struct process *a = make(init), *b = make(init);
	struct signal_info probe = { .signo = 0 }, proceed = { .signo = SIGCONT };

	process_entry(a)->uid = process_entry(a)->euid = process_entry(a)->suid = 1000;
	TEST(signal_kill(a, process_pid(b), 0, &probe) == -EPERM);
	TEST(signal_kill(a, process_pid(b), 0, &proceed) == 0); /* the same session */
	process_entry(b)->suid = 1000;
	TEST(signal_kill(a, process_pid(b), 0, &probe) == 0);
	TEST(signal_kill(a, 31000, 0, &probe) == -ESRCH && signal_kill(a, INT32_MIN, 0, &probe) == -ESRCH);
	TEST(signal_kill(a, -31000, 0, &probe) == -ESRCH);
	TEST(signal_kill(a, 0, process_pid(b), &probe) == 0 &&
	     signal_kill(a, 5000, process_pid(b), &probe) == -ESRCH);
	finish(a);
	finish(b);
}

/* --- job control ------------------------------------------------------------------------------------------ */
static void test_stop(void)
{
	struct process *shell = make(init), *job = make(shell);

	TEST(job_setpgid(shell, process_pid(job), process_pid(job)) == 0);
	stops = continues = parent_wakes = 0;
	post(job, SIGTSTP);
	TEST(stops == 1 && job->flags & PROC_STOPPED && parent_wakes == 1);
	TEST(look(shell, -1, 4) == 0);
	TEST(look(shell, -1, 2) == process_pid(job) && result.status == (SIGTSTP << 8 | 0x7f));
	TEST(look(shell, -1, 2) == 0);
	post(job, SIGTERM); /* waits for the continue */
	TEST(!process_is_zombie(job));
	signal_set_action(job, SIGTERM, SIG_IGN, 0);
	post(job, SIGCONT);
	TEST(continues == 1 && !(job->flags & PROC_STOPPED));
	TEST(look(shell, process_pid(job), 8) == process_pid(job) && result.status == 0xffff);
	post(job, SIGSTOP);
	post(job, SIGKILL);
	TEST(process_is_zombie(job) && job->wait_status == SIGKILL);
	finish(job);
	finish(shell);
}

/* Who stops an orphaned group would stop it for ever. */
static void test_orphans(void)
{
	struct process *shell = make(init), *job = make(shell);
	struct signal_info info;

	TEST(job_setsid(shell) == process_pid(shell));
	process_set_group(job, process_pid(shell), process_pid(shell));
	TEST(job_setpgid(job, 0, 0) == 0);
	TEST(!job_group_orphaned(process_pid(job)) && job_group_orphaned(process_pid(shell)));
	post(shell, SIGTSTP);
	TEST(!(shell->flags & PROC_STOPPED));
	post(job, SIGTTIN);
	TEST(job->flags & PROC_STOPPED);
	interrupts = 0;
	process_exit(shell, 0);
	/* It goes on and finds SIGHUP, for which it has no handler. */
	TEST(!(job->flags & PROC_STOPPED) && interrupts && signal_take(job->threads, 0, &info) == -1);
	TEST(process_is_zombie(job) && job->wait_status == SIGHUP && job->parent == init);
	finish(job);
	finish(shell);
}

static void test_groups(void)
{
	struct process *shell = make(init), *child = make(shell), *other = make(init);

	TEST(job_setsid(shell) > 0 && job_setsid(shell) == -EPERM);
	TEST(job_setpgid(shell, 0, 0) == -EPERM);                  /* a session leader */
	TEST(job_setpgid(shell, process_pid(child), 0) == -EPERM); /* of another session */
	process_set_group(child, process_pid(shell), process_pid(shell));
	TEST(job_setpgid(shell, process_pid(other), 0) == -ESRCH);
	TEST(job_setpgid(shell, process_pid(child), process_pid(other)) == -EPERM);
	TEST(job_setpgid(shell, process_pid(child), -5) == -EINVAL);
	TEST(job_setpgid(shell, process_pid(child), 0) == 0);
	child->flags |= PROC_EXECED;
	TEST(job_setpgid(shell, process_pid(child), process_pid(shell)) == -EACCES);
	TEST(job_setsid(child) == -EPERM); /* it leads a group */
	finish(child);
	finish(shell);
	finish(other);
}

/* --- wait ---------------------------------------------------------------------------------------------------- */
static void test_wait(void)
{
	struct process *parent = make(init), *a = make(parent), *b = make(parent);
	int32_t pid = process_pid(a);

	TEST(look(parent, 31000, 4) == -ECHILD && look(parent, -1, 4) == 0);
	a->times.user_ns = 5;
	process_exit(a, 7 << 8);
	TEST(look(parent, process_pid(b), 4) == 0 && look(parent, -1, 2) == 0);
	TEST(look(parent, -1, 4 | 0x1000000) == pid && look(parent, 0, 4) == pid && result.status == 7 << 8);
	TEST(parent->times.children_user_ns == 5 && !process_by_pid(pid));
	b->flags |= PROC_STARTING; /* not visible yet */
	TEST(look(parent, -1, 4) == -ECHILD);
	b->flags = 0;
	finish(b);
	TEST(look(parent, -1, 4) == -ECHILD);
	TEST(!wait_ignored(parent));
	signal_set_action(parent, SIGCHLD, SIG_DFL, SA_NOCLDWAIT);
	TEST(wait_ignored(parent));
	finish(parent);
}

/* --- credentials, numbers ------------------------------------------------------------------------------------- */
static void test_ids(void)
{
	struct process *process = make(init);
	struct process_entry *entry = process_entry(process);

	TEST(cred_set(process, PM_ID_RESUID, 10, 20, 30) == 0 && entry->fsuid == 20);
	TEST(cred_set(process, PM_ID_UID, 0, 0, 0) == -EPERM &&
	     cred_set(process, PM_ID_UID, -1, 0, 0) == -EINVAL);
	TEST(cred_set(process, PM_ID_UID, 30, 0, 0) == 0 && entry->euid == 30 && entry->uid == 10);
	TEST(cred_set(process, PM_ID_REUID, 30, 10, 0) == 0 && entry->uid == 30 && entry->suid == 10);
	TEST(cred_set(process, PM_ID_RESUID, -1, 99, -1) == -EPERM);
	TEST(cred_set_groups(process, NULL, 0) == -EPERM);
	TEST(cred_exec(process, 04755, 0, 0) && entry->euid == 0 && entry->uid == 30 && entry->suid == 0);
	entry->euid = entry->uid;
	process->flags |= PROC_NO_NEW_PRIVS;
	TEST(!cred_exec(process, 04755, 0, 0) && entry->euid == 30);
	TEST(cred_exec(init, 0755, 0, 0) == false);
	finish(process);
}

static void test_table(void)
{
	static struct process *all[PROCESS_MAX];
	unsigned made = 0;
	int32_t first;
	uint64_t stamp;

	while ((all[made] = process_new(init)))
		made++;
	TEST(made == PROCESS_MAX - 1);
	stamp = process_entry(all[7])->stamp;
	TEST(process_by_stamp(stamp) == all[7] && !process_by_stamp(stamp + (1ull << STAMP_SLOT_BITS)));
	TEST(!process_by_stamp(0) && !process_by_stamp(STAMP_SERVICE | 7) && !process_by_stamp(PROCESS_MAX));
	first = process_pid(all[0]);
	while (made--)
		process_free(all[made]);
	TEST(!process_by_stamp(stamp) && !process_by_pid(first) && !init->children && !init->zombies);
	/* A number that still names a group is not given out. */
	process_set_group(init, first, 1);
	for (int i = 0; i < PID_MAX; i++) {
		struct process *process = process_new(init);

		TEST(process && process_pid(process) != first);
		process_free(process);
	}
	process_set_group(init, 1, 1);
}

int main(void)
{
	static struct process_table table;

	proctab = &table;
	table_start(false);
	init = make(NULL);
	TEST(process_pid(init) == INIT_PID && init_process() == init);
	test_defaults();
	test_handler();
	test_blocked();
	test_ignored();
	test_queue();
	test_threads();
	test_waiting();
	test_permission();
	test_stop();
	test_orphans();
	test_groups();
	test_wait();
	test_ids();
	test_table();
	TEST(process_count() == 1);
	puts("ok pm_logic");
	return 0;
}
