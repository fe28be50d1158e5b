/* SPDX-License-Identifier: MIT */
/* TEST: stock */
/* RLIMIT_DATA and RLIMIT_STACK: what they bound, and what they do not. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define MIB (1ul << 20)

static void limit(int what, unsigned long soft)
{
	struct rlimit both;

	NEED(getrlimit(what, &both) == 0);
	both.rlim_cur = soft;
	NEED(setrlimit(what, &both) == 0);
}

static unsigned dig(unsigned pages);
static unsigned (*volatile deeper)(unsigned) = dig; /* not a loop, whatever the compiler thinks of it */

/* Uses so much stack, a page at a time. */
static unsigned dig(unsigned pages)
{
	volatile char page[4096];

	page[0] = (char)pages;
	return pages ? deeper(pages - 1) + (page[0] != (char)pages) : 0;
}

/* How a child ends that has this limit and uses so much. */
static int digs(unsigned long soft, unsigned long use)
{
	int status;
	pid_t pid = fork();

	NEED(pid >= 0);
	if (pid == 0) {
		limit(RLIMIT_STACK, soft);
		_exit(dig((unsigned)(use / 4200)) ? 1 : 0);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	return status;
}

static int killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void stacks(void)
{
	CHECK("stack within eight megabytes", digs(8 * MIB, 7 * MIB) == 0);
	CHECK("stack beyond", killed(digs(8 * MIB, 9 * MIB)));
	CHECK("stack a smaller one", killed(digs(2 * MIB, 3 * MIB)) && digs(2 * MIB, 1 * MIB) == 0);
	CHECK("stack a larger one", digs(32 * MIB, 28 * MIB) == 0 && killed(digs(32 * MIB, 36 * MIB)));
	CHECK("stack any size", digs(RLIM_INFINITY, 60 * MIB) == 0);
}

static void *map(size_t size, int prot, int flags)
{
	return mmap(NULL, size, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static void data(void)
{
	void *one, *two;
	uint64_t before;

	limit(RLIMIT_DATA, 16 * MIB);
	CHECK_ERROR("data too much",
		    map(20 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) == MAP_FAILED ? -1 : 0, ENOMEM);
	one = map(8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	CHECK("data a part", one != MAP_FAILED);
	CHECK_ERROR("data the rest is less",
		    map(12 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) == MAP_FAILED ? -1 : 0, ENOMEM);
	two = map(64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
	CHECK("data shared memory is none", two != MAP_FAILED && munmap(two, 64 * MIB) == 0);
	two = map(64 * MIB, PROT_READ, MAP_PRIVATE);
	CHECK("data nor what is only read", two != MAP_FAILED);
	CHECK_ERROR("data until it may be written", mprotect(two, 64 * MIB, PROT_READ | PROT_WRITE), ENOMEM);
	CHECK("data as far as there is room", mprotect(two, 2 * MIB, PROT_READ | PROT_WRITE) == 0);
	CHECK("data and back", mprotect(two, 2 * MIB, PROT_READ) == 0 && munmap(two, 64 * MIB) == 0);
	CHECK("data growing",
	      mremap(one, 8 * MIB, 20 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	before = (uint64_t)syscall(SYS_brk, 0);
	CHECK("data the break", (uint64_t)syscall(SYS_brk, before + 20 * MIB) == before);
	CHECK("data what is given back is there again",
	      munmap(one, 8 * MIB) == 0 &&
		  (one = map(12 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE)) != MAP_FAILED);
	munmap(one, 12 * MIB);
}

/* A child has its parent's, and counts as it does. */
static void inherited(void)
{
	int status;
	pid_t pid = fork();

	NEED(pid >= 0);
	if (pid == 0)
		_exit(map(20 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) == MAP_FAILED &&
			      map(8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) != MAP_FAILED
			  ? 0
			  : 1);
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK("data a child's", status == 0);
}

int main(void)
{
	stacks();
	data();
	inherited();
	return check_result();
}
