/* SPDX-License-Identifier: MIT */
/*
 * The boot archive and service binaries: a small archive made here, cut off and damaged everywhere.
 * SOURCES: servers/rs/archive.c servers/rs/elf.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "servers/rs/archive.h"
#include "servers/rs/elf.h"

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static char data[4096];
static size_t size;

static void add(const char *name, unsigned mode, const char *content)
{
	size += (size_t)sprintf(data + size, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
				1, mode, 0, 0, 1, 0, strlen(content), 0, 0, 0, 0, strlen(name) + 1, 0);
	memcpy(data + size, name, strlen(name) + 1);
	size = (size + strlen(name) + 1 + 3) & ~(size_t)3;
	memcpy(data + size, content, strlen(content));
	size = (size + strlen(content) + 3) & ~(size_t)3;
}

static void test_archive(void)
{
	struct archive archive;
	struct archive_file file;

	add(".", 040755, "");
	add("rs", 0100755, "first");
	add("./pm.manifest", 0100644, "service pm\n");
	add("TRAILER!!!", 0, "");
	archive = (struct archive){ data, size };
	REQUIRE(archive_read(&archive, 0, &file) && !strcmp(file.name, "rs") && file.size == 5);
	REQUIRE(archive_read(&archive, file.next, &file) && !strcmp(file.name, "pm.manifest"));
	REQUIRE(!archive_read(&archive, file.next, &file));
	REQUIRE(archive_find(&archive, "pm.manifest", &file) && !memcmp(file.data, "service", 7));
	REQUIRE(!archive_find(&archive, ".", &file) && !archive_find(&archive, "none", &file));
}

/* Copies of exactly the right length, so that the sanitiser sees every byte beyond. */
static void test_damaged_archive(void)
{
	struct archive_file file;

	srand(2);
	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)rand() % (size + 1);
		char *copy = malloc(length ? length : 1);
		struct archive archive = { copy, length };

		memcpy(copy, data, length);
		for (int i = length ? rand() % 6 : 0; i > 0; i--)
			copy[(size_t)rand() % length] = (char)(rand() % 2 ? 'f' : rand());
		for (size_t at = 0; archive_read(&archive, at, &file); at = file.next)
			REQUIRE(file.data + file.size <= copy + length);
		free(copy);
	}
}

static void test_elf(const char *own)
{
	static char program[1 << 16];
	struct elf_image image;
	FILE *stream = fopen(own, "rb");
	size_t length = stream ? fread(program, 1, sizeof program, stream) : 0;

	REQUIRE(length > 64);
	fclose(stream);
	program[16] = 2; /* this test is position-independent, services are not */
	elf_read(program, length, &image);
	for (int round = 0; round < 20000; round++) {
		char saved = program[round % 512];

		program[round % 512] = (char)rand();
		if (elf_read(program, length, &image))
			for (unsigned i = 0; i < image.count; i++)
				REQUIRE(image.segments[i].offset + image.segments[i].file_size <= length);
		program[round % 512] = saved;
	}
	REQUIRE(!elf_read(program, 63, &image));
}

int main(int argc, char **argv)
{
	(void)argc;
	test_archive();
	test_damaged_archive();
	test_elf(argv[0]);
	return 0;
}
