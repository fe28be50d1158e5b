/* SPDX-License-Identifier: MIT */
#include "schedule.h"

#include <drv/rules.h>
#include <util/string.h>

#define DELAY_MS 50u
#define DELAY_MS_MAX 10000u

static const char *const way_names[] = { "send", "receive" };
static const char *const names[] = { "none", "drop", "duplicate", "reorder", "delay" }; /* as enum accident */

static void parse_rule(const char *at, struct rule *rule)
{
	char way[RULES_WORD], accident[RULES_WORD];
	unsigned place;

	*rule = (struct rule){ 0 };
	at = rules_word(at, way);
	at = rules_word(at, accident);
	at = rules_number(at, &rule->chance);
	at = rules_number(at, &rule->least);
	at = rules_number(at, &rule->times);
	rules_number(at, &rule->ms);
	place = rules_place(way_names, LOSSY_WAYS, way);
	rule->ways = place < LOSSY_WAYS ? 1u << place : strcmp(way, "any") ? 0 : 3;
	place = rules_place(names, LOSSY_ACCIDENTS, accident);
	rule->accident = place < LOSSY_ACCIDENTS ? (enum accident)place : LOSSY_NONE;
	if (!rule->ms)
		rule->ms = DELAY_MS;
	if (rule->ms > DELAY_MS_MAX)
		rule->ms = DELAY_MS_MAX;
}

/* A rule that makes no sense leaves its place to the next. */
static bool add_rule(void *to, const char *line)
{
	struct schedule *schedule = to;
	struct rule *rule = &schedule->rules[schedule->rules_count];

	parse_rule(line, rule);
	if (rule->ways && rule->accident != LOSSY_NONE && rule->chance)
		schedule->rules_count++;
	return schedule->rules_count < RULES_MAX;
}

bool schedule_parse(struct schedule *schedule, const char *text)
{
	*schedule = (struct schedule){ 0 };
	return rules_read(text, "lossy", &schedule->seed, schedule, add_rule);
}

const struct rule *schedule_next(struct schedule *schedule, enum way way, uint32_t length)
{
	schedule->number++;
	for (unsigned i = 0; i < schedule->rules_count; i++) {
		struct rule *rule = &schedule->rules[i];

		if (!(rule->ways >> way & 1) || length < rule->least ||
		    (rule->times && rule->struck >= rule->times) ||
		    !rules_strike(schedule->seed + i, schedule->number, rule->chance))
			continue;
		rule->struck++;
		return rule;
	}
	return NULL;
}
