/* SPDX-License-Identifier: MIT */
/*
 * The clock is the TSC; its rate, and the local APIC timer's, come from CPUID, from
 * the hypervisor, or are measured against the ACPI timer (3.579545 MHz) or, without
 * one, counter 2 of the 8254. Nothing waits for the measurement: it begins early, the boot
 * goes on, and the result is refined when more time has passed.
 */
#include "core/clock.h"
#include "core/timer.h"
#include "machine.h"

#define PM_HZ 3579545ul
#define PM_MASK 0xfffffful
#define PIT_HZ 1193182ul
#define PIT_MASK 0xfffful
#define NS 1000000000ul
#define FIRST_WINDOW_NS 200000ul     /* error below 0.3 % until the first refinement, */
#define LONGEST_WINDOW_NS 20000000ul /* if nobody takes the processor away meanwhile */
#define GAP_PART 32
#define REFINED_GAP_PART 500
#define LONG_NS 20000000ul

extern uint64_t boot_tsc;

static uint64_t tsc_hz = NS, lapic_hz;
static uint64_t multiplier; /* ns per tick, 32.32; 0 until known: time stands */
static uint64_t base_tsc, base_ns;
static uint64_t lapic_ratio; /* timer counts per ns, 32.32 */
static uint64_t first_tsc_hz, first_lapic_hz;
static bool rate_known;
static struct timer refine_timer;
static const uint64_t refine_after_ns[] = { 20000000, 200000000, 3000000000 };
static unsigned refinements;

/* A moment on all clocks at once. */
static struct moment {
	uint64_t tsc;
	uint32_t reference, lapic;
	uint64_t gap; /* TSC ticks within which all were read */
} start;

static uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t high, low, quotient, rest;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b));
	if (high >= c)
		return UINT64_MAX;
	__asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "r"(c));
	return quotient;
}

static inline uint64_t mul_shift_32(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)a * b >> 32);
}

uint64_t arch_now_ns(void)
{
	return base_ns + mul_shift_32(rdtsc() - base_tsc, multiplier);
}

uint64_t arch_cycles_ns(uint64_t cycles)
{
	return mul_shift_32(cycles, multiplier);
}

uint64_t arch_cycles_start(void)
{
	return boot_tsc;
}

uint64_t arch_tsc_multiplier(void)
{
	return multiplier;
}

/* --- the reference ------------------------------------------------------------------- */

static uint64_t reference_hz(void)
{
	return acpi.pm_timer ? PM_HZ : PIT_HZ;
}

static uint32_t reference_mask(void)
{
	return acpi.pm_timer ? PM_MASK : PIT_MASK;
}

/* Counts up, whichever it is. */
static uint32_t reference_read(void)
{
	uint32_t count;

	if (acpi.pm_timer)
		return inl(acpi.pm_timer) & PM_MASK;
	outb(0x43, 0x80); /* latch counter 2 */
	count = inb(0x42);
	count |= (uint32_t)inb(0x42) << 8;
	return -count & PIT_MASK;
}

static void pit_start(void)
{
	outb(0x61, (inb(0x61) & ~2) | 1); /* gate on, speaker off */
	outb(0x43, 0xb4);                 /* counter 2, both bytes, mode 2 */
	outb(0x42, 0);
	outb(0x42, 0);
}

/* The best of three: the port access may be interrupted by whoever emulates it. */
static struct moment moment_now(void)
{
	struct moment best = { 0 };
	uint64_t best_gap = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		uint64_t before = rdtsc();
		uint32_t reference = reference_read();
		uint32_t lapic = lapic_timer_count();
		uint64_t gap = rdtsc() - before;

		if (gap < best_gap) {
			best_gap = gap;
			best = (struct moment){ before + gap / 2, reference, lapic, gap };
		}
	}
	return best;
}

/* --- rates ----------------------------------------------------------------------------- */

static void rate_set(uint64_t hz)
{
	uint64_t now = rdtsc();

	base_ns += mul_shift_32(now - base_tsc, multiplier);
	base_tsc = now;
	tsc_hz = hz;
	multiplier = muldiv(NS, 1ul << 32, hz);
	clock_rate_changed(base_tsc, base_ns, multiplier);
}

/* The whole count of reference ticks since start, from its low bits and the TSC. */
static uint64_t reference_since(const struct moment *now)
{
	uint64_t guess = muldiv(now->tsc - start.tsc, reference_hz(), tsc_hz);
	uint32_t low = (now->reference - start.reference) & reference_mask();
	uint64_t span = (uint64_t)reference_mask() + 1;
	uint64_t total = (guess & ~(uint64_t)reference_mask()) | low;

	if (total > guess + span / 2 && total >= span)
		total -= span;
	else if (total + span / 2 < guess)
		total += span;
	return total;
}

/*
 * A frequency that is a round number within the error of measurement is taken to be
 * that number; `unit` is so large that this does not happen by chance.
 */
static uint64_t round_hz(uint64_t hz, uint64_t ticks)
{
	uint64_t error = 2 * hz / (ticks ? ticks : 1) + 1, unit = 1000000;

	while (unit < 20 * error)
		unit *= 10;
	uint64_t rounded = (hz + unit / 2) / unit * unit;
	uint64_t distance = rounded > hz ? rounded - hz : hz - rounded;

	return rounded && distance <= error ? rounded : hz;
}

static void measure_tsc(const struct moment *now, uint64_t ticks)
{
	uint64_t hz = muldiv(now->tsc - start.tsc, reference_hz(), ticks);

	if (hz >= 1000000)
		rate_set(round_hz(hz, ticks));
}

static void refine(struct timer *timer);

static void refine_later(void)
{
	/* The 8254 wraps more often than a first measurement can tell. */
	if (acpi.pm_timer && refinements < sizeof(refine_after_ns) / sizeof(*refine_after_ns))
		timer_set(&refine_timer, arch_now_ns() + refine_after_ns[refinements++], refine);
}

/* It no longer runs freely, but what was wrong at first was so for both: when the reference was read. */
static void refine_lapic(void)
{
	if (!features.tsc_deadline)
		lapic_ratio = muldiv(muldiv(first_lapic_hz, tsc_hz, first_tsc_hz), 1ul << 32, NS);
}

static void refine(struct timer *timer)
{
	struct moment now = moment_now();

	(void)timer;
	if ((start.gap + now.gap) * REFINED_GAP_PART < now.tsc - start.tsc) {
		measure_tsc(&now, reference_since(&now));
		refine_lapic();
	}
	refine_later();
}

/* CPUID 0x15 with the crystal's frequency, or a hypervisor's leaf (kHz; VMware, KVM). */
static uint64_t rate_from_cpuid(void)
{
	struct cpuid leaf = cpuid_checked(0x15, 0);
	bool hypervisor = cpuid(1, 0).ecx & 1u << 31;

	if (leaf.eax && leaf.ebx && leaf.ecx)
		return muldiv(leaf.ecx, leaf.ebx, leaf.eax);
	if (hypervisor && cpuid(0x40000000u, 0).eax >= 0x40000010u)
		return cpuid(0x40000010u, 0).eax * 1000ul;
	return 0;
}

void time_init(void)
{
	uint64_t hz = rate_from_cpuid();

	base_tsc = boot_tsc;
	if (!acpi.pm_timer)
		pit_start();
	lapic_timer_init();
	if (!features.tsc_deadline)
		lapic_timer_start(UINT32_MAX);
	start = moment_now();
	if (hz) {
		rate_known = true;
		multiplier = muldiv(NS, 1ul << 32, hz);
		tsc_hz = hz;
	}
}

/* A hypervisor may take the processor away between two clocks: then only a longer time tells. */
static bool long_enough(const struct moment *now, uint64_t ticks)
{
	uint64_t passed = ticks * NS;

	if (passed < FIRST_WINDOW_NS * reference_hz())
		return false;
	return (start.gap + now->gap) * GAP_PART < now->tsc - start.tsc ||
	       passed > LONGEST_WINDOW_NS * reference_hz();
}

static void measure_both(void)
{
	struct moment now;
	uint64_t ticks;

	if (!acpi.pm_timer) /* it may have wrapped since */
		start = moment_now();
	do {
		now = moment_now();
		if (now.gap < start.gap / 4)
			start = now;
		ticks = (now.reference - start.reference) & reference_mask();
	} while (!long_enough(&now, ticks));
	if (!rate_known) {
		uint64_t hz = round_hz(muldiv(now.tsc - start.tsc, reference_hz(), ticks), ticks);
		multiplier = muldiv(NS, 1ul << 32, hz ? hz : NS);
		rate_set(hz ? hz : NS);
	}
	lapic_hz = round_hz(muldiv(start.lapic - now.lapic, reference_hz(), ticks), ticks);
	lapic_ratio = muldiv(lapic_hz, 1ul << 32, NS);
	first_tsc_hz = tsc_hz;
	first_lapic_hz = lapic_hz;
}

void arch_time_ready(void)
{
	if (rate_known && features.tsc_deadline)
		clock_rate_changed(base_tsc, base_ns, multiplier);
	else
		measure_both();
	if (!features.tsc_deadline)
		lapic_timer_start(0);
	if (!rate_known)
		refine_later();
	kprintf("time: tsc %lu kHz, timer %s %lu kHz\n", tsc_hz / 1000,
		features.tsc_deadline ? "by deadline" : "counts at", lapic_hz / 1000);
}

/* --- the local timer --------------------------------------------------------------------- */

void arch_timer_set(uint64_t deadline)
{
	uint64_t now = arch_now_ns();
	uint64_t left = deadline > now ? deadline - now : 0;

	if (features.tsc_deadline) {
		wrmsr(MSR_TSC_DEADLINE, deadline == UINT64_MAX ? 0 : rdtsc() + muldiv(left, tsc_hz, NS) + 1);
		return;
	}
	if (deadline == UINT64_MAX) {
		lapic_timer_start(0);
		return;
	}
	if (left > NS)
		left = NS; /* early: it is set again then; the count has 32 bits */
	else if (left > LONG_NS)
		left -= left / 256; /* early too, as the rate is not known as well as the TSC's */
	lapic_timer_start((uint32_t)mul_shift_32(left, lapic_ratio) + 1);
}
