/* SPDX-License-Identifier: MIT */
#include "schedule.h"

#include <drv/rules.h>
#include <util/string.h>

static const char *const kind_names[] = { "read", "write", "flush" }; /* as enum blk_kind */
static const char *const fault_names[] = { "none", "error", "short", "torn", "lose", "delay" };

static void parse_rule(const char *at, struct rule *rule)
{
	char kind[RULES_WORD], fault[RULES_WORD];
	unsigned place;

	*rule = (struct rule){ 0 };
	at = rules_word(at, kind);
	at = rules_word(at, fault);
	at = rules_number(at, &rule->chance);
	at = rules_number(at, &rule->first);
	at = rules_number(at, &rule->count);
	rules_number(at, &rule->times);
	place = rules_place(kind_names, 3, kind);
	rule->kinds = place < 3 ? 1u << place : strcmp(kind, "any") ? 0 : 7;
	place = rules_place(fault_names, 6, fault);
	rule->fault = place < 6 ? (enum fault)place : FAULTY_NONE;
	if (!rule->count)
		rule->count = UINT64_MAX - rule->first;
}

/* A rule that makes no sense leaves its place to the next. */
static bool add_rule(void *to, const char *line)
{
	struct schedule *schedule = to;
	struct rule *rule = &schedule->rules[schedule->rules_count];

	parse_rule(line, rule);
	if (rule->kinds && rule->fault != FAULTY_NONE && rule->chance)
		schedule->rules_count++;
	return schedule->rules_count < RULES_MAX;
}

bool schedule_parse(struct schedule *schedule, const char *text)
{
	*schedule = (struct schedule){ 0 };
	return rules_read(text, "faulty", &schedule->seed, schedule, add_rule);
}

static bool strikes(const struct schedule *schedule, const struct rule *rule, unsigned kind, uint64_t sector,
		    uint64_t sectors)
{
	if (!(rule->kinds >> kind & 1) || (rule->times && rule->struck >= rule->times))
		return false;
	if (sectors && (sector + sectors <= rule->first || sector - rule->first >= rule->count) &&
	    !(sector < rule->first && sector + sectors > rule->first))
		return false;
	return rules_strike(schedule->seed, schedule->number, rule->chance);
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
