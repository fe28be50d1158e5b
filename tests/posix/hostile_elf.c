/* SPDX-License-Identifier: MIT */
/* TEST: timeout=120 stock */
/* Programs and scripts that are none: execve refuses them as Linux does, or the process dies of it alone. */
#define _GNU_SOURCE
#include "elf_image.h"

static void expect(const char *name, int outcome, int wanted)
{
	if (outcome != wanted)
		printf("# %s: %#x instead of %#x\n", name, outcome, wanted);
	CHECK(name, outcome == wanted);
}

/* --- headers ------------------------------------------------------------------------------------- */

/* Change one field of the good image and say what execve answers. */
#define BROKEN(name, change, wanted)                          \
	do {                                                  \
		good_image();                                 \
		change;                                       \
		write_image();                                \
		expect(name, run_plain("./program"), wanted); \
	} while (0)

static void check_headers(void)
{
	BROKEN("a good program", (void)0, STATUS(42));
	BROKEN("empty file", image_size = 0, ENOEXEC);
	BROKEN("one byte", image_size = 1, ENOEXEC);
	BROKEN("magic only", image_size = 4, ENOEXEC);
	BROKEN("half a header", image_size = 40, ENOEXEC);
	BROKEN("header only", image_size = 64, ENOEXEC);
	BROKEN("bad magic", image.header.e_ident[0] = 0, ENOEXEC);
	BROKEN("another machine", image.header.e_machine = EM_AARCH64, ENOEXEC);
	BROKEN("object file", image.header.e_type = ET_REL, ENOEXEC);
	BROKEN("core file", image.header.e_type = ET_CORE, ENOEXEC);
	BROKEN("no segments", image.header.e_phnum = 0, ENOEXEC);
	BROKEN("too many segments", image.header.e_phnum = 65535, ENOEXEC);
	BROKEN("segments of another size", image.header.e_phentsize = 32, ENOEXEC);
}

/* Linux tells these errors differently in its versions; none may run, and nobody else be hurt. */
static int refused_or_killed(int outcome)
{
	return outcome < 0x10000 || WIFSIGNALED(outcome - 0x10000);
}

#define HARMLESS(name, change)                                 \
	do {                                                   \
		int outcome_;                                  \
		good_image();                                  \
		change;                                        \
		write_image();                                 \
		outcome_ = run_plain("./program");             \
		if (!refused_or_killed(outcome_))              \
			printf("# %s: %#x\n", name, outcome_); \
		CHECK(name, refused_or_killed(outcome_));      \
	} while (0)

static void check_segments(void)
{
	HARMLESS("segment table beyond the file", image.header.e_phoff = 1ull << 40);
	HARMLESS("segment table at the end of numbers", image.header.e_phoff = ~0ull - 8);
	HARMLESS("segment in the kernel", image.segments[0].p_vaddr = 0xffff800000000000);
	HARMLESS("segment at the top of user space", image.segments[0].p_vaddr = 0x7ffffffff000);
	HARMLESS("segment that wraps",
		 (image.segments[0].p_vaddr = ~0ull - 4095, image.segments[0].p_memsz = 1 << 20));
	HARMLESS("segment larger than the space", image.segments[0].p_memsz = 1ull << 47);
	HARMLESS("segment larger than anything", image.segments[0].p_memsz = ~0ull);
	HARMLESS("more file than memory", image.segments[0].p_memsz = 1);
	HARMLESS("more file than there is",
		 (image.segments[0].p_filesz = 1ull << 62, image.segments[0].p_memsz = 1ull << 62));
	HARMLESS("unaligned offset", image.segments[0].p_offset = 100);
	HARMLESS("huge offset", image.segments[0].p_offset = ~0ull << 12);
	HARMLESS("entry nowhere", image.header.e_entry = 0x1234567000);
	HARMLESS("entry in the kernel", image.header.e_entry = 0xffffffff80000000);
	HARMLESS("entry not canonical", image.header.e_entry = 1ull << 50);
	HARMLESS("not executable", image.segments[0].p_flags = PF_R);
	HARMLESS("truncated", image_size = 4096);
	HARMLESS("only bss where the code should be", image.segments[0].p_filesz = 0);
}

static void set_interpreter(const char *path, size_t length)
{
	image.header.e_phnum = 2;
	image.segments[1] = image.segments[0];
	image.segments[0] = (Elf64_Phdr){
		.p_type = PT_INTERP,
		.p_flags = PF_R,
		.p_offset = offsetof(struct image, interpreter),
		.p_filesz = length,
		.p_memsz = length,
	};
	strcpy(image.interpreter, path);
}

#define INTERPRETER(path) set_interpreter(path, sizeof(path))

static void check_interpreters(void)
{
	BROKEN("interpreter that is not there", INTERPRETER("/no/such/loader"), ENOENT);
	BROKEN("interpreter without a name", set_interpreter("", 1), ENOEXEC);
	BROKEN("interpreter without an end", set_interpreter("/bin/sh", 3), ENOEXEC);
	BROKEN("interpreter with a huge name", set_interpreter("/bin/sh", 1 << 20), ENOEXEC);
	BROKEN("interpreter that is a directory", INTERPRETER("/tmp"), EACCES);
	write_file("text",
		   "just text, and long enough to be looked at as a header of a program: more than 64 bytes",
		   88, 0700);
	HARMLESS("interpreter that is no program", INTERPRETER("./text"));
	BROKEN("interpreter at a wild offset",
	       (INTERPRETER("/bin/sh"), image.segments[0].p_offset = ~0ull << 12), EINVAL);
}

/* --- scripts and paths --------------------------------------------------------------------------------- */

#define SCRIPT(name, text, wanted)                                  \
	do {                                                        \
		write_file("script", text, sizeof(text) - 1, 0700); \
		expect(name, run_plain("./script"), wanted);        \
	} while (0)

static void long_script(void)
{
	static char text[5000];

	memset(text, 'a', sizeof text);
	memcpy(text, "#!/", 3);
	write_file("script", text, sizeof text, 0700);
	expect("script with an endless first line", run_plain("./script"), ENOEXEC);
	memset(text + 2, ' ', sizeof text - 2);
	write_file("script", text, sizeof text, 0700);
	expect("script of blanks", run_plain("./script"), ENOEXEC);
}

static void check_scripts(void)
{
	SCRIPT("a good script", "#!/bin/sh\nexit 42\n", STATUS(42));
	SCRIPT("script with blanks and an argument", "#! \t /bin/sh  -e\nfalse\nexit 42\n", STATUS(1));
	SCRIPT("script without an interpreter", "#!\n", ENOEXEC);
	write_file("script", "#!", 2, 0700);
	CHECK("script of two bytes", refused_or_killed(run_plain("./script")));
	SCRIPT("script whose interpreter is not there", "#!/no/such/shell\n", ENOENT);
	SCRIPT("script whose interpreter is a directory", "#!/tmp\n", EACCES);
	SCRIPT("script that is its own interpreter", "#!./script\n", ELOOP);
	SCRIPT("text without a first line for it", "echo this is text\n", ENOEXEC);
	long_script();
}

static void check_paths(void)
{
	static char long_name[5000];
	char **volatile nowhere = (char **)8;
	char **wild = nowhere;

	good_image();
	write_image();
	memset(long_name, 'n', sizeof long_name - 1);
	expect("no path", run_plain(""), ENOENT);
	expect("no such file", run_plain("./missing"), ENOENT);
	expect("below a file", run_plain("./program/x"), ENOTDIR);
	expect("a directory", run_plain("/tmp"), EACCES);
	expect("a path too long", run_plain(long_name), ENAMETOOLONG);
	expect("a bad pointer", run_plain((char *)8), EFAULT);
	expect("a device", run_plain("/dev/null"), EACCES);
	expect("bad argv", run("./program", wild, plain + 1), EFAULT);
	expect("bad argument", run("./program", (char *[]){ "a", (char *)8, NULL }, plain + 1), EFAULT);
	expect("bad environment", run("./program", plain, (char *[]){ (char *)0x800000000000, NULL }),
	       EFAULT);
	chmod("program", 0600);
	expect("without permission to execute", run_plain("./program"), EACCES);
	chmod("program", 0700);
	NEED(symlink("loop", "loop") == 0);
	expect("a loop of links", run_plain("./loop"), ELOOP);
}

/* --- arguments ------------------------------------------------------------------------------------------ */

static void check_sizes(void)
{
	static char big[3 << 20];
	static char *many[300000];

	good_image();
	write_image();
	memset(big, 'b', sizeof big - 1);
	expect("one argument of 3 MiB", run("./program", (char *[]){ big, NULL }, plain + 1), E2BIG);
	expect("an environment of 3 MiB", run("./program", plain, (char *[]){ big, NULL }), E2BIG);
	big[200000] = 0;
	expect("one argument above 128 KiB", run("./program", (char *[]){ big, NULL }, plain + 1), E2BIG);
	big[100000] = 0;
	expect("one argument of 100 kB", run("./program", (char *[]){ big, NULL }, plain + 1), STATUS(42));
	for (unsigned i = 0; i < 299999; i++)
		many[i] = "0123456789abcdef";
	expect("300000 arguments", run("./program", many, plain + 1), E2BIG);
	many[4000] = NULL;
	expect("4000 arguments", run("./program", many, plain + 1), STATUS(42));
}

/* Bits turned in a good program. */
static void check_noise(void)
{
	unsigned refused = 0, died = 0, ran = 0;

	hostile_state = hostile_seed;
	for (unsigned i = 0; i < 150; i++) {
		uint8_t *bytes = (uint8_t *)&image;
		int outcome;

		good_image();
		for (unsigned n = 0; n <= i % 4; n++)
			bytes[4 + random_below(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) - 4)] =
			    (uint8_t)random_word();
		write_image();
		outcome = run_plain("./program");
		refused += outcome < 0x10000;
		died += outcome > 0x10000 && WIFSIGNALED(outcome - 0x10000);
		ran += outcome == STATUS(42);
	}
	printf("# noise: %u refused, %u died, %u ran\n", refused, died, ran);
	CHECK("noise", refused + died + ran == 150);
}

int main(void)
{
	hostile_setup();
	services_now(services_before);
	check_enter_directory();
	check_headers();
	check_segments();
	check_interpreters();
	check_scripts();
	check_paths();
	check_sizes();
	check_noise();
	check_system("bad programs");
	return check_result();
}
