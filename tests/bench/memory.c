/* SPDX-License-Identifier: MIT */
/* Pages, mappings and copying. */
#include "bench.h"
#include <sys/mman.h>

#define PAGE 4096
#define MAPPED 65536
#define FRESH 1024 /* pages touched by one operation */
#define COPIED 65536

static char from[COPIED], to[COPIED];

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p == MAP_FAILED ? -1 : 0);
	return p;
}

OPERATION(mmap_munmap)
{
	must(munmap(map(MAPPED), MAPPED));
}

OPERATION(touch_fresh)
{
	char *p = map(FRESH * PAGE);

	for (long at = 0; !bench_error && at < FRESH * PAGE; at += PAGE)
		*(volatile char *)(p + at) = 1;
	munmap(p, FRESH * PAGE);
}

OPERATION(memcpy)
{
	memcpy(to, from, COPIED);
	__asm__ volatile("" : : "r"(to) : "memory");
}

static const struct bench table[] = {
	BENCH_AS("touch_fresh_page", touch_fresh, .per = FRESH),
	BENCH_AS("mmap_munmap_64K", mmap_munmap),
	BENCH(memcpy, .bytes = COPIED),
};

int main(int argc, char **argv)
{
	return bench_main(table, NELEMS(table), argc, argv);
}
