/* SPDX-License-Identifier: MIT */
/*
 * The reincarnation server: first program, parent of every service. The kernel starts its first incarnation, the
 * standby (standby.c) every further one.
 */
#include "rs.h"

#include <proto/rs.h>

bool word_of_command_line(const char *key, char *value, size_t size)
{
	const char *at = boot_info->command_line;
	size_t length = strlen(key);

	while (*at) {
		size_t word = 0;

		while (*at == ' ')
			at++;
		while (at[word] && at[word] != ' ')
			word++;
		if (word >= length && !memcmp(at, key, length) && word - length < size) {
			memcpy(value, at + length, word - length);
			value[word - length] = 0;
			return true;
		}
		at += word;
	}
	return false;
}

/* Until the standby runs nobody could go on with what is not committed; and it is much. */
static void first_start(void)
{
	tx_suspend();
	own_record(false);
	manifests_load();
	boot_services();
	crash_ask_own();
	tx_resume();
}

static long start(bool restarted)
{
	if (restarted)
		own_record(true);
	else
		first_start();
	boot_go_on();
	shutdown_go_on();
	children_go_on();
	watchdog_start();
	return 0;
}

static long dispatch(struct request *rq)
{
	if (rq->op == IPC_KERNEL_FAULT)
		return fault_taken(rq);
	if (!(rq->badge & BADGE_SERVICE))
		return -EPERM;
	return rs_dispatch(&operations, rq);
}

/* Whether somebody has filled in a page for it, as for any service; the kernel has not. */
static bool is_launched(void)
{
	struct vm_info mapping;

	return kcall(vm_query, CAP_SELF_SPACE, STARTUP_PAGE, &mapping) >= 0 && mapping.start <= STARTUP_PAGE;
}

int main(void)
{
	static const struct service service = {
		.name = "rs", .dispatch = dispatch, .start = start, .transactional = true
	};

	if (!is_launched())
		world_first();
	else if (is_standby())
		standby_main();
	else
		world_again();
	return service_main(&service);
}
