/* SPDX-License-Identifier: MIT */
/* One incarnation: an address space with the program, what it is told, and a thread. */
#include "rs.h"

#define STACK_SIZE (128ul << 10)

static uint64_t page_down(uint64_t value)
{
	return value & ~(ANOLE_PAGE_SIZE - 1);
}

uint64_t page_up(uint64_t value)
{
	return page_down(value + ANOLE_PAGE_SIZE - 1);
}

static long map(const struct child *child, uint64_t address, uint64_t length, uint32_t flags, cap_t memory,
		uint64_t offset)
{
	long at = kcall(vm_map, child->space, address, length, flags | VM_FIXED_NOREPLACE, memory, offset);

	return at < 0 ? at : 0;
}

/* Code and constants are the archive's pages; only what is written is the incarnation's own. */
static long map_segment(const struct child *child, const struct elf_segment *segment)
{
	uint64_t start = page_down(segment->address);
	uint64_t length = page_up(segment->address + segment->memory_size) - start;
	long error;

	if (!(segment->flags & ELF_WRITE))
		return map(child, start, length, VM_R | VM_SHARED | (segment->flags & ELF_EXECUTE ? VM_X : 0),
			   child->image->memory, page_down(segment->offset));
	error = map(child, start, length, VM_R | VM_W, CAP_NONE, 0);
	if (error || !segment->file_size)
		return error;
	error = kcall(space_write, child->space, segment->address, child->image->data + segment->offset,
		      segment->file_size);
	return error == (long)segment->file_size ? 0 : error < 0 ? error : -ENOMEM;
}

static long map_program(const struct child *child)
{
	const struct elf_image *elf = &child->image->elf;
	long error = 0;

	for (unsigned i = 0; i < elf->count && !error; i++)
		if (elf->segments[i].address < PRESERVED_BASE)
			error = map_segment(child, &elf->segments[i]);
	return error;
}

static void expand_arguments(char *to, size_t size, const char *from)
{
	size_t length = 0;

	while (*from && length + 1 < size) {
		if (!strncmp(from, "$cmdline", 8)) {
			length += (size_t)snprintf(to + length, size - length, "%s", boot_info->command_line);
			from += 8;
		} else if (!strncmp(from, "$rsdp", 5)) {
			length += (size_t)snprintf(to + length, size - length, "0x%lx", boot_info->acpi_rsdp);
			from += 5;
		} else {
			to[length++] = *from++;
		}
	}
	to[length < size ? length : size - 1] = 0;
}

static long map_startup(const struct child *child)
{
	static struct startup page;
	long memory = tx_made(kcall(mo_create, ANOLE_PAGE_SIZE, 0)), error;

	if (memory < 0)
		return memory;
	memset(&page, 0, sizeof page);
	strlcpy(page.name, child->name, sizeof page.name);
	page.incarnation = child->incarnation;
	page.count = child->entry_count;
	page.stamp = STAMP_SERVICE | child->number;
	page.preserved_size = child->manifest->preserved_size;
	page.crashed = child->crashed;
	strlcpy(page.reason, child->reason, sizeof page.reason);
	expand_arguments(page.arguments, sizeof page.arguments, child->manifest->arguments);
	memcpy(page.entries, child->entries, child->entry_count * sizeof *page.entries);
	error = kcall(mo_write, memory, 0, &page, sizeof page);
	if (error == (long)sizeof page)
		error = map(child, STARTUP_PAGE, ANOLE_PAGE_SIZE, VM_R | VM_SHARED, (cap_t)memory, 0);
	tx_close((cap_t)memory);
	return error;
}

static long map_shares(const struct child *child)
{
	long error = 0;

	for (unsigned i = 0; i < child->manifest->shares_count && !error; i++) {
		const struct manifest_share *share = &child->manifest->shares[i];
		size_t index = 0;
		uint64_t size = 0;
		cap_t memory = share_memory(share->name, &index, &size);

		if (memory != CAP_NONE)
			error = map(child, SERVICE_SHARES + index * SERVICE_SHARES_STEP, page_up(size),
				    VM_R | VM_SHARED | (share->write ? VM_W : 0), memory, 0);
	}
	return error;
}

static long map_all(const struct child *child)
{
	long error = map_program(child);

	if (!error)
		error = map(child, PRESERVED_BASE, page_up(child->manifest->preserved_size),
			    VM_R | VM_W | VM_SHARED, child->preserved, 0);
	if (!error)
		error = map(child, TX_SHADOW, TX_SHADOW_SIZE, VM_R | VM_W, CAP_NONE, 0);
	if (!error)
		error = map_startup(child);
	if (!error)
		error = map(child, SERVICE_MESSAGE_PAGE, ANOLE_PAGE_SIZE, VM_R | VM_W | VM_SHARED,
			    child->preserved, page_up(child->manifest->preserved_size));
	if (!error)
		error = map(child, SERVICE_STACK_TOP - STACK_SIZE, STACK_SIZE, VM_R | VM_W, CAP_NONE, 0);
	return error ? error : map_shares(child);
}

static long make_thread(const struct child *child)
{
	struct thread_create create = {
		.space = child->space,
		.private_table = child->table,
		.fd_table = CAP_NONE,
		.fault_endpoint = child->fault,
		.quota = root_quota,
		.stamp = STAMP_SERVICE | child->number,
		.message_page = SERVICE_MESSAGE_PAGE,
		.entry = child->image->elf.entry,
		.stack = SERVICE_STACK_TOP,
		.priority = child->manifest->priority,
		.flags = THREAD_NO_FPU,
	};

	return tx_made(kcall(thread_create, &create));
}

/* The thread ends at once: nothing is to be delivered to it when its calls are put back. If the transaction is undone,
 * a dead one is found in its record (children_go_on). */
void child_destroy(struct child *child)
{
	if (child->thread > 0) {
		kcall(table_remove, child->table, SLOT_THREAD & ~CAP_PRIVATE);
		kcall(thread_kill, child->thread);
		tx_close(child->thread);
	}
	if (child->space > 0) {
		kcall(table_remove, child->table, SLOT_SPACE & ~CAP_PRIVATE);
		tx_close(child->space);
	}
	child->thread = child->space = CAP_NONE;
}

static long launch(struct child *child)
{
	long result = tx_made(kcall(space_create, root_quota));

	if (result < 0)
		return result;
	child->space = (cap_t)result;
	result = map_all(child);
	if (result)
		return result;
	result = make_thread(child);
	if (result < 0)
		return result;
	child->thread = (cap_t)result;
	kcall(thread_describe, child->thread, child->name, strnlen(child->name, THREAD_NAME_MAX),
	      child->number);
	kcall(table_put, child->table, SLOT_SPACE & ~CAP_PRIVATE, child->space, CAP_ALL);
	kcall(table_put, child->table, SLOT_THREAD & ~CAP_PRIVATE, child->thread, CAP_ALL);
	kcall(table_put, child->table, SLOT_PRESERVED & ~CAP_PRIVATE, child->preserved, CAP_ALL);
	tx_start(child->thread);
	return 0;
}

long child_launch(struct child *child)
{
	long error;

	child->incarnation = is_standby() ? standby_next_incarnation() : child->incarnation + 1;
	child->ready = false;
	child->after_shut_down = NULL;
	child->injected = false;
	child->steps = 0;
	child->started_ns = clock_monotonic_ns();
	error = launch(child);
	if (error) {
		slog("%s: cannot be started: error %ld", child->name, -error);
		child_destroy(child);
		return error;
	}
	child->state = CHILD_RUNNING;
	return 0;
}
