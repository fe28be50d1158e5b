/* SPDX-License-Identifier: MIT */
/* TEST: timeout=180 */
/* Memory runs out: ENOMEM where it is asked for, or the end of who takes it; others go on, and it comes back. */
#define _GNU_SOURCE
#include <sys/sysinfo.h>

#include "hostile.h"

#define MIB (1ul << 20)

static unsigned long free_mib(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : info.freeram * (unsigned long)(info.mem_unit ? info.mem_unit : 1) / MIB;
}

/* Pages touched until a mapping fails or the touch kills; status 3: it failed. */
static void hog(volatile unsigned *mib)
{
	for (;;) {
		char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			_exit(errno == ENOMEM ? 3 : 4);
		for (size_t at = 0; at < MIB; at += 4096)
			memory[at] = 1;
		++*mib;
	}
}

static void check_hog(void)
{
	volatile unsigned *mib = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long before = free_mib(), after;
	int status = -1;
	pid_t pid;

	NEED(mib != MAP_FAILED);
	if (before > 1500) {
		printf("# %lu MiB are too much to use up\n", before);
		return;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		hog(mib);
	CHECK("the hog ends", pid > 0 && waitpid(pid, &status, 0) == pid);
	printf("# %lu MiB free, %u MiB taken, wait status %#x\n", before, *mib, status);
	CHECK("by ENOMEM or a signal",
	      (WIFEXITED(status) && WEXITSTATUS(status) == 3) ||
		  (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGBUS ||
					   WTERMSIG(status) == SIGSEGV)));
	CHECK("it had most of the memory", *mib + 64 > before / 2);
	sleep_ms(300);
	after = free_mib();
	printf("# %lu MiB free afterwards\n", after);
	CHECK("the memory is back", after + 16 >= before);
}

/* While memory is short, another process gets ENOMEM at worst. */
static void check_beside(void)
{
	unsigned good = 0, refused = 0;
	volatile unsigned *mib = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	NEED(mib != MAP_FAILED);
	if (free_mib() > 1500)
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		hog(mib);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		int ends[2];

		if (pipe(ends) == 0) {
			good++;
			close(ends[0]);
			close(ends[1]);
		} else {
			refused += errno == ENOMEM || errno == ENFILE || errno == EMFILE;
		}
		sleep_ms(5);
	}
	printf("# beside it: %u calls good, %u refused\n", good, refused);
	CHECK("others go on beside a hog", good > 0);
}

/* Takes what there is without ever being refused, and then only sits there. */
static void sitter(volatile unsigned *mib)
{
	while (free_mib() > 6 && *mib < 4000) {
		mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		++*mib;
	}
	*mib = 0;
	for (;;)
		pause();
}

static int touch(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, size);
	return 0;
}

/* Who asks for a little when all is gone is not the one to be killed. */
static void check_victim(void)
{
	volatile unsigned *mib = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -1, mine = -1;
	pid_t hog, pid;

	NEED(mib != MAP_FAILED);
	if (free_mib() > 1500)
		return;
	*mib = 1;
	fflush(stdout);
	hog = fork();
	if (hog == 0)
		sitter(mib);
	while (*mib)
		sleep_ms(5);
	pid = fork();
	if (pid == 0)
		_exit(touch(24 * MIB));
	CHECK("a small process gets its memory", pid > 0 && waitpid(pid, &mine, 0) == pid && mine == 0);
	CHECK("programs can be started", program_works());
	kill(hog, SIGTERM);
	CHECK("the large one was killed",
	      waitpid(hog, &status, 0) == hog && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	munmap((void *)mib, 4096);
}

static void check_absurd(void)
{
	void *const failed = MAP_FAILED;

	CHECK("a mapping larger than the space",
	      mmap(NULL, 1ul << 48, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == failed &&
		  errno == ENOMEM);
	CHECK("a mapping of all numbers",
	      mmap(NULL, ~0ul - 4095, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == failed &&
		  errno == ENOMEM);
	CHECK("a mapping of nothing",
	      mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == failed && errno == EINVAL);
	CHECK("malloc of too much", malloc(1ul << 46) == NULL && errno == ENOMEM);
	CHECK("sbrk of too much", sbrk(1l << 45) == (void *)-1 && errno == ENOMEM);
	CHECK("a good mapping afterwards",
	      mmap(NULL, MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != failed);
}

/* Many mappings, every second one taken away again. */
static void check_many_mappings(void)
{
	unsigned made = 0;
	char *base = mmap(NULL, 20000 * 4096ul, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return;
	for (unsigned i = 0; i < 20000; i += 2)
		made += mprotect(base + i * 4096ul, 4096, PROT_READ) == 0;
	printf("# %u mappings\n", made);
	CHECK("many mappings", made > 500);
	CHECK("all go at once", munmap(base, 20000 * 4096ul) == 0);
}

/* fork shares what it cannot copy at once; the copies run out later, in the child. */
static void check_copies(void)
{
	unsigned long size = free_mib() / 2 * MIB + 32 * MIB;
	char *memory;
	int status = -1;
	pid_t pid;

	if (free_mib() > 1500)
		return;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (size_t at = 0; at < size; at += 4096)
			memory[at] = 2;
		_exit(0);
	}
	CHECK("a child that copies more than there is",
	      pid < 0 ? errno == ENOMEM || errno == EAGAIN : waitpid(pid, &status, 0) == pid && status != 0);
	printf("# wait status %#x\n", status);
	for (size_t at = 0; at < size; at += 4096)
		if (memory[at] != 1)
			status = 0;
	CHECK("the parent's memory is unharmed", status != 0);
	munmap(memory, size);
}

int main(void)
{
	hostile_setup();
	services_now(services_before);
	check_absurd();
	check_many_mappings();
	check_hog();
	check_beside();
	check_copies();
	check_victim();
	check_system("memory ran out");
	return check_result();
}
