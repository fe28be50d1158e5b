/* SPDX-License-Identifier: MIT */
/* Processes, threads and the numbers that name them. */
#include "pm.h"

#include <util/string.h>

PRESERVED struct process processes[PROCESS_MAX];
static PRESERVED struct thread threads[THREAD_POOL];
/* What a number names: a process (place + 1), a thread (place + 1), and how many groups and sessions. */
static PRESERVED uint16_t pid_process[PID_MAX], tid_thread[PID_MAX], id_uses[PID_MAX];
PRESERVED struct table table;
struct process_table *proctab;
/* How many processes a user has; few users have any. */
static struct owner {
	uint32_t uid, processes;
} owners[PROCESS_MAX];
static uint32_t used_owners;

static struct owner *owner_of(uint32_t uid)
{
	struct owner *unused = NULL;

	for (struct owner *owner = owners; owner < owners + used_owners; owner++) {
		if (owner->processes && owner->uid == uid)
			return owner;
		if (!owner->processes)
			unused = owner;
	}
	if (!unused)
		unused = &owners[used_owners++];
	unused->uid = uid;
	return unused;
}

/* What a thread's block says about pending signals may be of a transaction that was not committed. */
static void process_restarted(struct process *process)
{
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		thread->hint = ~(thread->signals.pending | process->signals.pending);
	signal_update_hints(process);
}

void table_start(bool restarted)
{
	if (!restarted)
		memset(proctab, 0, sizeof(*proctab));
	for (uint32_t place = 0; place < table.used_processes; place++) {
		if (!process_at(place))
			continue;
		process_restarted(process_at(place));
		owner_of(proctab->entry[place].uid)->processes++;
	}
}

uint32_t processes_of(uint32_t uid)
{
	return owner_of(uid)->processes;
}

void process_changes_owner(const struct process *process, uint32_t before)
{
	owner_of(before)->processes--;
	owner_of(process_entry(process)->uid)->processes++;
}

uint32_t process_count(void)
{
	return table.count;
}

uint32_t process_places(void)
{
	return table.used_processes;
}

struct process *process_at(uint32_t place)
{
	return proctab->entry[place].stamp ? &processes[place] : NULL;
}

/* --- numbers ------------------------------------------------------------------------------------ */
static bool id_free(int32_t id)
{
	return !pid_process[id] && !tid_thread[id] && !id_uses[id];
}

/* Ascending, from 300 again after the end, as Linux does. 0: none left. */
static int32_t id_new(void)
{
	int32_t id = table.last_pid;

	for (int tries = 0; tries < PID_MAX; tries++) {
		id++;
		if (id >= PID_MAX)
			id = 300;
		if (id_free(id)) {
			table.last_pid = id;
			return id;
		}
	}
	return 0;
}

static bool id_valid(int32_t id)
{
	return id > 0 && id < PID_MAX;
}

struct process *process_by_pid(int32_t pid)
{
	return id_valid(pid) && pid_process[pid] ? &processes[pid_process[pid] - 1] : NULL;
}

struct thread *thread_by_tid(int32_t tid)
{
	return id_valid(tid) && tid_thread[tid] ? &threads[tid_thread[tid] - 1] : NULL;
}

struct process *process_by_stamp(uint64_t stamp)
{
	uint64_t slot = stamp & STAMP_SLOT_MASK;

	if (stamp & STAMP_SERVICE || slot >= PROCESS_MAX || !stamp)
		return NULL;
	return proctab->entry[slot].stamp == stamp ? &processes[slot] : NULL;
}

struct process *init_process(void)
{
	return process_by_pid(INIT_PID);
}

/* --- processes ------------------------------------------------------------------------------------- */
static struct process *take_slot(void)
{
	struct process *process = table.free_processes;

	if (process)
		table.free_processes = process->next;
	else if (table.used_processes < PROCESS_MAX)
		process = &processes[table.used_processes++];
	if (!process)
		return NULL;
	if (process->freed == tx_sequence())
		tx_save(process_entry(process), sizeof(struct process_entry));
	take_place(process, sizeof(*process), &process->next, process->freed);
	return process;
}

static void enter_list(struct process *process)
{
	process->previous = NULL;
	process->next = table.first;
	if (table.first)
		table.first->previous = process;
	table.first = process;
	table.count++;
	owner_of(process_entry(process)->uid)->processes++;
}

static void leave_list(struct process *process)
{
	if (process->next)
		process->next->previous = process->previous;
	if (process->previous)
		process->previous->next = process->next;
	else
		table.first = process->next;
	table.count--;
	owner_of(process_entry(process)->uid)->processes--;
}

static void leave_parent(struct process *child)
{
	if (child->older)
		child->older->younger = child->younger;
	if (child->younger)
		child->younger->older = child->older;
	else if (child->parent && child->parent->children == child)
		child->parent->children = child->older;
	else if (child->parent)
		child->parent->zombies = child->older;
	child->parent = child->older = child->younger = NULL;
}

/* A parent's lists begin with who came last. */
void process_adopt(struct process *child, struct process *parent)
{
	struct process **first;

	leave_parent(child);
	child->parent = parent;
	process_entry(child)->ppid = parent ? process_pid(parent) : 0;
	if (!parent)
		return;
	first = process_is_zombie(child) ? &parent->zombies : &parent->children;
	child->older = *first;
	if (*first)
		(*first)->younger = child;
	*first = child;
}

void process_become_zombie(struct process *process)
{
	process_entry(process)->state = PROCESS_ZOMBIE;
	process_adopt(process, process->parent);
}

/* Before it has a stamp, nobody reads an entry, and what it was is not needed again. */
TX_DERIVED static void fill_entry(struct process *process, struct process *parent, int32_t pid)
{
	struct process_entry *entry = process_entry(process);

	if (parent)
		memcpy((char *)entry + sizeof(entry->stamp),
		       (char *)process_entry(parent) + sizeof(entry->stamp),
		       sizeof(*entry) - sizeof(entry->stamp));
	else
		memset((char *)entry + sizeof(entry->stamp), 0, sizeof(*entry) - sizeof(entry->stamp));
	entry->pid = pid;
	entry->state = PROCESS_ALIVE;
	entry->threads = 0;
	entry->pgid = entry->sid = 0;
}

struct process *process_new(struct process *parent)
{
	struct process_entry *entry;
	struct process *process;
	int32_t pid;

	pid = id_new();
	process = pid ? take_slot() : NULL;
	if (!process)
		return NULL;
	process->private_table = process->fd_table = CAP_NONE;
	fill_entry(process, parent, pid);
	entry = process_entry(process);
	pid_process[pid] = (uint16_t)(process_slot(process) + 1);
	if (parent)
		process_set_group(process, process_entry(parent)->pgid, process_entry(parent)->sid);
	else
		process_set_group(process, pid, pid);
	enter_list(process);
	process_adopt(process, parent);
	table.forks++;
	entry->stamp = ++table.generation << STAMP_SLOT_BITS | process_slot(process);
	return process;
}

void process_free(struct process *process)
{
	struct process_entry *entry = process_entry(process);

	entry->stamp = 0;
	entry->state = PROCESS_FREE;
	leave_parent(process);
	leave_list(process);
	pid_process[entry->pid] = 0;
	process_set_group(process, 0, 0);
	process->freed = tx_sequence();
	process->next = table.free_processes;
	table.free_processes = process;
}

static void use_id(int32_t id, int by)
{
	if (id_valid(id))
		id_uses[id] = (uint16_t)(id_uses[id] + by);
}

void process_set_group(struct process *process, int32_t pgid, int32_t sid)
{
	struct process_entry *entry = process_entry(process);

	use_id(pgid, 1);
	use_id(sid, 1);
	use_id(entry->pgid, -1);
	use_id(entry->sid, -1);
	entry->pgid = pgid;
	entry->sid = sid;
}

/* --- threads -------------------------------------------------------------------------------------------- */
struct thread *thread_new(struct process *process, int32_t tid)
{
	struct thread *thread = table.free_threads;

	/* The last places are root's and for first threads, so that one user's do not lock out all. */
	if (!tid && process_entry(process)->uid && table.live_threads > THREAD_POOL - THREAD_POOL / 4)
		return NULL;
	if (!tid)
		tid = id_new();
	if (!tid)
		return NULL;
	if (thread)
		table.free_threads = thread->next;
	else if (table.used_threads < THREAD_POOL)
		thread = &threads[table.used_threads++];
	else
		return NULL;
	table.live_threads++;
	take_place(thread, sizeof(*thread), &thread->next, thread->freed);
	thread->process = process;
	thread->tid = tid;
	thread->cap = CAP_NONE;
	thread->phase = THREAD_MADE;
	return thread;
}

void thread_name(struct thread *thread)
{
	tid_thread[thread->tid] = (uint16_t)(thread - threads + 1);
}

void thread_free(struct thread *thread)
{
	if (tid_thread[thread->tid] == thread - threads + 1)
		tid_thread[thread->tid] = 0;
	table.live_threads--;
	queue_clear(&thread->signals);
	thread->phase = THREAD_UNUSED;
	thread->freed = tx_sequence();
	thread->next = table.free_threads;
	table.free_threads = thread;
}

struct thread *process_thread(struct process *process, int32_t tid)
{
	struct thread *thread = thread_by_tid(tid);

	return thread && thread->process == process && thread->phase == THREAD_LIVE ? thread : NULL;
}
