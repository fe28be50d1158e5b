/* SPDX-License-Identifier: MIT */
/*
 * The preserved heap: random allocation with every byte watched, and a restart in the middle of it again
 * and again: what was allocated must be there, and free memory must be found again. Then the same in transactions, which
 * end by a crash at any of their points: what was committed must be there, and nothing else.
 * SOURCES: lib/sys/pheap.c lib/sys/tx.c
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/sys/internal.h"

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

#define SIZE (1u << 20)
#define BLOCKS 512

static struct startup page = { .preserved_size = SIZE };
const struct startup *const startup = &page;

/* An empty section: the heap begins at PRESERVED_BASE. */
__asm__(".pushsection .data\n.globl __preserved_start, __preserved_guarded, __preserved_end\n"
	"__preserved_start:\n__preserved_guarded:\n__preserved_end:\n.quad 0\n.popsection");

struct tx_log tx_log;
static struct ipc_page message;
struct ipc_page *message_page = &message;
extern const uint64_t tx_log_last;
const uint64_t tx_log_last = TX_LOG_SIZE - TX_LINE - 8;
extern uint32_t tx_lines[];
uint32_t tx_lines[TX_LOG_SIZE / TX_LINE];

/* A crash at a point of fault injection. */
bool fault_armed;
static unsigned crash_in;
static jmp_buf crashed;
void fault_hit(const struct fault_point *point)
{
	(void)point;
	if (!--crash_in)
		longjmp(crashed, 1);
}

/* What else a commit does. */
void acalls_flush(void) {}
void requests_flush(void) {}
void requests_begin_again(void) {}

static struct piece {
	unsigned char *memory, fill;
	size_t size;
} blocks[BLOCKS], committed[BLOCKS];

void check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	exit(1);
}

static void check(unsigned i)
{
	for (size_t at = 0; at < blocks[i].size; at++)
		REQUIRE(blocks[i].memory[at] == blocks[i].fill);
}

static size_t random_size(void)
{
	switch (rand() % 4) {
	case 0: return (size_t)rand() % 64 + 1;
	case 1: return (size_t)rand() % 1024 + 1;
	case 2: return (size_t)rand() % 8192 + 1;
	}
	return (size_t)rand() % 65536 + 1;
}

static void step(void)
{
	unsigned i = (unsigned)rand() % BLOCKS;

	if (blocks[i].memory) {
		check(i);
		pheap_free(blocks[i].memory);
		blocks[i].memory = NULL;
		return;
	}
	blocks[i].size = random_size();
	blocks[i].memory = pheap_alloc(blocks[i].size);
	if (!blocks[i].memory)
		return;
	REQUIRE((uintptr_t)blocks[i].memory % TX_LINE == 0);
	REQUIRE(preserved_contains(blocks[i].memory, blocks[i].size));
	blocks[i].fill = 0;
	check(i);
	blocks[i].fill = (unsigned char)rand();
	memset(blocks[i].memory, blocks[i].fill, blocks[i].size);
}

/* Change some bytes, and perhaps all of the piece by that. */
static void change(void)
{
	struct piece *piece = &blocks[rand() % BLOCKS];

	if (!piece->memory || piece->size > 8192)
		return;
	tx_save(piece->memory, piece->size);
	piece->fill++;
	memset(piece->memory, piece->fill, piece->size);
}

static void check_all(void)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		if (blocks[i].memory)
			check(i);
}

static void map(uintptr_t at, size_t length)
{
	REQUIRE(mmap((void *)at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0) == (void *)at);
}

/* A transaction of some steps that is committed, or ended by a crash anywhere. */
static void transaction(void)
{
	uint64_t before = tx_sequence();

	memcpy(committed, blocks, sizeof blocks);
	fault_armed = rand() % 2;
	crash_in = (unsigned)rand() % 20 + 1;
	if (setjmp(crashed)) {
		bool done = tx_sequence() != before;

		fault_armed = false;
		map(TX_SHADOW, TX_SHADOW_SIZE);
		tx_undo();
		if (!done)
			memcpy(blocks, committed, sizeof blocks);
		tx_effects = false;
		pheap_start();
		check_all();
		return;
	}
	for (int steps = rand() % 8; steps >= 0; steps--)
		rand() % 2 ? step() : change();
	tx_end();
	fault_armed = false;
}

int main(void)
{
	map(PRESERVED_BASE, SIZE);
	map(TX_SHADOW, TX_SHADOW_SIZE);
	pheap_start();
	for (int i = 0; i < 100000; i++) {
		step();
		if (i % 1000 == 0)
			pheap_start();
	}
	tx_on = true;
	pheap_start();
	for (int i = 0; i < 20000; i++)
		transaction();
	tx_on = false;
	for (unsigned i = 0; i < BLOCKS; i++)
		if (blocks[i].memory) {
			check(i);
			pheap_free(blocks[i].memory);
		}
	/* All of it is one block again. */
	REQUIRE(pheap_alloc(SIZE) == NULL);
	REQUIRE(pheap_alloc(SIZE - 80) != NULL);
	return 0;
}
