/* SPDX-License-Identifier: MIT */
/*
 * What RS has from the kernel. The first program finds it in the slots and at the addresses of abi/kcall.h and moves it
 * to where a service has such things; every later incarnation, and the standby, is made like a service and maps the
 * rest at the same addresses.
 */
#include "rs.h"

#define FIRST_FREE_SLOT (CAP_PRIVATE | 16)

extern struct ipc_page *message_page; /* lib/sys */

const struct boot_info *const boot_info = (const struct boot_info *)BOOT_INFO;
struct archive boot_archive;
PRESERVED cap_t root_cap, root_quota, archive_memory, info_memory, own_table;

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
	page->preserved_size = RS_PRESERVED_SIZE;
}

/* The kernel's page with it was mapped for this incarnation alone. */
static void keep_info(void)
{
	info_memory = expect(kcall(mo_create, ANOLE_PAGE_SIZE, 0), "rs: boot information\n");
	kcall(mo_write, info_memory, 0, boot_info, sizeof *boot_info);
}

static void find_archive(void)
{
	boot_archive = (struct archive){ (const char *)BOOT_ARCHIVE, boot_info->archive_size };
}

void world_first(void)
{
	cap_t space = move_away(BOOT_CAP_SPACE), thread = move_away(BOOT_CAP_THREAD),
	      root = move_away(BOOT_CAP_ROOT), quota = move_away(BOOT_CAP_QUOTA),
	      archive = move_away(BOOT_CAP_ARCHIVE), table = move_away(BOOT_CAP_TABLE);

	expect(kcall(vm_map, CAP_SELF_SPACE, TX_SHADOW, TX_SHADOW_SIZE, VM_R | VM_W | VM_FIXED, CAP_NONE, 0),
	       "rs: shadow\n");
	place(kcall(ep_create), SLOT_ENDPOINT);
	place(kcall(notify_create), SLOT_NOTIFY);
	place(space, SLOT_SPACE);
	place(thread, SLOT_THREAD);
	place(kcall(mo_create, RS_PRESERVED_SIZE + ANOLE_PAGE_SIZE, 0), SLOT_PRESERVED); /* as child_memory */
	expect(kcall(ep_bind, SLOT_ENDPOINT, SLOT_NOTIFY), "rs: ep_bind\n");
	expect(kcall(vm_map, CAP_SELF_SPACE, PRESERVED_BASE, RS_PRESERVED_SIZE,
		     VM_R | VM_W | VM_SHARED | VM_FIXED, SLOT_PRESERVED, 0),
	       "rs: preserved memory\n");
	root_cap = root;
	root_quota = quota;
	archive_memory = archive;
	own_table = table;
	kcall(thread_describe, SLOT_THREAD, "rs", 2, 1);
	message_page = (struct ipc_page *)BOOT_MESSAGE_PAGE;
	make_startup_page();
	keep_info();
	find_archive();
}

void world_again(void)
{
	struct boot_info info;
	uint64_t size;

	expect(kcall(mo_read, info_memory, 0, &info, sizeof info), "rs: boot information\n");
	size = (info.archive_size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1);
	expect(kcall(vm_map, CAP_SELF_SPACE, BOOT_INFO, ANOLE_PAGE_SIZE, VM_R | VM_SHARED | VM_FIXED,
		     info_memory, 0),
	       "rs: boot information\n");
	expect(
	    kcall(vm_map, CAP_SELF_SPACE, BOOT_ARCHIVE, size, VM_R | VM_SHARED | VM_FIXED, archive_memory, 0),
	    "rs: archive\n");
	find_archive();
}
