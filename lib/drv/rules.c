/* SPDX-License-Identifier: MIT */
#include <drv/rules.h>
#include <util/string.h>

const char *rules_word(const char *at, char out[RULES_WORD])
{
	unsigned n = 0;

	while (*at == ' ')
		at++;
	for (; *at && *at != ' ' && *at != '\n'; at++)
		if (n < RULES_WORD - 1)
			out[n++] = *at;
	out[n] = 0;
	return at;
}

const char *rules_number(const char *at, uint64_t *out)
{
	char digits[RULES_WORD];

	at = rules_word(at, digits);
	*out = 0;
	for (unsigned i = 0; digits[i] >= '0' && digits[i] <= '9'; i++)
		*out = *out * 10 + (uint64_t)(digits[i] - '0');
	return at;
}

unsigned rules_place(const char *const *names, unsigned count, const char *name)
{
	unsigned i = 0;

	while (i < count && strcmp(names[i], name))
		i++;
	return i;
}

bool rules_read(const char *text, const char *name, uint64_t *seed, void *schedule,
		bool (*add)(void *schedule, const char *line))
{
	char first[RULES_WORD];

	text = rules_word(text, first);
	if (strcmp(first, name))
		return false;
	text = rules_number(text, seed);
	while ((text = strchr(text, '\n')) && add(schedule, text + 1))
		text++;
	return true;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

int rules_strike(uint64_t seed, uint64_t number, uint64_t chance)
{
	return mix(seed ^ mix(number)) % chance == 0;
}
