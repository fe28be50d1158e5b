/* SPDX-License-Identifier: MIT */
/*
 * The preserved heap: random allocation with every byte watched, and a restart in the middle of it again
 * and again: what was allocated must be there, and free memory must be found again.
 * SOURCES: lib/sys/pheap.c
 */
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
__asm__(".pushsection .data\n.globl __preserved_start, __preserved_end\n"
	"__preserved_start:\n__preserved_end:\n.quad 0\n.popsection");

static struct {
	unsigned char *memory, fill;
	size_t size;
} blocks[BLOCKS];

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
	REQUIRE((uintptr_t)blocks[i].memory % 16 == 0);
	REQUIRE(preserved_contains(blocks[i].memory, blocks[i].size));
	blocks[i].fill = 0;
	check(i);
	blocks[i].fill = (unsigned char)rand();
	memset(blocks[i].memory, blocks[i].fill, blocks[i].size);
}

int main(void)
{
	void *at = mmap((void *)PRESERVED_BASE, SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	REQUIRE(at == (void *)PRESERVED_BASE);
	pheap_start();
	for (int i = 0; i < 100000; i++) {
		step();
		if (i % 1000 == 0)
			pheap_start();
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		if (blocks[i].memory) {
			check(i);
			pheap_free(blocks[i].memory);
		}
	/* All of it is one block again. */
	REQUIRE(pheap_alloc(SIZE) == NULL);
	REQUIRE(pheap_alloc(SIZE - 16) != NULL);
	return 0;
}
