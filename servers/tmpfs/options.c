/* SPDX-License-Identifier: MIT */
/* Mount options. */
#include "tmpfs.h"

static uint64_t parse_number(const char **at)
{
	uint64_t value = 0;

	while (**at >= '0' && **at <= '9' && value < 1ull << 50)
		value = value * 10 + (uint64_t)(*(*at)++ - '0');
	switch (**at) {
	case 'g':
	case 'G': return value << 30;
	case 'm':
	case 'M': return value << 20;
	case 'k':
	case 'K': return value << 10;
	}
	return value;
}

static uint32_t parse_octal(const char *at)
{
	uint32_t value = 0;

	while (*at >= '0' && *at <= '7' && value < 010000)
		value = value * 8 + (uint32_t)(*at++ - '0');
	return value & 07777;
}

static void parse_option(struct options *o, const char *option, uint64_t memory)
{
	const char *value = strchr(option, '=');

	if (!value++)
		return;
	if (!strncmp(option, "size=", 5)) {
		o->pages = parse_number(&value);
		o->pages = *value == '%' ? memory * (o->pages > 100 ? 100 : o->pages) / 100
					 : (o->pages + ANOLE_PAGE_SIZE - 1) / ANOLE_PAGE_SIZE;
	} else if (!strncmp(option, "nr_inodes=", 10)) {
		o->nodes = parse_number(&value);
	} else if (!strncmp(option, "mounted-on=", 11)) {
		o->where = value;
	} else if (!strncmp(option, "mode=", 5)) {
		o->mode = parse_octal(value);
	} else if (!strncmp(option, "uid=", 4)) {
		o->uid = (uint32_t)parse_number(&value);
	} else if (!strncmp(option, "gid=", 4)) {
		o->gid = (uint32_t)parse_number(&value);
	}
}

/* Options that mean nothing here are passed over, as Linux's "defaults" and the like. */
void parse_options(struct options *o, char *text)
{
	struct system_info info = { .pages_total = 65536 };
	char *next;

	kcall(system_info, &info);
	*o = (struct options){ info.pages_total / 2, NODE_MAX, 01777, 0, 0, "" };
	for (; text; text = next) {
		next = strchr(text, ',');
		if (next)
			*next++ = 0;
		parse_option(o, text, info.pages_total);
	}
}
