/* SPDX-License-Identifier: MIT */
/*
 * Backtraces without frame pointers: for each range of addresses the file says where the caller's stack pointer and
 * rbp are, as the compiler has written it into the debugging information.
 */
#include "crashd.h"

#include <stdlib.h>
#include <string.h>

#define DIRECTORY "/usr/lib/symbols"

static struct function {
	uint64_t address;
	char *name;
} * functions;
static struct rule {
	uint64_t address;
	uint32_t offset,
	    saved; /* of the caller's stack pointer; its rbp lies so far below, 0: still in rbp */
	char base; /* 's' or 'b' */
} * rules;
static size_t function_count, rule_count;

static void forget(void)
{
	for (size_t i = 0; i < function_count; i++)
		free(functions[i].name);
	free(functions);
	free(rules);
	functions = NULL;
	rules = NULL;
	function_count = rule_count = 0;
}

/* One more, at index `count`; NULL: no memory. */
static void *grow(void *array, size_t count, size_t size)
{
	return count & (count - 1) ? array : realloc(array, (count ? 2 * count : 1) * size);
}

static int add_function(uint64_t address, const char *name)
{
	struct function *more = grow(functions, function_count, sizeof *functions);

	if (!more)
		return 0;
	functions = more;
	functions[function_count].address = address;
	functions[function_count].name = strdup(name);
	return functions[function_count].name && ++function_count;
}

static int add_rule(const struct rule *rule)
{
	struct rule *more = grow(rules, rule_count, sizeof *rules);

	if (!more)
		return 0;
	rules = more;
	rules[rule_count++] = *rule;
	return 1;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void symbols_load(const char *program)
{
	char path[128], line[256], name[200];
	struct rule rule;
	FILE *file;
	int good = 1;

	forget();
	snprintf(path, sizeof path, DIRECTORY "/%s", program);
	file = strchr(program, '/') ? NULL : fopen(path, "r");
	if (!file)
		return;
	while (good && fgets(line, sizeof line, file)) {
		if (sscanf(line, "f %lx %199s", &rule.address, name) == 2)
			good = add_function(rule.address, name);
		else if (sscanf(line, "u %lx %c %u %u", &rule.address, &rule.base, &rule.offset,
				&rule.saved) == 4)
			good = add_rule(&rule);
	}
	fclose(file);
	qsort(functions, function_count, sizeof *functions, by_address);
	qsort(rules, rule_count, sizeof *rules, by_address);
}

/* The last entry at or below an address; both arrays begin with it. */
static const void *last_below(const void *array, size_t count, size_t size, uint64_t address)
{
	const char *at = array;
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (*(const uint64_t *)(at + middle * size) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? at + (low - 1) * size : NULL;
}

static const struct function *function_of(uint64_t address)
{
	return address < PRESERVED_BASE ? last_below(functions, function_count, sizeof *functions, address)
					: NULL;
}

const char *symbol_name(uint64_t address)
{
	static char text[256];
	const struct function *function = function_of(address);

	if (function)
		snprintf(text, sizeof text, "%s+0x%lx", function->name, address - function->address);
	else
		snprintf(text, sizeof text, "0x%lx", address);
	return text;
}

static int word_at(const struct crash_report *report, uint64_t address, uint64_t *word)
{
	uint64_t offset = address - report->regs.rsp;

	if (offset > report->stack_length || report->stack_length - offset < sizeof *word)
		return 0;
	memcpy(word, report->stack + offset, sizeof *word);
	return 1;
}

/* A function without rules is assembly; where none was entered, by a call to nowhere, the return address is on top. */
static struct rule rule_of(uint64_t pc)
{
	const struct function *function = function_of(pc);
	const struct rule *rule = last_below(rules, rule_count, sizeof *rules, pc);

	if (function && rule && rule->address >= function->address)
		return *rule;
	return (struct rule){ .base = 's', .offset = 8 };
}

int frame_up(struct frame *frame, const struct crash_report *report)
{
	struct rule rule = rule_of(frame->pc);
	uint64_t caller_sp = (rule.base == 'b' ? frame->bp : frame->sp) + rule.offset;
	uint64_t pc;

	if (caller_sp <= frame->sp || !word_at(report, caller_sp - 8, &pc) || !function_of(pc))
		return 0;
	if (rule.saved && !word_at(report, caller_sp - rule.saved, &frame->bp))
		return 0;
	frame->sp = caller_sp;
	frame->pc = pc;
	return 1;
}
