/* SPDX-License-Identifier: MIT */
/* TEST: timeout=120 */
/* A process that makes every kernel object it may, as many as it can: it gets an error, the others notice nothing. */
#define _GNU_SOURCE
#include <poll.h>

#include "hostile.h"
#include "kernel_calls.h"

static uint64_t free_pages(void)
{
	struct system_info info = { 0 };

	kcall(system_info, &info);
	return info.pages_free;
}

static long make_notification(void)
{
	return kcall(notify_create);
}

static long make_memory(void)
{
	return kcall(mo_create, 1ul << 40, 0);
}

static long make_filled(void)
{
	static char page[4096];
	long made = kcall(mo_create, 4096, 0), copy = made < 0 ? made : kcall(cap_copy, made, CAP_ALL, 0, 0);

	if (copy >= 0)
		kcall(mo_write, copy, 0, page, sizeof page);
	if (made >= 0)
		kcall(cap_close, made);
	return copy;
}

/* Left with a server, which keeps each; the memory of the program would have room for ever. */
static long make_polled(void)
{
	struct ipc_msg msg = { .op = IPC_OP(1, 11), .w = { POLLIN } };
	static long notification;
	static int ends[2];
	long watch, status;

	if (!notification) {
		notification = kcall(notify_create);
		if (pipe(ends))
			return -EMFILE;
	}
	watch = kcall(watch_create, notification, 1, 1);
	own_page()->caps_count = 1;
	own_page()->caps[0] = (struct ipc_cap){ (cap_t)watch, CAP_ALL, 0 };
	status = raw_call(ends[0], IPC_EXTRA, &msg);
	kcall(cap_close, watch);
	return status;
}

static long make_watch(void)
{
	static long notification;

	if (!notification)
		notification = kcall(notify_create);
	return kcall(watch_create, notification, 1, 1);
}

/* Descriptors hold copies of what is in the private table, which has room again. */
static long make_and_store(void)
{
	long made = kcall(notify_create), copy = made < 0 ? made : kcall(cap_copy, made, CAP_ALL, 0, 0);

	if (made >= 0)
		kcall(cap_close, made);
	return copy;
}

static long make_mapping(void)
{
	return kcall(vm_map, CAP_SELF_SPACE, 0, 1ul << 40, VM_R, CAP_NONE, 0);
}

/* Every second page, so that none can be joined. */
static long make_split(void)
{
	static uint64_t at = 0x100000000000;

	at += 8192;
	return kcall(vm_map, CAP_SELF_SPACE, at, 4096, VM_R | VM_FIXED, CAP_NONE, 0);
}

static const struct {
	const char *name;
	long (*make)(void);
} kinds[] = {
	{ "notifications", make_notification },
	{ "memory objects", make_memory },
	{ "filled memory objects", make_filled },
	{ "watches", make_watch },
	{ "watches of a pipe", make_polled },
	{ "objects in descriptors", make_and_store },
	{ "mappings", make_mapping },
	{ "mappings of a page", make_split },
};

struct hoard {
	volatile unsigned made;
	volatile long error;
};

static void hoard(unsigned kind, struct hoard *result)
{
	drop_privileges();
	while (result->made < 1000000) {
		long made = kinds[kind].make();

		if (made < 0) {
			result->error = made;
			break;
		}
		result->made++;
	}
	if (!result->error)
		result->error = 1;
	for (;;)
		pause();
}

static void check_kind(unsigned kind, struct hoard *result)
{
	uint64_t before = free_pages();
	char name[96];
	pid_t pid;

	*result = (struct hoard){ 0, 0 };
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		hoard(kind, result);
	while (!result->error)
		sleep_ms(2);
	printf("# %s: %u, then %ld; %lu pages\n", kinds[kind].name, result->made, result->error,
	       before - free_pages());
	snprintf(name, sizeof name, "%s end by an error", kinds[kind].name);
	CHECK(name, result->error == -ENFILE || result->error == -EMFILE || result->error == -ENOMEM);
	snprintf(name, sizeof name, "others beside many %s", kinds[kind].name);
	CHECK(name, pipe_works() && program_works());
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sleep_ms(100);
	snprintf(name, sizeof name, "%s go with their process", kinds[kind].name);
	CHECK(name, free_pages() + 512 > before);
}

int main(void)
{
	struct hoard *result;

	if (!on_anole())
		return 0;
	hostile_setup();
	services_now(services_before);
	result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(result != MAP_FAILED);
	for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
		check_kind(kind, result);
	check_system("objects ran out");
	return check_result();
}
