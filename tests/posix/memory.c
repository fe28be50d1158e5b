/* SPDX-License-Identifier: MIT */
/* mmap and its relatives, brk. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static sigjmp_buf escape;
static void escaping(int signal)
{
	siglongjmp(escape, signal);
}

static int touch(volatile char *at, int write)
{
	int signal = sigsetjmp(escape, 1);

	if (signal)
		return signal;
	if (write)
		*at = 1;
	else
		(void)*at;
	return 0;
}

static void test_anonymous(void)
{
	char *a = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK("anonymous", a != MAP_FAILED && a[0] == 0 && a[8192] == 0);
	a[4096] = 5;
	CHECK("mprotect",
	      mprotect(a + 4096, 4096, PROT_READ) == 0 && touch(a + 4096, 1) == SIGSEGV && a[4096] == 5);
	CHECK("protect_none", mprotect(a, 4096, PROT_NONE) == 0 && touch(a, 0) == SIGSEGV);
	CHECK("munmap_middle",
	      munmap(a + 4096, 4096) == 0 && touch(a + 4096, 0) == SIGSEGV && touch(a + 8192, 1) == 0);
	CHECK_ERROR("mprotect_hole", mprotect(a, 3 * 4096, PROT_READ), ENOMEM);
	CHECK("fixed",
	      mmap(a, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a);
	CHECK_ERROR("fixed_noreplace",
		    mmap(a, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
			    MAP_FAILED
			? -1
			: 0,
		    EEXIST);
	CHECK_ERROR("length_zero",
		    mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0,
		    EINVAL);
	CHECK_ERROR("no_type", mmap(NULL, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0,
		    EINVAL);
	CHECK_ERROR("bad_descriptor", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 77, 0) == MAP_FAILED ? -1 : 0,
		    EBADF);
	munmap(a, 3 * 4096);
}

static void test_remap(void)
{
	char *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *b;

	a[7] = 9;
	b = mremap(a, 4096, 64 * 4096, MREMAP_MAYMOVE);
	CHECK("mremap_grows", b != MAP_FAILED && b[7] == 9 && b[63 * 4096] == 0);
	CHECK("mremap_shrinks", mremap(b, 64 * 4096, 4096, 0) == b && touch(b + 4096, 0) == SIGSEGV);
	b[0] = 1;
	CHECK("dontneed", madvise(b, 4096, MADV_DONTNEED) == 0 && b[0] == 0);
	munmap(b, 4096);
}

static void test_file(void)
{
	int fd = open("file", O_CREAT | O_RDWR, 0644);
	char *shared, *private, byte;

	NEED(fd >= 0 && write(fd, "hello", 5) == 5);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK("file_mapped", shared != MAP_FAILED && private != MAP_FAILED);
	NEED(shared != MAP_FAILED && private != MAP_FAILED);
	CHECK("file_contents", !memcmp(shared, "hello", 5) && shared[5] == 0);
	shared[0] = 'J';
	CHECK("write_through_mapping", pread(fd, &byte, 1, 0) == 1 && byte == 'J');
	pwrite(fd, "i", 1, 1);
	CHECK("mapping_sees_write", shared[1] == 'i');
	private[0] = 'X';
	CHECK("private_stays_private", pread(fd, &byte, 1, 0) == 1 && byte == 'J' && shared[0] == 'J');
	CHECK("msync", msync(shared, 4096, MS_SYNC) == 0);
	munmap(private, 4096);
	private = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK("beyond_the_end", touch(private + 4096, 0) == SIGBUS);
	close(fd);
	CHECK("mapping_outlives_descriptor", shared[2] == 'l');
	munmap(shared, 4096);
	munmap(private, 3 * 4096);
	fd = open("file", O_RDONLY);
	CHECK_ERROR("shared_write_needs_right",
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
		    EACCES);
	close(fd);
}

/* musl's sbrk knows no break. */
static char *set_break(char *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void test_break(void)
{
	char *start = set_break(NULL);

	CHECK("break_moved", set_break(start + 10000) == start + 10000 && touch(start + 9999, 1) == 0);
	CHECK("break_refused", set_break((char *)1) == start + 10000);
	CHECK("break_back", set_break(start) == start && set_break(NULL) == start);
}

static void test_fork(void)
{
	char *private = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int status;

	memset(private, 'a', 1 << 20);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 1 << 20; i += 4096)
		private[i] = 'b';
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (int i = 0; i < 1 << 20; i += 4096)
		status |= private[i] != 'a';
	CHECK("copy_on_write", status == 0);
}

int main(void)
{
	check_enter_directory();
	signal(SIGSEGV, escaping);
	signal(SIGBUS, escaping);
	test_anonymous();
	test_remap();
	test_file();
	test_break();
	test_fork();
	return check_result();
}
