/* SPDX-License-Identifier: MIT */
/* Processes, threads and the numbers that name them. */
#include "pm.h"

#include <util/string.h>

PRESERVED struct process processes[PROCESS_MAX];
static PRESERVED struct thread threads[THREAD_POOL];
static PRESERVED struct process *free_processes;
static PRESERVED struct thread *free_threads;
static PRESERVED uint32_t live_threads;
static PRESERVED uint32_t used_processes, used_threads; /* beyond these none has been used yet */
static PRESERVED uint64_t generation;
/* What a number names: a process (place + 1), a thread (place + 1), and how many groups and sessions. */
static PRESERVED uint16_t pid_process[PID_MAX], tid_thread[PID_MAX], id_uses[PID_MAX];
PRESERVED struct process *process_list;
PRESERVED uint64_t fork_count;
PRESERVED int32_t last_pid;
static PRESERVED uint32_t count;
struct process_table *proctab;

void table_start(bool restarted)
{
	if (!restarted)
		memset(proctab, 0, sizeof(*proctab));
}

uint32_t process_count(void)
{
	return count;
}

uint32_t process_places(void)
{
	return used_processes;
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
	int32_t id = last_pid;

	for (int tries = 0; tries < PID_MAX; tries++) {
		id++;
		if (id >= PID_MAX)
			id = 300;
		if (id_free(id)) {
			last_pid = id;
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
	struct process *process = free_processes;

	if (process)
		free_processes = process->next;
	else if (used_processes < PROCESS_MAX)
		process = &processes[used_processes++];
	return process;
}

static void enter_list(struct process *process)
{
	process->previous = NULL;
	process->next = process_list;
	if (process_list)
		process_list->previous = process;
	process_list = process;
	count++;
}

static void leave_list(struct process *process)
{
	if (process->next)
		process->next->previous = process->previous;
	if (process->previous)
		process->previous->next = process->next;
	else
		process_list = process->next;
	count--;
}

static void leave_parent(struct process *child)
{
	if (child->older)
		child->older->younger = child->younger;
	if (child->younger)
		child->younger->older = child->older;
	else if (child->parent)
		child->parent->children = child->older;
	child->parent = child->older = child->younger = NULL;
}

/* A parent's list begins with the youngest. */
void process_adopt(struct process *child, struct process *parent)
{
	leave_parent(child);
	child->parent = parent;
	process_entry(child)->ppid = parent ? process_pid(parent) : 0;
	if (!parent)
		return;
	child->older = parent->children;
	if (parent->children)
		parent->children->younger = child;
	parent->children = child;
}

static void fill_entry(struct process *process, struct process *parent, int32_t pid)
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
	int32_t pid = id_new();
	struct process *process = pid ? take_slot() : NULL;
	struct process_entry *entry;

	if (!process)
		return NULL;
	memset(process, 0, sizeof(*process));
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
	fork_count++;
	entry->stamp = ++generation << STAMP_SLOT_BITS | process_slot(process);
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
	process->next = free_processes;
	free_processes = process;
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
	struct thread *thread = free_threads;

	/* The last places are root's and for first threads, so that one user's do not lock out all. */
	if (!tid && process_entry(process)->uid && live_threads > THREAD_POOL - THREAD_POOL / 4)
		return NULL;
	if (!tid)
		tid = id_new();
	if (!tid)
		return NULL;
	if (thread)
		free_threads = thread->next;
	else if (used_threads < THREAD_POOL)
		thread = &threads[used_threads++];
	else
		return NULL;
	live_threads++;
	memset(thread, 0, sizeof(*thread));
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
	live_threads--;
	queue_clear(&thread->signals);
	thread->phase = THREAD_UNUSED;
	thread->next = free_threads;
	free_threads = thread;
}

struct thread *process_thread(struct process *process, int32_t tid)
{
	struct thread *thread = thread_by_tid(tid);

	return thread && thread->process == process && thread->phase == THREAD_LIVE ? thread : NULL;
}
