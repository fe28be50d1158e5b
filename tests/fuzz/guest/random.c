/* SPDX-License-Identifier: MIT */
/* Numbers and addresses that are worth trying. */
#include "fuzz.h"

uint64_t word(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t below(struct dice *d, uint64_t limit)
{
	return word(d) % limit;
}

int rarely(struct dice *d, unsigned n)
{
	return below(d, n) == 0;
}

uint64_t number(struct dice *d)
{
	static const uint64_t numbers[] = {
		0,           1,           2,          3,
		7,           8,           15,         16,
		63,          64,          65,         255,
		256,         511,         512,        1023,
		1024,        4095,        4096,       4097,
		65535,       65536,       1u << 20,   0x7fffffff,
		0x80000000u, 0xffffffffu, 1ull << 32, 1ull << 40,
		1ull << 47,  ~0ull >> 1,  1ull << 63, ~0ull - 4095,
		~0ull - 7,   ~0ull - 2,   ~0ull - 1,  ~0ull,
	};

	return numbers[below(d, sizeof numbers / sizeof *numbers)];
}

uint64_t address(struct dice *d)
{
	static const uint64_t bad[] = {
		0,
		1,
		8,
		4095,
		4096,
		0x10000,
		0x400000,
		0x7fff00000000,
		0x7fffffffe000,
		0x7ffffffff000,
		0x7ffffffffff8,
		0x800000000000,
		0xffff7fffffffffff,
		0xffff800000000000,
		0xffffffff80000000,
		~0ull - 4095,
		~0ull - 7,
		~0ull,
	};
	uint64_t page = (uint64_t)(uintptr_t)arena + below(d, ARENA_PAGES) * 4096;

	switch (below(d, 8)) {
	case 0: return bad[below(d, sizeof bad / sizeof *bad)];
	case 1: return page + 4096 - below(d, 64);
	case 2: return page + below(d, 4096);
	}
	return page;
}

uint64_t anything(struct dice *d)
{
	switch (below(d, 8)) {
	case 0:
	case 1: return address(d);
	case 2: return word(d);
	case 3: return word(d) >> below(d, 64);
	case 4: return 1ull << below(d, 64);
	case 5: return below(d, 12);
	}
	return number(d);
}
