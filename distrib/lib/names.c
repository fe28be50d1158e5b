/* SPDX-License-Identifier: MIT */
/*
 * Names, from the definitions themselves: the build lists every include/proto/NAME.def in protocols.inc, and
 * libposix's table has Linux's calls.
 */
#include <stddef.h>
#include <string.h>

/* Of gen.h only the tables are of use here. */
#include <proto/proto.h>
#define INCLUDES
#include "protocols.inc"
#undef INCLUDES

#include "distrib/lib/names.h"

static const struct op_info *find(uint64_t op)
{
#define PROTOCOL(name)                                                                    \
	for (size_t i = 0; i < sizeof name##_operations / sizeof *name##_operations; i++) \
		if (name##_operations[i].op == op)                                        \
			return &name##_operations[i];
#include "protocols.inc"
#undef PROTOCOL
	return NULL;
}

const char *operation_name(uint64_t op)
{
	static char unknown[40];
	const struct op_info *info = find(op);

	if (info)
		return info->name;
	if (op == IPC_KERNEL_FAULT)
		return "kernel.fault";
	if (op == IPC_KERNEL_PAGE)
		return "kernel.page";
	snprintf(unknown, sizeof unknown, "%u.%u", IPC_OP_PROTO(op), IPC_OP_NUMBER(op));
	return unknown;
}

const char *system_call_name(uint64_t number, unsigned *arguments)
{
	static const struct {
		const char *name;
		unsigned arguments;
	} calls[] = {
#define L(number, name, handler, args, status) [number] = { #name, args },
#include "libposix/syscalls.def"
#undef L
	};
	static char unknown[32];

	*arguments = 6;
	if (number < sizeof calls / sizeof *calls && calls[number].name) {
		*arguments = calls[number].arguments;
		return calls[number].name;
	}
	snprintf(unknown, sizeof unknown, "call_%lu", number);
	return unknown;
}

static void put_word(FILE *out, const char *name, size_t length, uint64_t word, int is_signed)
{
	if (length == 4 && !memcmp(name, "mode", 4))
		fprintf(out, "%.*s=%#lo", (int)length, name, word);
	else if (is_signed || word < 10000)
		fprintf(out, "%.*s=%ld", (int)length, name, (long)word);
	else
		fprintf(out, "%.*s=%#lx", (int)length, name, word);
}

/* The definition's text is "W(offset) S(length)". */
void put_fields(FILE *out, uint64_t op, int of_answer, const uint64_t *words)
{
	const struct op_info *info = find(op);
	const char *at = info ? of_answer ? info->reply : info->request : "";
	const char *before = "";

	for (size_t i = 0; i < IPC_ALL_WORDS; i++) {
		const char *open = strchr(at, '('), *close = open ? strchr(open, ')') : NULL;

		if (!close)
			break;
		fputs(before, out);
		put_word(out, open + 1, (size_t)(close - open - 1), words[i], open[-1] == 'S');
		before = " ";
		at = close + 1;
	}
}
