/* SPDX-License-Identifier: MIT */
/*
 * Scheduling: 32 fixed priorities, round robin within one, queues per processor. A thread
 * that runs is in no queue; IPC switches to another by setting cpu->current, without
 * coming here. A thread that burns its slice sinks, a service's by one more each time within its
 * band of eight, a program's (priorities below PROGRAMS) by one in all below what its user's use of the
 * processor leaves it (core/fair.h), so that niceness tells among those too; it rises again when it has blocked.
 * So that no program starves, some slices go to the lowest. At the end of a slice a processor also takes over a thread from one where more of them
 * wait.
 */
#include "arch/arch.h"
#include "core/account.h"
#include "core/cpu.h"
#include "core/fair.h"
#include "core/timer.h"

#define SLICE_NS 10000000ul
#define TICK_NS (1ul << 22) /* 4.2 ms */
#define BAND 8u
#define LOWEST_TURN 32u /* every so many slices */
#define REVIEW_NS (1ul << 26)
#define REVIEW_THREADS 512u

/* What only scheduling knows of a processor. */
static struct sched {
	uint64_t slice_end;
	struct thread *slice_thread; /* who began the slice; only compared */
	bool yield, lowest_turn;
	uint32_t waiting; /* threads in the queues */
	uint32_t slices;  /* that were used up */
	uint64_t tick;    /* the last, by number */
	uint64_t runnable_ns;
	uint64_t charged; /* when time was last charged to users */
	uint64_t reviewed;
} scheds[MAX_CPUS];

/* --- queues ---------------------------------------------------------------------- */

static void enqueue(struct cpu *cpu, struct thread *thread, bool front)
{
	struct list_node *queue = &cpu->ready[thread->priority];

	thread->state = THREAD_READY;
	thread->in_ready_queue = true;
	thread->cpu = cpu->id;
	scheds[cpu->id].waiting++;
	if (front)
		list_push_front(queue, &thread->ready_link);
	else
		list_push_back(queue, &thread->ready_link);
	cpu->ready_mask |= 1u << thread->priority;
}

static void dequeue(struct thread *thread)
{
	struct cpu *cpu = &cpus[thread->cpu];

	list_remove(&thread->ready_link);
	scheds[cpu->id].waiting--;
	thread->in_ready_queue = false;
	if (list_empty(&cpu->ready[thread->priority]))
		cpu->ready_mask &= ~(1u << thread->priority);
}

/* Highest priority ready on a processor, or -1. A killed thread may have left its bit behind. */
static int top_ready(struct cpu *cpu)
{
	while (cpu->ready_mask) {
		int priority = 31 - __builtin_clz(cpu->ready_mask);

		if (!list_empty(&cpu->ready[priority]))
			return priority;
		cpu->ready_mask &= ~(1u << priority);
	}
	return -1;
}

/* Some are ready. */
static int lowest_ready(struct cpu *cpu)
{
	int priority = __builtin_ctz(cpu->ready_mask);

	while (list_empty(&cpu->ready[priority]))
		priority++;
	return priority;
}

static struct thread *take(struct cpu *cpu, int priority)
{
	struct thread *thread = container_of(cpu->ready[priority].next, struct thread, ready_link);

	dequeue(thread);
	return thread;
}

static bool allowed(const struct thread *thread, const struct cpu *cpu)
{
	return thread->affinity >> cpu->id & 1;
}

/* Of at least this priority. */
static struct thread *steal_from(struct cpu *victim, struct cpu *cpu, int least)
{
	for (int priority = top_ready(victim); priority >= least; priority--) {
		struct list_node *node;

		list_for_each(node, &victim->ready[priority])
		{
			struct thread *thread = container_of(node, struct thread, ready_link);

			if (!allowed(thread, cpu))
				continue;
			dequeue(thread);
			return thread;
		}
	}
	return NULL;
}

static struct thread *steal(struct cpu *cpu)
{
	struct thread *thread = NULL;

	for (uint32_t i = 0; i < cpu_count && !thread; i++)
		if (&cpus[i] != cpu)
			thread = steal_from(&cpus[i], cpu, 0);
	return thread;
}

/* Of whom it can run, the highest that waits elsewhere, though here something lower would run. */
static struct thread *steal_higher(struct cpu *cpu)
{
	int here = top_ready(cpu), best;
	struct cpu *victim = NULL;

	best = here > (int)cpu->current->priority ? here : (int)cpu->current->priority;
	for (uint32_t i = 0; i < cpu_count; i++) {
		int top = &cpus[i] == cpu ? -1 : top_ready(&cpus[i]);

		if (top <= best)
			continue;
		best = top;
		victim = &cpus[i];
	}
	return victim ? steal_from(victim, cpu, best) : NULL;
}

/*
 * Take a thread from where more wait, even if only one more: of three on two processors
 * each is in turn the one that need not share.
 */
static void balance(struct cpu *cpu)
{
	struct cpu *fullest = cpu;
	struct thread *thread = steal_higher(cpu);

	for (uint32_t i = 0; i < cpu_count; i++)
		if (scheds[i].waiting > scheds[fullest->id].waiting)
			fullest = &cpus[i];
	if (!thread && fullest != cpu)
		thread = steal_from(fullest, cpu, cpu->current->priority);
	if (thread)
		enqueue(cpu, thread, false);
}

/* --- where a thread shall run -------------------------------------------------------- */

/* Idle, and not about to run what it was given before. */
static bool is_free(const struct cpu *cpu)
{
	return cpu->idle && !cpu->ready_mask;
}

/* What a thread would have to be above to run there at once: -1, anything. */
static int busy_with(const struct cpu *cpu)
{
	int current = cpu->current && cpu->current->state == THREAD_RUNNING ? cpu->current->priority : -1;
	int ready = cpu->ready_mask ? 31 - __builtin_clz(cpu->ready_mask) : -1;

	return ready > current ? ready : current;
}

/* Where it need not wait: at home if possible, else where the least is displaced. */
static struct cpu *place(struct thread *thread)
{
	struct cpu *home = &cpus[thread->cpu], *best = NULL;

	if (cpu_count == 1)
		return home;
	if (is_free(home) && allowed(thread, home))
		return home;
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (!allowed(thread, &cpus[i]))
			continue;
		if (is_free(&cpus[i]))
			return &cpus[i];
		if (!best || busy_with(&cpus[i]) < busy_with(best))
			best = &cpus[i];
	}
	if (allowed(thread, home) &&
	    (busy_with(home) < (int)thread->priority || busy_with(best) >= (int)thread->priority))
		return home;
	return best;
}

/* The processor has something new in its queues: does it want to switch? */
static void look(struct cpu *cpu, unsigned priority)
{
	struct thread *current = cpu->current;

	if (current && current->state == THREAD_RUNNING && current->priority >= priority)
		return;
	if (cpu->need_resched)
		return;
	cpu->need_resched = true;
	if (cpu != this_cpu())
		arch_send_reschedule(cpu->id);
}

void thread_ready_inherited(struct thread *thread)
{
	struct cpu *cpu;

	if (thread->in_ready_queue || thread->state == THREAD_RUNNING)
		return;
	cpu = place(thread);
	enqueue(cpu, thread, false);
	look(cpu, thread->priority);
}

void thread_ready(struct thread *thread)
{
	if (!thread->in_ready_queue && thread->state != THREAD_RUNNING)
		thread->priority = fair_priority(thread);
	thread_ready_inherited(thread);
}

void thread_block(struct thread *thread, enum thread_state state)
{
	if (thread->in_ready_queue)
		dequeue(thread);
	thread->state = state;
}

void sched_poke(struct thread *thread)
{
	struct cpu *cpu = &cpus[thread->cpu];

	if (cpu->current != thread)
		return;
	cpu->need_resched = true;
	if (cpu != this_cpu())
		arch_send_reschedule(cpu->id);
}

void sched_changed(struct thread *thread)
{
	if (thread->in_ready_queue) {
		dequeue(thread);
		thread->state = THREAD_STOPPED;
		thread_ready(thread);
		return;
	}
	thread->priority = fair_priority(thread);
	sched_poke(thread);
}

void sched_yield_current(void)
{
	struct cpu *cpu = this_cpu();

	scheds[cpu->id].yield = true;
	cpu->need_resched = true;
}

/* --- time --------------------------------------------------------------------------------- */

/* In the kernel: what has passed since the last look at the clock. */
static void charge(struct cpu *cpu)
{
	uint64_t now;

	if (cpu->current) {
		account_system(cpu, cpu->current);
		return;
	}
	now = arch_cycles();
	cpu->idle_cycles += now - cpu->charged;
	cpu->charged = now;
}

void sched_account(void)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (&cpus[i] == this_cpu() || !cpus[i].current)
			charge(&cpus[i]);
		else if (arch_cycles() > cpus[i].charged) /* its clock may be a little ahead */
			account_user(&cpus[i]);
	}
}

/* As the ticks have found them: a processor that idles has none, and nothing to count. */
uint64_t sched_runnable_ns(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cpu_count; i++)
		sum += scheds[i].runnable_ns;
	return sum;
}

uint32_t sched_running(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < cpu_count; i++)
		count += scheds[i].waiting + (cpus[i].current != NULL);
	return count;
}

static void arm(struct cpu *cpu, uint64_t deadline)
{
	if (deadline >= cpu->timer_deadline)
		return;
	cpu->timer_deadline = deadline;
	arch_timer_set(deadline);
}

static uint8_t one_below(uint8_t priority)
{
	return priority ? priority - 1 : 0;
}

/* Whom it serves is higher than itself. */
static bool inherits(const struct thread *thread)
{
	return thread->priority > thread->base_priority;
}

static void sink(struct thread *thread)
{
	if (inherits(thread))
		return;
	if (thread->base_priority < PROGRAMS)
		thread->priority = one_below(fair_priority(thread));
	else if (thread->priority % BAND)
		thread->priority--;
}

/* Time since the last look is its user's whom the processor worked for, unless it has been idle meanwhile. */
static void charge_user(struct sched *sched, struct quota *payer, uint64_t now)
{
	uint64_t passed = now - sched->charged;

	sched->charged = now;
	fair_charge(payer, passed < TICK_NS ? passed : TICK_NS, now);
}

void sched_charge(void)
{
	charge_user(&scheds[this_cpu()->id], fair_payer(current_thread()), arch_now_ns());
}

/*
 * Their users have used more or less of the processor since they were put into the queue. Of those that have sunk in one
 * queue, who has waited longest rises again: others that never use up a slice, each perhaps with a new thread that has not
 * sunk, could keep the processor for good.
 */
static unsigned review_queue(struct cpu *cpu, struct list_node *queue, unsigned budget)
{
	struct list_node *next;
	bool risen = false;

	for (struct list_node *node = queue->next; node != queue && budget; node = next, budget--) {
		struct thread *thread = container_of(node, struct thread, ready_link);
		uint8_t priority = fair_priority(thread);
		bool sunk = thread->priority < priority && thread->priority == one_below(priority);

		next = node->next;
		if (thread->priority == priority || (sunk && risen))
			continue;
		risen = risen || sunk;
		dequeue(thread);
		thread->priority = priority;
		enqueue(cpu, thread, false);
	}
	return budget;
}

static void review(struct cpu *cpu, uint64_t now)
{
	unsigned budget = REVIEW_THREADS;

	scheds[cpu->id].reviewed = now;
	for (unsigned priority = 0; priority < PROGRAMS && budget; priority++)
		budget = review_queue(cpu, &cpu->ready[priority], budget);
	if (top_ready(cpu) > (int)cpu->current->priority)
		cpu->need_resched = true;
}

/* Calls to servers are answered without a look at the queues: who makes many sinks here. */
static void sink_client(struct thread *client)
{
	uint8_t priority = fair_priority(client);

	if (!client->in_ready_queue && !inherits(client) && client->priority > priority)
		client->priority = priority;
}

/* Of a thread or whom it serves, who would otherwise go on with the answer, past equals that wait. */
static void end_slice(struct cpu *cpu, struct sched *sched, struct thread *client, uint64_t now)
{
	struct thread *current = cpu->current;

	if (sched->slice_thread == current)
		sink(current);
	if (client && client != current)
		client->attention |= ATTENTION_YIELD;
	sched->slice_end = now + SLICE_NS;
	sched->yield = true;
	if (++sched->slices % LOWEST_TURN == 0)
		sched->lowest_turn = true;
	cpu->need_resched = true;
	balance(cpu);
}

static void arm_tick(struct cpu *cpu, uint64_t now)
{
	uint64_t tick = (now | (TICK_NS - 1)) + 1, slice_end = scheds[cpu->id].slice_end;

	arm(cpu, tick < slice_end ? tick : slice_end);
}

/*
 * Runs after timers_run() on every timer interrupt. While a thread runs the timer is armed
 * for the next tick, also if no other is ready: that charges time to the right one.
 */
void sched_tick(uint64_t now, bool shared)
{
	struct cpu *cpu = this_cpu();
	struct sched *sched = &scheds[cpu->id];
	struct thread *client;

	if (!cpu->current)
		return;
	client = fair_client(cpu->current);
	charge_user(sched, fair_payer(cpu->current), now);
	if (client)
		sink_client(client);
	if (now - sched->reviewed >= REVIEW_NS)
		review(cpu, now);
	if (shared) {
		cpu->current->user_cycles += cpu->shared_cycles;
		cpu->shared_cycles = 0;
	}
	if (now >= sched->slice_end)
		end_slice(cpu, sched, client, now);
	if (now / TICK_NS != sched->tick)
		sched->runnable_ns += (sched->waiting + 1) * TICK_NS;
	sched->tick = now / TICK_NS;
	arm_tick(cpu, now);
}

/* --- the choice ----------------------------------------------------------------------------- */

/* What schedule() takes: the highest that is ready, but a program's lowest when that has its turn, which waits for
 * services to be done. */
static int choose(struct cpu *cpu)
{
	struct sched *sched = &scheds[cpu->id];
	int best = top_ready(cpu);

	if (!sched->lowest_turn || best < 0 || best >= (int)PROGRAMS)
		return best;
	sched->lowest_turn = false;
	return lowest_ready(cpu);
}

static bool keep(struct cpu *cpu, struct thread *current, int best)
{
	bool yield = scheds[cpu->id].yield;

	if (scheds[cpu->id].lowest_turn && best >= 0 && current->priority < PROGRAMS)
		return false;
	return allowed(current, cpu) &&
	       (best < (int)current->priority || (best == (int)current->priority && !yield));
}

/*
 * Put a thread that could go on behind (or, preempted, before) its equals. One that was preempted has the rest of its
 * slice still: with a fresh one each time, somebody who wakes up just before each end would let it run for ever.
 */
static void put_back(struct cpu *cpu, struct thread *current, uint64_t now)
{
	struct cpu *target = allowed(current, cpu) ? cpu : place(current);
	const struct sched *sched = &scheds[cpu->id];
	bool preempted = target == cpu && !sched->yield && sched->slice_end > now;

	current->slice_ns = preempted ? sched->slice_end - now : 0;
	current->state = THREAD_READY;
	enqueue(target, current, preempted);
	if (target != cpu)
		look(target, current->priority);
}

static struct thread *idle_until_ready(struct cpu *cpu)
{
	struct thread *thread;
	int best;

	for (;;) {
		cpu->need_resched = false;
		best = top_ready(cpu);
		if (best >= 0)
			return take(cpu, best);
		thread = steal(cpu);
		if (thread)
			return thread;
		if (work_deferred) { /* may make a thread ready: no halt before looking again */
			kernel_deferred(cpu);
			kernel_unlock();
			arch_interrupt_window();
		} else {
			kernel_unlock();
			arch_idle();
		}
		kernel_lock();
	}
}

static void begin(struct cpu *cpu, struct thread *next, uint64_t now)
{
	struct sched *sched = &scheds[cpu->id];

	next->state = THREAD_RUNNING;
	next->cpu = cpu->id;
	cpu->current = next;
	cpu->switches++;
	sched->slice_thread = next;
	sched->slice_end = now + (next->slice_ns ? next->slice_ns : SLICE_NS);
	next->slice_ns = 0;
	sched->yield = false;
	arm_tick(cpu, now);
}

struct thread *schedule(void)
{
	struct cpu *cpu = this_cpu();
	struct thread *current = cpu->current, *next;
	uint64_t now = arch_now_ns();
	int best = top_ready(cpu);

	charge(cpu);
	if (current)
		charge_user(&scheds[cpu->id], fair_payer(current), now);
	cpu->need_resched = false;
	if (current && current->state == THREAD_RUNNING) {
		if (keep(cpu, current, best)) {
			scheds[cpu->id].yield = false;
			return current;
		}
		put_back(cpu, current, now);
		best = choose(cpu);
	}
	cpu->current = NULL;
	if (best < 0) {
		cpu->idle = true;
		next = idle_until_ready(cpu);
		cpu->idle = false;
		now = scheds[cpu->id].charged = arch_now_ns();
		charge(cpu);
	} else {
		next = take(cpu, best);
	}
	begin(cpu, next, now);
	return next;
}

void sched_cpu_init(struct cpu *cpu)
{
	for (int i = 0; i < 32; i++)
		list_init(&cpu->ready[i]);
	cpu->timer_deadline = UINT64_MAX;
	cpu->charged = arch_cycles_start(); /* a processor has been idle until it started */
}

void sched_init(void)
{
	sched_cpu_init(&cpus[0]);
	timers_init();
}
