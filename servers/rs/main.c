/* SPDX-License-Identifier: MIT */
/*
 * The reincarnation server: first program, parent of every service. The kernel starts it with a
 * few capabilities and the boot archive; what RS gives other services it makes for itself here,
 * then it is a server like them.
 */
#include "rs.h"

#include <proto/rs.h>

#define PRESERVED_SIZE (64ul << 20)
#define FIRST_FREE_SLOT (CAP_PRIVATE | 16)

extern char __preserved_start[], __preserved_end[];
extern struct ipc_page *message_page; /* lib/sys */

const struct boot_info *boot_info = (const struct boot_info *)BOOT_INFO;
struct archive boot_archive;
cap_t root_cap, root_quota;

static cap_t expect(long slot, const char *what)
{
	if (slot < 0) {
		kcall(klog_write, what, strlen(what));
		service_exit((int)-slot);
	}
	return (cap_t)slot;
}

/* The boot slots are where services have other things. */
static cap_t move_away(cap_t slot)
{
	return expect(kcall(cap_copy, slot, CAP_ALL, FIRST_FREE_SLOT, 0), "rs: boot capabilities\n");
}

static void place(long slot, cap_t at)
{
	expect(slot, "rs: no memory for own objects\n");
	expect(kcall(cap_copy_to, slot, CAP_ALL, at, 0), "rs: own slots\n");
	kcall(cap_close, slot);
}

static void make_startup_page(void)
{
	struct startup *page = (struct startup *)STARTUP_PAGE;

	expect(
	    kcall(vm_map, CAP_SELF_SPACE, STARTUP_PAGE, ANOLE_PAGE_SIZE, VM_R | VM_W | VM_FIXED, CAP_NONE, 0),
	    "rs: startup page\n");
	strlcpy(page->name, "rs", sizeof page->name);
	page->incarnation = 1;
	page->stamp = STAMP_SERVICE | 1;
	page->preserved_size = PRESERVED_SIZE;
}

/* The kernel has mapped section .preserved; the heap follows it. */
static void map_heap(void)
{
	uint64_t offset = (uint64_t)(__preserved_end - __preserved_start);

	offset = (offset + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1);
	expect(kcall(vm_map, CAP_SELF_SPACE, PRESERVED_BASE + offset, PRESERVED_SIZE - offset,
		     VM_R | VM_W | VM_SHARED | VM_FIXED, SLOT_PRESERVED, offset),
	       "rs: heap\n");
}

static void become_service(void)
{
	cap_t space = move_away(BOOT_CAP_SPACE), thread = move_away(BOOT_CAP_THREAD);

	root_cap = move_away(BOOT_CAP_ROOT);
	root_quota = move_away(BOOT_CAP_QUOTA);
	place(kcall(ep_create), SLOT_ENDPOINT);
	place(kcall(notify_create), SLOT_NOTIFY);
	place(space, SLOT_SPACE);
	place(thread, SLOT_THREAD);
	place(kcall(mo_create, PRESERVED_SIZE, 0), SLOT_PRESERVED);
	expect(kcall(ep_bind, SLOT_ENDPOINT, SLOT_NOTIFY), "rs: ep_bind\n");
	kcall(thread_describe, SLOT_THREAD, "rs", 2, 1);
	message_page = (struct ipc_page *)BOOT_MESSAGE_PAGE;
	boot_archive = (struct archive){ (const char *)BOOT_ARCHIVE, boot_info->archive_size };
	make_startup_page();
	map_heap();
}

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

static long start(bool restarted)
{
	(void)restarted;
	manifests_load();
	boot_services();
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

int main(void)
{
	static const struct service service = { .name = "rs", .dispatch = dispatch, .start = start };

	become_service();
	return service_main(&service);
}
