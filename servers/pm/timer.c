/* SPDX-License-Identifier: MIT */
/* Interval timers and those of timer_create. What counts CPU time is looked at every 10 ms while set. */
#include "machine.h"

#include <util/string.h>

#define TICK_NS 10000000ul
#define SOONEST_NS 50000ul    /* between two expirations, as long as the signals are taken */
#define UNSEEN_NS 10000000ul  /* ... while nobody takes them */
#define LATEST_NS (1ul << 61) /* values and intervals end here: sums do not overflow */
#define ITIMER_REAL 0
#define ITIMER_VIRTUAL 1
#define OVERRUN_MAX 0x7fffffffull
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD_ID 4
#define CLOCK_REALTIME 0
#define CLOCK_PROCESS_CPU 2

static PRESERVED struct posix_timer pool[TIMER_POOL];
static PRESERVED struct {
	struct posix_timer *free;
	uint64_t used; /* beyond it none has been used yet */
} posix_timers;
static struct timer tick;

static void tick_fired(struct timer *timer);
static void real_fired(struct timer *timer);
static void posix_fired(struct timer *timer);

/* --- clocks --------------------------------------------------------------------------------------- */
static uint64_t cpu_clock(struct process *process, bool user_only)
{
	struct process_times times;

	process_account(process, &times);
	return times.user_ns + (user_only ? 0 : times.system_ns);
}

static uint64_t itimer_clock(struct process *process, uint32_t which)
{
	return which == ITIMER_REAL ? machine_now() : cpu_clock(process, which == ITIMER_VIRTUAL);
}

static bool counts_cpu(const struct posix_timer *timer)
{
	return timer->clock == CLOCK_PROCESS_CPU || timer->clock == CLOCK_PROCESS_CPU + 1;
}

static uint64_t timer_clock(const struct posix_timer *timer)
{
	return counts_cpu(timer) ? cpu_clock(timer->process, false) : machine_now();
}

static void need_tick(void)
{
	if (!tick.deadline)
		machine_timer(&tick, machine_now() + TICK_NS, tick_fired);
}

/* The first multiple of interval after `now`, and not before `least` more, from deadline on. Answers how many
 * were passed over. Without `least` an interval of a nanosecond would be all that PM ever does. */
static uint64_t advance(uint64_t *deadline, uint64_t interval, uint64_t now, uint64_t least)
{
	uint64_t passed = now > *deadline ? now - *deadline : 0, missed = passed / interval;

	if (interval < least)
		missed = (passed + least) / interval;
	*deadline += (missed + 1) * interval;
	return missed;
}

static uint64_t bounded(uint64_t ns)
{
	return ns < LATEST_NS ? ns : LATEST_NS;
}

static bool is_pending(const struct process *process, const struct thread *thread, uint32_t signal)
{
	return ((process->signals.pending | (thread ? thread->signals.pending : 0)) >> (signal - 1)) & 1;
}

/* A signal of the timer before this one has not been taken, or none ever is. */
static uint64_t least_interval(const struct process *process, const struct thread *thread, uint32_t signal)
{
	bool unseen = process_entry(process)->signals_ignored >> (signal - 1) & 1;

	return unseen || is_pending(process, thread, signal) ? UNSEEN_NS : SOONEST_NS;
}

/* --- setitimer -------------------------------------------------------------------------------------- */
static struct process *owner_of(struct timer *timer)
{
	uint64_t offset = (uint64_t)((char *)timer - (char *)processes);

	return &processes[offset / sizeof(struct process)];
}

static void arm_real(struct process *process)
{
	struct interval_timer *itimer = &process->itimers[ITIMER_REAL];

	machine_timer(&itimer->timer, itimer->deadline, real_fired);
}

static void itimer_expired(struct process *process, uint32_t which, uint64_t now)
{
	static const uint8_t signals[3] = { SIGALRM, SIGVTALRM, SIGPROF };
	struct interval_timer *itimer = &process->itimers[which];

	if (itimer->interval)
		advance(&itimer->deadline, itimer->interval, now,
			least_interval(process, NULL, signals[which]));
	else
		itimer->deadline = 0;
	if (which == ITIMER_REAL)
		arm_real(process);
	signal_simple(process, signals[which]);
}

static void real_fired(struct timer *timer)
{
	itimer_expired(owner_of(timer), ITIMER_REAL, machine_now());
}

static struct timer_value itimer_left(struct process *process, uint32_t which)
{
	const struct interval_timer *itimer = &process->itimers[which];
	struct timer_value left = { .interval = itimer->interval };
	uint64_t now;

	if (!itimer->deadline)
		return left;
	now = itimer_clock(process, which);
	left.value = itimer->deadline > now ? itimer->deadline - now : 1000;
	return left;
}

long itimer_set(struct process *process, uint32_t which, const struct timer_value *new,
		struct timer_value *old)
{
	struct interval_timer *itimer;

	if (which > 2)
		return -EINVAL;
	*old = itimer_left(process, which);
	if (!new)
		return 0;
	itimer = &process->itimers[which];
	itimer->interval = bounded(new->interval);
	itimer->deadline = new->value ? itimer_clock(process, which) + bounded(new->value) : 0;
	if (which == ITIMER_REAL)
		arm_real(process);
	else if (itimer->deadline)
		need_tick();
	return 0;
}

/* --- timer_create ------------------------------------------------------------------------------------- */
struct posix_timer *timer_make(struct process *process)
{
	struct posix_timer *timer = posix_timers.free;

	if (process->timer_count >= TIMERS_PER_PROCESS)
		return NULL;
	if (timer)
		posix_timers.free = timer->next;
	else if (posix_timers.used < TIMER_POOL)
		timer = &pool[posix_timers.used++];
	else
		return NULL;
	memset(timer, 0, sizeof(*timer));
	timer->process = process;
	timer->id = process->timer_next++;
	timer->next = process->timers;
	process->timers = timer;
	process->timer_count++;
	return timer;
}

struct posix_timer *timer_find(struct process *process, uint32_t id)
{
	struct posix_timer *timer = process->timers;

	while (timer && timer->id != id)
		timer = timer->next;
	return timer;
}

void timer_free(struct posix_timer *timer)
{
	struct posix_timer **link = &timer->process->timers;

	machine_timer(&timer->timer, 0, NULL);
	while (*link != timer)
		link = &(*link)->next;
	*link = timer->next;
	timer->process->timer_count--;
	timer->process = NULL;
	timer->next = posix_timers.free;
	posix_timers.free = timer;
}

static void start_posix(struct posix_timer *timer)
{
	if (counts_cpu(timer)) {
		if (timer->deadline)
			need_tick();
	} else {
		machine_timer(&timer->timer, timer->deadline, posix_fired);
	}
}

static struct thread *notified_thread(const struct posix_timer *timer)
{
	return timer->notify == SIGEV_THREAD_ID ? process_thread(timer->process, (int32_t)timer->tid) : NULL;
}

/* One that is still pending says it for this one too: signals of a timer are not queued twice. */
static void notify(struct posix_timer *timer)
{
	struct thread *thread = notified_thread(timer);
	struct signal_info info = {
		.signo = (int32_t)timer->signal,
		.code = SI_TIMER,
		.timer = { .timer = (int32_t)timer->id,
			   .overrun = (int32_t)timer->overrun,
			   .value = timer->value },
	};

	if (timer->notify != SIGEV_NONE && !is_pending(timer->process, thread, timer->signal))
		signal_post(timer->process, thread, &info);
}

static uint64_t least_of(const struct posix_timer *timer)
{
	if (timer->notify == SIGEV_NONE)
		return UNSEEN_NS;
	return least_interval(timer->process, notified_thread(timer), timer->signal);
}

static void posix_expired(struct posix_timer *timer, uint64_t now)
{
	timer->overrun = 0;
	if (timer->interval) {
		uint64_t missed = advance(&timer->deadline, timer->interval, now, least_of(timer));

		timer->overrun = missed < OVERRUN_MAX ? missed : OVERRUN_MAX;
	} else {
		timer->deadline = 0;
	}
	start_posix(timer);
	notify(timer);
}

static void posix_fired(struct timer *timer)
{
	struct posix_timer *posix =
	    (struct posix_timer *)((char *)timer - offsetof(struct posix_timer, timer));

	posix_expired(posix, machine_now());
}

/* An absolute real time becomes monotonic now: setting the clock later does not move it. */
void timer_arm(struct posix_timer *timer, bool absolute, const struct timer_value *new)
{
	uint64_t value = bounded(new->value);

	timer->interval = bounded(new->interval);
	timer->overrun = 0;
	if (value && !absolute) {
		value += timer_clock(timer);
	} else if (value && timer->clock == CLOCK_REALTIME) {
		uint64_t offset = machine_realtime() - machine_now();

		value = value > offset ? value - offset : 1;
	}
	timer->deadline = value;
	start_posix(timer);
}

struct timer_value timer_left(const struct posix_timer *timer)
{
	struct timer_value left = { .interval = timer->interval };
	uint64_t now;

	if (!timer->deadline)
		return left;
	now = timer_clock(timer);
	left.value = timer->deadline > now ? timer->deadline - now : 1;
	return left;
}

/* --- the tick, exit, restart ---------------------------------------------------------------------------- */
static bool tick_itimer(struct process *process, uint32_t which)
{
	struct interval_timer *itimer = &process->itimers[which];
	uint64_t now;

	if (!itimer->deadline)
		return false;
	now = itimer_clock(process, which);
	if (now >= itimer->deadline)
		itimer_expired(process, which, now);
	return true;
}

static bool tick_posix(struct posix_timer *timer)
{
	uint64_t now;

	if (!timer->process || !timer->deadline || !counts_cpu(timer))
		return false;
	now = timer_clock(timer);
	if (now >= timer->deadline)
		posix_expired(timer, now);
	return true;
}

/* RLIMIT_CPU: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one (setrlimit(2)). */
static bool tick_limit(struct process *process)
{
	const struct limit *limit = &process->limits[RLIMIT_CPU];
	uint64_t seconds;

	if (limit->soft == NO_LIMIT || process_is_zombie(process))
		return false;
	seconds = cpu_clock(process, false) / 1000000000;
	if (seconds >= limit->hard) {
		signal_simple(process, SIGKILL);
	} else if (seconds >= limit->soft && seconds > process->cpu_warned) {
		process->cpu_warned = seconds;
		signal_simple(process, SIGXCPU);
	}
	return true;
}

void timers_limit(struct process *process)
{
	if (process->limits[RLIMIT_CPU].soft != NO_LIMIT)
		need_tick();
}

static bool tick_process(struct process *process)
{
	bool more = tick_limit(process);

	for (uint32_t which = 1; which < 3; which++)
		more |= tick_itimer(process, which);
	return more;
}

static void tick_fired(struct timer *timer)
{
	bool more = false;

	(void)timer;
	for (uint32_t place = 0; place < process_places(); place++, breathe())
		if (process_at(place) && tick_process(process_at(place)))
			more = true;
	for (uint32_t i = 0; i < posix_timers.used; i++, breathe())
		if (tick_posix(&pool[i]))
			more = true;
	if (more)
		need_tick();
}

/* exec keeps interval timers, not those of timer_create. */
void timers_exit(struct process *process, bool exec)
{
	while (process->timers)
		timer_free(process->timers);
	if (exec)
		return;
	machine_timer(&process->itimers[ITIMER_REAL].timer, 0, NULL);
	for (uint32_t which = 0; which < 3; which++)
		if (process->itimers[which].deadline)
			process->itimers[which].deadline = 0;
}

/* The loop's list of timers went with the last incarnation; the deadlines did not. */
void timers_restart(void)
{
	for (uint32_t place = 0; place < process_places(); place++)
		if (process_at(place) && process_at(place)->itimers[ITIMER_REAL].deadline)
			arm_real(process_at(place));
	for (uint32_t i = 0; i < posix_timers.used; i++)
		if (pool[i].process && pool[i].deadline)
			start_posix(&pool[i]);
	need_tick();
}
