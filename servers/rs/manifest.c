/* SPDX-License-Identifier: MIT */
/* The parser of service manifests: a table of directives, one handler each. */
#include "manifest.h"

#include <abi/startup.h>
#include <util/string.h>

#define WORDS 40
#define LINE 512
#define DEFAULT_PRIORITY 16
#define DEFAULT_PRESERVED (16ul << 20)
#define DEFAULT_DELAY_MS 50
#define LONGEST_DELAY_MS 300000u
#define DEFAULT_CLEAN 6
#define DEFAULT_LIMIT 10

/* A line cut into words; rest[i] is the line from word i on. */
struct line {
	unsigned count;
	const char *words[WORDS];
	const char *rest;
};

static bool copy_name(char *to, const char *from)
{
	return *from && strlcpy(to, from, MANIFEST_NAME) < MANIFEST_NAME;
}

static bool parse_number(const char *text, unsigned base, uint64_t *value)
{
	*value = 0;
	if (base == 0) {
		base = 10;
		if (text[0] == '0' && text[1] == 'x')
			base = 16, text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
				 : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a' + 10)
				 : *text >= 'A' && *text <= 'F' ? (unsigned)(*text - 'A' + 10)
								: 99;

		if (digit >= base || *value > (UINT64_MAX - digit) / base)
			return false;
		*value = *value * base + digit;
	}
	return true;
}

static bool parse_u32(const char *text, unsigned base, uint64_t limit, uint32_t *value)
{
	uint64_t wide;

	if (!parse_number(text, base, &wide) || wide > limit)
		return false;
	*value = (uint32_t)wide;
	return true;
}

/* A size with K, M or G behind it. */
static bool parse_size(const char *text, uint64_t *size)
{
	char digits[24];
	size_t length = strlen(text);
	unsigned shift = 0;

	if (!length || length >= sizeof digits)
		return false;
	strlcpy(digits, text, sizeof digits);
	switch (digits[length - 1]) {
	case 'K': shift = 10; break;
	case 'M': shift = 20; break;
	case 'G': shift = 30; break;
	}
	if (shift)
		digits[length - 1] = 0;
	if (!parse_number(digits, 0, size) || *size > PRESERVED_LIMIT >> shift)
		return false;
	*size <<= shift;
	return true;
}

static bool do_service(struct manifest *m, const struct line *line)
{
	return line->count == 2 && !m->name[0] && copy_name(m->name, line->words[1]);
}

/* Below RS, which has to get its turn beside any that loops. */
static bool do_priority(struct manifest *m, const struct line *line)
{
	return line->count == 2 && parse_u32(line->words[1], 0, PRIORITY_MAX, &m->priority);
}

static bool add_names(char (*names)[MANIFEST_NAME], uint32_t *count, uint32_t limit, const struct line *line)
{
	for (unsigned i = 1; i < line->count; i++) {
		if (*count == limit || !copy_name(names[*count], line->words[i]))
			return false;
		(*count)++;
	}
	return line->count > 1;
}

static bool do_uses(struct manifest *m, const struct line *line)
{
	return add_names(m->uses, &m->uses_count, MANIFEST_USES, line);
}

static bool do_hands(struct manifest *m, const struct line *line)
{
	return add_names(m->hands, &m->hands_count, MANIFEST_HANDS, line);
}

static bool do_file(struct manifest *m, const struct line *line)
{
	return add_names(m->files, &m->files_count, MANIFEST_FILES, line);
}

static bool do_share(struct manifest *m, const struct line *line)
{
	struct manifest_share *share = &m->shares[m->shares_count];

	if (m->shares_count == MANIFEST_SHARES || line->count < 3)
		return false;
	if (!copy_name(share->name, line->words[1]))
		return false;
	share->write = !strcmp(line->words[2], "rw");
	if (!share->write && strcmp(line->words[2], "ro"))
		return false;
	if (line->count > 4 || (line->count == 4 && !parse_size(line->words[3], &share->size)))
		return false;
	m->shares_count++;
	return true;
}

static bool do_preserved(struct manifest *m, const struct line *line)
{
	return line->count == 2 && parse_size(line->words[1], &m->preserved_size);
}

static bool do_ports(struct manifest *m, const struct line *line)
{
	struct manifest_ports *ports = &m->ports[m->ports_count];

	if (m->ports_count == MANIFEST_PORTS || line->count != 3 ||
	    !parse_u32(line->words[1], 0, 0xffff, &ports->base) ||
	    !parse_u32(line->words[2], 0, 0x10000, &ports->count))
		return false;
	if (!ports->count || ports->base + ports->count > 0x10000)
		return false;
	m->ports_count++;
	return true;
}

static bool do_irq(struct manifest *m, const struct line *line)
{
	struct manifest_irq *irq = &m->irqs[m->irqs_count];

	if (m->irqs_count == MANIFEST_IRQS || line->count < 2 ||
	    !parse_u32(line->words[1], 0, 0xffff, &irq->line))
		return false;
	for (unsigned i = 2; i < line->count; i++) {
		if (!strcmp(line->words[i], "level"))
			irq->level = true;
		else if (!strcmp(line->words[i], "low"))
			irq->low = true;
		else
			return false;
	}
	m->irqs_count++;
	return true;
}

static bool do_msi(struct manifest *m, const struct line *line)
{
	return line->count == 2 && parse_u32(line->words[1], 0, 16, &m->msi);
}

static bool do_dma(struct manifest *m, const struct line *line)
{
	m->dma = true;
	return line->count == 1;
}

static bool do_root(struct manifest *m, const struct line *line)
{
	m->root = true;
	return line->count == 1;
}

static bool do_quota(struct manifest *m, const struct line *line)
{
	m->quota = true;
	return line->count == 1;
}

static bool do_trace(struct manifest *m, const struct line *line)
{
	m->trace = true;
	return line->count == 1;
}

static bool do_instance(struct manifest *m, const struct line *line)
{
	m->instance = true;
	return line->count == 1;
}

static bool do_manual(struct manifest *m, const struct line *line)
{
	m->manual = true;
	return line->count == 1;
}

static bool parse_device(const char *text, struct manifest_device *device)
{
	char vendor[8];
	const char *colon = strchr(text, ':');
	uint32_t id[2];

	if (!colon || colon - text > 4)
		return false;
	strlcpy(vendor, text, (size_t)(colon - text) + 1);
	if (!parse_u32(vendor, 16, 0xffff, &id[0]) || !parse_u32(colon + 1, 16, 0xffff, &id[1]))
		return false;
	device->vendor = (uint16_t)id[0];
	device->device = (uint16_t)id[1];
	return true;
}

static bool do_device(struct manifest *m, const struct line *line)
{
	if (line->count < 3 || strcmp(line->words[1], "pci"))
		return false;
	for (unsigned i = 2; i < line->count; i++) {
		if (m->devices_count == MANIFEST_DEVICES ||
		    !parse_device(line->words[i], &m->devices[m->devices_count]))
			return false;
		m->devices_count++;
	}
	return true;
}

static bool do_class(struct manifest *m, const struct line *line)
{
	return line->count == 2 && copy_name(m->class, line->words[1]);
}

static bool do_node(struct manifest *m, const struct line *line)
{
	struct manifest_node *node = &m->nodes[m->nodes_count];

	if (m->nodes_count == MANIFEST_NODES || line->count < 6 || line->count > 7)
		return false;
	node->block = !strcmp(line->words[1], "block");
	if (!node->block && strcmp(line->words[1], "char"))
		return false;
	if (!parse_u32(line->words[2], 0, 0xfff, &node->major) ||
	    !parse_u32(line->words[3], 0, 0xfffff, &node->minor) ||
	    !parse_u32(line->words[4], 0, 0x100000, &node->count) ||
	    !parse_u32(line->words[5], 8, 07777, &node->mode))
		return false;
	if (line->count == 7 && !copy_name(node->name, line->words[6]))
		return false;
	m->nodes_count++;
	return true;
}

static bool do_arguments(struct manifest *m, const struct line *line)
{
	return strlcpy(m->arguments, line->rest, sizeof m->arguments) < sizeof m->arguments;
}

static bool restart_option(struct manifest_restart *restart, const char *name, const char *value)
{
	if (!strcmp(name, "delay"))
		return parse_u32(value, 0, 60000, &restart->delay_ms);
	if (!strcmp(name, "clean"))
		return parse_u32(value, 0, 1000, &restart->clean) && restart->clean;
	if (!strcmp(name, "limit"))
		return parse_u32(value, 0, 1000, &restart->limit) && restart->limit;
	return false;
}

static bool do_restart(struct manifest *m, const struct line *line)
{
	if (line->count < 2)
		return false;
	m->restart.never = !strcmp(line->words[1], "never");
	if (m->restart.never || strcmp(line->words[1], "always"))
		return m->restart.never && line->count == 2;
	for (unsigned i = 2; i < line->count; i += 2)
		if (i + 1 == line->count || !restart_option(&m->restart, line->words[i], line->words[i + 1]))
			return false;
	return true;
}

static bool do_script(struct manifest *m, const struct line *line)
{
	return line->count == 2 && line->words[1][0] == '/' &&
	       strlcpy(m->script, line->words[1], sizeof m->script) < sizeof m->script;
}

static const struct directive {
	const char *name;
	bool (*parse)(struct manifest *m, const struct line *line);
} directives[] = {
	{ "service", do_service },
	{ "priority", do_priority },
	{ "uses", do_uses },
	{ "hands", do_hands },
	{ "share", do_share },
	{ "preserved", do_preserved },
	{ "ports", do_ports },
	{ "irq", do_irq },
	{ "msi", do_msi },
	{ "dma", do_dma },
	{ "root", do_root },
	{ "quota", do_quota },
	{ "trace", do_trace },
	{ "file", do_file },
	{ "device", do_device },
	{ "class", do_class },
	{ "instance", do_instance },
	{ "node", do_node },
	{ "arguments", do_arguments },
	{ "restart", do_restart },
	{ "script", do_script },
	{ "manual", do_manual },
};

/* Cuts `text` in place; false if it has too many words. */
static bool split(char *text, char *copy, struct line *line)
{
	line->count = 0;
	line->rest = "";
	for (;;) {
		while (*text == ' ' || *text == '\t')
			text++, copy++;
		if (!*text)
			return true;
		if (line->count == WORDS)
			return false;
		if (line->count == 1)
			line->rest = copy;
		line->words[line->count++] = text;
		while (*text && *text != ' ' && *text != '\t')
			text++, copy++;
		if (*text)
			*text++ = 0, copy++;
	}
}

static bool parse_line(struct manifest *m, const char *text, size_t length)
{
	char buffer[LINE], copy[LINE];
	const char *comment = memchr(text, '#', length);
	struct line line;

	if (comment)
		length = (size_t)(comment - text);
	while (length && (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r'))
		length--;
	if (length >= LINE || memchr(text, 0, length))
		return false;
	memcpy(buffer, text, length);
	buffer[length] = 0;
	memcpy(copy, buffer, length + 1);
	if (!split(buffer, copy, &line))
		return false;
	if (!line.count)
		return true;
	if (!m->name[0] && strcmp(line.words[0], "service"))
		return false;
	for (size_t i = 0; i < sizeof directives / sizeof *directives; i++)
		if (!strcmp(line.words[0], directives[i].name))
			return directives[i].parse(m, &line);
	return false;
}

int manifest_parse(const char *text, size_t length, struct manifest *manifest)
{
	int number = 1;

	memset(manifest, 0, sizeof *manifest);
	manifest->priority = DEFAULT_PRIORITY;
	manifest->preserved_size = DEFAULT_PRESERVED;
	manifest->restart = (struct manifest_restart){ false, DEFAULT_DELAY_MS, LONGEST_DELAY_MS,
						       DEFAULT_CLEAN, DEFAULT_LIMIT };
	for (; length; number++) {
		const char *end = memchr(text, '\n', length);
		size_t line = end ? (size_t)(end - text) : length;

		if (!parse_line(manifest, text, line))
			return number;
		if (!end)
			break;
		text += line + 1;
		length -= line + 1;
	}
	return manifest->name[0] ? 0 : number;
}
