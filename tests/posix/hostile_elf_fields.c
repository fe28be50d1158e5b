/* SPDX-License-Identifier: MIT */
/* TEST: timeout=240 stock */
/*
 * Every field of a program's headers, each with every boundary value: for a program at a fixed address, one that is
 * position-independent, and one that is the interpreter of another. Linux's answers are the wanted ones.
 *
 *     hostile_elf_fields all      what comes of each, in the form of the table below
 */
#define _GNU_SOURCE
#include <stdbool.h>

#include "elf_image.h"

enum kind { KIND_EXEC, KIND_PIE, KIND_INTERPRETER, KINDS };
static const char *const kind_names[KINDS] = { "fixed", "independent", "interpreter" };

/* Those that a field of `size` bytes can hold; `good` is what it holds in the good image. */
#define VALUES 24
static unsigned values_of(uint64_t good, unsigned size, uint64_t values[VALUES])
{
	const uint64_t all[VALUES] = {
		0,
		1,
		2,
		3,
		good - 1,
		good + 1,
		0x7f,
		0x80,
		0xff,
		4095,
		4096,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		1ull << 40,
		0x7ffffffff000,
		0x800000000000,
		1ull << 62,
		INT64_MAX,
		1ull << 63,
		UINT64_MAX - 4095,
	};
	unsigned count = 0;

	for (unsigned i = 0; i < VALUES; i++)
		if (size == 8 || all[i] >> (8 * size) == 0)
			values[count++] = all[i];
	return count;
}

/*
 * What comes of it: n ENOEXEC, i EINVAL, m ENOMEM, l ELIBBAD, e EIO, a EACCES, k killed, r ran, x anything else. Wanted are
 * besides: ? refused or killed (Linux does not find it before there is no way back), w ran, here EACCES, since memory
 * is not writable and executable, and * where Linux is less strict or depends on the memory that there is: no x.
 */
struct field {
	const char *name;
	size_t at;
	unsigned size;
	const char *wanted[KINDS];
};
#define HEADER(field) #field, offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define SEGMENT(field)                                                          \
#field, offsetof(struct image, segments) + offsetof(Elf64_Phdr, field), \
	    sizeof(((Elf64_Phdr *)0)->field)

static const struct field fields[] = {
	{ "magic", 0, 1, { "nnnnnnrnn", "nnnnnnrnn", "llllllrll" } },
	{ "class", EI_CLASS, 1, { "**r******", "**r******", "**r******" } },
	{ "data", EI_DATA, 1, { "*r*******", "*r*******", "*r*******" } },
	{ "version", EI_VERSION, 1, { "*r*******", "*r*******", "*r*******" } },
	{ "abi", EI_OSABI, 1, { "rrrrrrrr", "rrrrrrrr", "rrrrrrrr" } },
	{ HEADER(e_type), { "nnrrnrnnnnnnnn", "nn*r*nnnnnnnnn", "??*r*?????????" } },
	{ HEADER(e_machine), { "nnnnnnnnnnnnnn", "nnnnnnnnnnnnnn", "llllllllllllll" } },
	{ HEADER(e_version), { "rrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrr" } },
	{ HEADER(e_entry),
	  { "????????????????????????", "??????????r?????????????", "??????????r?????????????" } },
	{ HEADER(e_phoff),
	  { "???????????nnnnnnnnnnnnn", "???????????nnnnnnnnnnnnn", "???????????lllllllllllll" } },
	{ HEADER(e_shoff),
	  { "rrrrrrrrrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrrrrrr" } },
	{ HEADER(e_flags), { "rrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrr" } },
	{ HEADER(e_ehsize), { "rrrrrrrrrrrrrr", "rrrrrrrrrrrrrr", "rrrrrrrrrrrrrr" } },
	{ HEADER(e_phentsize), { "nnnnnnnnnnnnnn", "nnnnnnnnnnnnnn", "llllllllllllll" } },
	{ HEADER(e_phnum), { "nrrrnr**nnnnnn", "nrrrnr**nnnnnn", "lrrrlr**llllll" } },
	{ SEGMENT(p_type), { "?r?n?????????????", "?r?n?????????????", "?r???????????????" } },
	{ SEGMENT(p_flags), { "?r?w??w?ww?w?ww?w", "?r?w??w?ww?w?ww?w", "?r?w??w?ww?w?ww?w" } },
	{ SEGMENT(p_offset),
	  { "r???????????????????????", "r???????????????????????", "r???????????????????????" } },
	{ SEGMENT(p_vaddr),
	  { "????????????????????????", "r???????????????????????", "r???????????????????????" } },
	{ SEGMENT(p_paddr),
	  { "rrrrrrrrrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrrrrrr" } },
	{ SEGMENT(p_filesz),
	  { "????r???????????????????", "????r???????????????????", "????r???????????????????" } },
	{ SEGMENT(p_memsz),
	  { "?????r?????*******??????", "?????r?????*******??????", "?????r?????*******??????" } },
	{ SEGMENT(p_align),
	  { "rrrrrrrrrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrrrrrr" } },
};
#define FIELDS (sizeof fields / sizeof *fields)

/* A program that names ./program as its interpreter. */
static void write_user(void)
{
	static struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
		char name[16];
	} user;

	good_image();
	user.header = image.header;
	user.header.e_phnum = 2;
	user.segments[1] = image.segments[0];
	user.segments[1].p_filesz = user.segments[1].p_memsz = sizeof user;
	user.segments[0] = (Elf64_Phdr){
		.p_type = PT_INTERP,
		.p_flags = PF_R,
		.p_offset = (size_t)((char *)user.name - (char *)&user),
		.p_filesz = sizeof "./program",
		.p_memsz = sizeof "./program",
	};
	strcpy(user.name, "./program");
	write_file("user", &user, sizeof user, 0700);
}

static void image_of(enum kind kind)
{
	good_image();
	if (kind == KIND_EXEC)
		return;
	image.header.e_type = ET_DYN;
	image.header.e_entry = 4096;
	image.segments[0].p_vaddr = 0;
}

static char letter_of(int outcome)
{
	switch (outcome) {
	case ENOEXEC: return 'n';
	case EINVAL: return 'i';
	case ENOMEM: return 'm';
	case ELIBBAD: return 'l';
	case EIO: return 'e';
	case EACCES: return 'a';
	case STATUS(42): return 'r';
	}
	return outcome > 0x10000 && WIFSIGNALED(outcome - 0x10000) ? 'k' : 'x';
}

static bool as_wanted(char got, char wanted)
{
	switch (wanted) {
	case '?': return got != 'r' && got != 'x' && got != 'a';
	case '*': return got != 'x' && got != 'a';
	case 'w': return got == (on_anole() ? 'a' : 'r');
	}
	return got == wanted;
}

/* One field of one kind of image with each value. */
static unsigned try_field(enum kind kind, const struct field *field, bool tell)
{
	const char *wanted = field->wanted[kind];
	uint64_t values[VALUES], good = 0;
	unsigned count, wrong = 0;
	char got[VALUES + 1] = "";

	image_of(kind);
	memcpy(&good, (char *)&image + field->at, field->size);
	count = values_of(good, field->size, values);
	for (unsigned i = 0; i < count; i++) {
		image_of(kind);
		memcpy((char *)&image + field->at, &values[i], field->size);
		write_image();
		got[i] = letter_of(run_plain(kind == KIND_INTERPRETER ? "./user" : "./program"));
		if (tell || (i < strlen(wanted) && as_wanted(got[i], wanted[i])))
			continue;
		wrong++;
		printf("# %s, %s %#lx: %c instead of %c\n", kind_names[kind], field->name, values[i], got[i],
		       wanted[i]);
	}
	if (tell)
		printf("%s %s %s\n", kind_names[kind], field->name, got);
	return wrong;
}

int main(int argc, char **argv)
{
	bool tell = argc > 1 && !strcmp(argv[1], "all");

	hostile_setup();
	services_now(services_before);
	check_enter_directory();
	write_user();
	for (enum kind kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < FIELDS; i++) {
			unsigned wrong = try_field(kind, &fields[i], tell);
			char name[64];

			snprintf(name, sizeof name, "%s: %s", kind_names[kind], fields[i].name);
			if (!tell)
				CHECK(name, wrong == 0);
		}
	check_system("bad programs");
	return check_result();
}
