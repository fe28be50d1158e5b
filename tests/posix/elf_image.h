/* SPDX-License-Identifier: MIT */
/* A small program as bytes to be changed, and what becomes of it when it is executed. */
#ifndef TESTS_POSIX_ELF_IMAGE_H
#define TESTS_POSIX_ELF_IMAGE_H

#include <elf.h>
#include <stddef.h>

#include "hostile.h"

#define BASE 0x10000000ul
#define FILE_SIZE 8192u

/* mov $60, %eax; mov $42, %edi; syscall */
static const uint8_t code[] = { 0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05 };

static struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segments[4];
	char interpreter[64];
} image;
static size_t image_size;

/* A program that ends with status 42. */
static inline void good_image(void)
{
	memset(&image, 0, sizeof image);
	memcpy(image.header.e_ident, ELFMAG, SELFMAG);
	image.header.e_ident[EI_CLASS] = ELFCLASS64;
	image.header.e_ident[EI_DATA] = ELFDATA2LSB;
	image.header.e_ident[EI_VERSION] = EV_CURRENT;
	image.header.e_type = ET_EXEC;
	image.header.e_machine = EM_X86_64;
	image.header.e_version = EV_CURRENT;
	image.header.e_entry = BASE + 4096;
	image.header.e_phoff = offsetof(struct image, segments);
	image.header.e_ehsize = sizeof(Elf64_Ehdr);
	image.header.e_phentsize = sizeof(Elf64_Phdr);
	image.header.e_phnum = 1;
	image.segments[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = BASE,
		.p_filesz = FILE_SIZE,
		.p_memsz = FILE_SIZE,
		.p_align = 4096,
	};
	image_size = FILE_SIZE;
}

static inline void write_file(const char *path, const void *content, size_t length, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);
	NEED(fd >= 0 && write(fd, content, length) == (ssize_t)length && fchmod(fd, mode) == 0);
	close(fd);
}

static void write_image(void)
{
	static uint8_t bytes[FILE_SIZE];

	memset(bytes, 0, sizeof bytes);
	memcpy(bytes, &image, sizeof image);
	memcpy(bytes + 4096, code, sizeof code);
	write_file("program", bytes, image_size, 0700);
}

/* What became of it: the errno of execve, or the wait status + 0x10000. */
static inline int run(const char *path, char *const argv[], char *const envp[])
{
	int ends[2], error = 0, status = 0;
	pid_t pid;

	NEED(pipe2(ends, O_CLOEXEC) == 0);
	fflush(stdout);
	pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		alarm(20);
		execve(path, argv, envp);
		error = errno;
		if (write(ends[1], &error, sizeof error) != sizeof error)
			_exit(98);
		_exit(97);
	}
	close(ends[1]);
	if (read(ends[0], &error, sizeof error) != sizeof error)
		error = 0;
	close(ends[0]);
	NEED(waitpid(pid, &status, 0) == pid);
	return error ? error : status + 0x10000;
}

static char *plain[] = { "program", NULL };

static int run_plain(const char *path)
{
	return run(path, plain, plain + 1);
}

#define STATUS(n) (0x10000 + ((n) << 8))
#define SIGNALLED(n) (0x10000 + (n))

#endif
