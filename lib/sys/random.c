/* SPDX-License-Identifier: MIT */
#include "internal.h"
#include "random.h"

#include <proto/rng.h>
#include <proto/rs.h>
#include <util/chacha.h>

#define CLASS "rng"
#define SEED_INTERVAL_NS (300 * 1000000000ul)
#define JITTER_ROUNDS 64

static PRESERVED uint32_t key[8];
static PRESERVED uint64_t counter;
static PRESERVED cap_t class_name; /* memory that holds CLASS, for the call to RS */
static PRESERVED cap_t driver;
static PRESERVED bool finding; /* RS has been asked for the driver, and answers whenever there is one */

static struct timer seeding;

/* --- the generator ---------------------------------------------------------------------------------- */

/* The key goes on whatever becomes of a transaction: what was given out once is not given out again. */
TX_DERIVED static void block(uint32_t out[16])
{
	struct chacha in = { { CHACHA_CONSTANTS } };

	memcpy(in.word + 4, key, sizeof(key));
	in.word[12] = (uint32_t)counter;
	in.word[13] = (uint32_t)(counter >> 32);
	counter++;
	chacha_block(&in, (struct chacha *)out);
}

TX_DERIVED static void erase_key(void)
{
	uint32_t fresh[16];

	block(fresh);
	memcpy(key, fresh, sizeof(key));
}

TX_DERIVED void random_add(const void *bytes, size_t length)
{
	const uint8_t *from = bytes;

	for (size_t i = 0; i < length; i++) {
		((uint8_t *)key)[i % sizeof(key)] ^= from[i];
		if (i % sizeof(key) == sizeof(key) - 1)
			erase_key();
	}
	erase_key();
}

static uint64_t time_stamp(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

void random_bytes(void *to, size_t length)
{
	uint32_t stream[16];
	uint64_t now = time_stamp();

	random_add(&now, sizeof(now));
	for (size_t done = 0, piece; done < length; done += piece) {
		piece = length - done < sizeof(stream) ? length - done : sizeof(stream);
		block(stream);
		memcpy((uint8_t *)to + done, stream, piece);
	}
	erase_key();
}

/* --- what is there at the boot ------------------------------------------------------------------------ */

static bool has_rdrand(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx >> 30 & 1;
}

static uint64_t rdrand(void)
{
	uint64_t value = 0;
	uint8_t ok = 0;

	for (unsigned tries = 0; tries < 10 && !ok; tries++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok));
	return value;
}

static void add_rdrand(void)
{
	uint64_t bits[sizeof(key) / 8];

	for (size_t i = 0; i < sizeof(key) / 8; i++)
		bits[i] = rdrand();
	random_add(bits, sizeof(bits));
}

static void add_jitter(void)
{
	uint64_t samples[JITTER_ROUNDS];

	for (size_t i = 0; i < JITTER_ROUNDS; i++) {
		kcall(yield);
		samples[i] = time_stamp();
	}
	random_add(samples, sizeof(samples));
}

/* --- a driver ------------------------------------------------------------------------------------------- */

static void ask_driver(struct timer *timer);

static void seeded(struct acall *call)
{
	const struct rng_seed_reply *reply = acall_reply(call);

	if (call->status >= 0)
		random_add(reply, sizeof(*reply));
	timer_start(&seeding, clock_monotonic_ns() + SEED_INTERVAL_NS, ask_driver);
}

/* The first of the class, whenever it comes. */
static void driver_found(struct acall *call)
{
	tx_keep_set(finding, false);
	if (call->status >= 0 && call->received_count && !driver)
		tx_keep_set(driver, call->received[0].slot);
	else if (call->received_count)
		tx_close(call->received[0].slot);
	if (driver || call->status == -ERESTART)
		ask_driver(NULL);
}

static void find_driver(struct acall *call)
{
	struct rs_next_driver_req request = { 0 };

	call->done = driver_found;
	call->in = (struct call_buffer){ class_name, 0, 0, sizeof(CLASS) - 1 };
	tx_keep_set(finding, rs_send_next_driver(call, SLOT_RS, &request) == 0);
}

static void ask_driver(struct timer *timer)
{
	struct rng_seed_req request = {};
	struct acall *call = acall_new(seeded, NULL);

	(void)timer;
	if (!call)
		timer_start(&seeding, clock_monotonic_ns() + SEED_INTERVAL_NS, ask_driver);
	else if (driver)
		rng_send_seed(call, driver, &request);
	else
		find_driver(call);
}

static bool name_class(void)
{
	long memory = tx_made(kcall(mo_create, (uint64_t)ANOLE_PAGE_SIZE, 0ul));

	if (memory < 0)
		return false;
	tx_keep_set(class_name, (cap_t)memory);
	return kcall(mo_write, class_name, 0ul, CLASS, sizeof(CLASS) - 1) == sizeof(CLASS) - 1;
}

void random_start(void)
{
	uint64_t now = clock_realtime_ns();

	random_add(&now, sizeof(now));
	if (has_rdrand())
		add_rdrand();
	else
		add_jitter();
	if (!finding && (class_name || name_class()))
		ask_driver(NULL);
}
