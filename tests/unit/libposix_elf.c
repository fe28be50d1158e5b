/* SPDX-License-Identifier: MIT */
/*
 * What the loader accepts: headers and script lines, good, bad and random.
 *
 * SOURCES: libposix/elf_check.c
 */
#include "libposix/elf.h"

#include <abi/errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                               \
		}                                                              \
	} while (0)

static struct elf_header good_header(void)
{
	return (struct elf_header){
		.ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
		.type = ELF_EXEC,
		.machine = ELF_X86_64,
		.program_size = 56,
		.program_count = 2,
	};
}

static void test_header(void)
{
	struct elf_header header = good_header();

	TEST(elf_check_header(&header) == 0);
	header.ident[4] = 1;
	TEST(elf_check_header(&header) == -ENOEXEC);
	header = good_header();
	header.program_count = 65;
	TEST(elf_check_header(&header) == -ENOEXEC);
	header.program_count = 0;
	TEST(elf_check_header(&header) == -ENOEXEC);
	header = good_header();
	header.type = 1;
	TEST(elf_check_header(&header) == -ENOEXEC);
	header = good_header();
	header.program_size = 55;
	TEST(elf_check_header(&header) == -ENOEXEC);
}

static struct elf_program segment(uint64_t address, uint64_t offset, uint64_t file_size, uint64_t memory_size)
{
	return (struct elf_program){
		.type = PT_LOAD,
		.address = address,
		.offset = offset,
		.file_size = file_size,
		.memory_size = memory_size,
	};
}

static long check(struct elf_program a, struct elf_program b)
{
	struct elf_header header = good_header();
	struct elf_program programs[2] = { a, b };
	uint64_t low, high;

	return elf_check_segments(&header, programs, 0x10000, &low, &high);
}

static void test_segments(void)
{
	struct elf_program text = segment(0x400000, 0, 0x1234, 0x1234), none = { .type = 4 };
	struct elf_header header = good_header();
	struct elf_program programs[2] = { text, segment(0x402234, 0x1234, 0x10, 0x5000) };
	uint64_t low, high;

	TEST(elf_check_segments(&header, programs, 0x10000, &low, &high) == 0);
	TEST(low == 0x400000 && high == 0x408000);
	TEST(check(text, none) == 0 && check(none, none) == -ENOEXEC);
	TEST(check(text, text) == -ENOEXEC);
	TEST(check(text, segment(0x401800, 0x800, 1, 1)) == -ENOEXEC);  /* the same page */
	TEST(check(text, segment(0x402001, 0x1002, 1, 1)) == -ENOEXEC); /* not congruent */
	TEST(check(text, segment(0x402000, 0, 2, 1)) == -ENOEXEC);
	TEST(check(text, segment(0x402000, 0xf000, 0x1001, 0x1001)) == -ENOEXEC);
	TEST(check(text, segment(0x402000, ~0xfffull, 0x2000, 0x2000)) == -ENOEXEC);
	TEST(check(text, segment(0x402000, 0, 0, ~0ull)) == -ENOEXEC);
	TEST(check(text, segment(ELF_ADDRESS_LIMIT, 0, 1, 1)) == -ENOEXEC);
	TEST(check(segment(0x1000, 0, 1, 1), none) == -ENOEXEC);
}

static long parse(const char *text, size_t length, char **interpreter, char **argument)
{
	static char buffer[256];

	memcpy(buffer, text, length);
	return script_parse(buffer, length, interpreter, argument);
}

#define PARSE(text) parse(text, sizeof(text) - 1, &interpreter, &argument)

static void test_scripts(void)
{
	char *interpreter, *argument;

	TEST(PARSE("#!/bin/sh\n") == 0 && !strcmp(interpreter, "/bin/sh") && !argument);
	TEST(PARSE("#! \t/bin/sh -e x \t\nrest") == 0 && !strcmp(interpreter, "/bin/sh") &&
	     !strcmp(argument, "-e x"));
	TEST(PARSE("#!/bin/sh") == 0 && !strcmp(interpreter, "/bin/sh") && !argument);
	TEST(PARSE("#!\n") == -ENOEXEC && PARSE("#!  \n") == -ENOEXEC);
	TEST(PARSE("#/bin/sh\n") == -ENOEXEC && PARSE("#") == -ENOEXEC);
	TEST(PARSE("#!") == 0 && !*interpreter);
}

static void test_random(void)
{
	unsigned seed = 1;

	for (int i = 0; i < 200000; i++) {
		struct elf_header header = good_header();
		struct elf_program programs[2];
		char text[SCRIPT_HEAD], *interpreter, *argument;
		uint64_t low = 0, high = 0;

		for (size_t k = 0; k < sizeof(programs); k++)
			((uint8_t *)programs)[k] = rand_r(&seed) & 1 ? 0 : (uint8_t)rand_r(&seed);
		programs[0].type = PT_LOAD;
		if (!elf_check_segments(&header, programs, 1 << 20, &low, &high))
			TEST(low < high && high <= ELF_ADDRESS_LIMIT + 4096 &&
			     programs[0].file_size <= 1 << 20);
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = "#!/ \t\na\0"[rand_r(&seed) & 7];
		text[0] = '#', text[1] = '!';
		script_parse(text, sizeof(text), &interpreter, &argument);
	}
}

int main(void)
{
	test_header();
	test_segments();
	test_scripts();
	test_random();
	puts("ok libposix_elf");
	return 0;
}
