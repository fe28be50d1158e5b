/* SPDX-License-Identifier: MIT */
#include "schedule.h"

#include <util/string.h>

#define WORD_MAX 16u

static const char *const kind_names[] = { "read", "write", "flush" }; /* as enum blk_kind */
static const char *const fault_names[] = { "none", "error", "short", "torn", "lose", "delay" };

/* The next word of the line, "" at its end. */
static const char *word(const char *at, char out[WORD_MAX])
{
	unsigned n = 0;

	while (*at == ' ')
		at++;
	for (; *at && *at != ' ' && *at != '\n'; at++)
		if (n < WORD_MAX - 1)
			out[n++] = *at;
	out[n] = 0;
	return at;
}

static const char *number(const char *at, uint64_t *out)
{
	char digits[WORD_MAX];

	at = word(at, digits);
	*out = 0;
	for (unsigned i = 0; digits[i] >= '0' && digits[i] <= '9'; i++)
		*out = *out * 10 + (uint64_t)(digits[i] - '0');
	return at;
}

static unsigned place_in(const char *const *names, unsigned count, const char *name)
{
	unsigned i = 0;

	while (i < count && strcmp(names[i], name))
		i++;
	return i;
}

static const char *parse_rule(const char *at, struct rule *rule)
{
	char kind[WORD_MAX], fault[WORD_MAX];
	unsigned place;

	*rule = (struct rule){ 0 };
	at = word(at, kind);
	at = word(at, fault);
	at = number(at, &rule->chance);
	at = number(at, &rule->first);
	at = number(at, &rule->count);
	at = number(at, &rule->times);
	place = place_in(kind_names, 3, kind);
	rule->kinds = place < 3 ? 1u << place : strcmp(kind, "any") ? 0 : 7;
	place = place_in(fault_names, 6, fault);
	rule->fault = place < 6 ? (enum fault)place : FAULTY_NONE;
	if (!rule->count)
		rule->count = UINT64_MAX - rule->first;
	return at;
}

bool schedule_parse(struct schedule *schedule, const char *text)
{
	char first[WORD_MAX];

	*schedule = (struct schedule){ 0 };
	text = word(text, first);
	if (strcmp(first, "faulty"))
		return false;
	text = number(text, &schedule->seed);
	while ((text = strchr(text, '\n')) && schedule->rules_count < RULES_MAX) {
		struct rule *rule = &schedule->rules[schedule->rules_count];

		text = parse_rule(text + 1, rule);
		if (rule->kinds && rule->fault != FAULTY_NONE && rule->chance)
			schedule->rules_count++;
	}
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

static bool strikes(const struct schedule *schedule, const struct rule *rule, unsigned kind, uint64_t sector,
		    uint64_t sectors)
{
	if (!(rule->kinds >> kind & 1) || (rule->times && rule->struck >= rule->times))
		return false;
	if (sectors && (sector + sectors <= rule->first || sector - rule->first >= rule->count) &&
	    !(sector < rule->first && sector + sectors > rule->first))
		return false;
	return mix(schedule->seed ^ mix(schedule->number)) % rule->chance == 0;
}

enum fault schedule_next(struct schedule *schedule, unsigned kind, uint64_t sector, uint64_t sectors)
{
	schedule->number++;
	for (unsigned i = 0; i < schedule->rules_count; i++) {
		struct rule *rule = &schedule->rules[i];

		if (!strikes(schedule, rule, kind, sector, sectors))
			continue;
		rule->struck++;
		return rule->fault;
	}
	return FAULTY_NONE;
}
