/* SPDX-License-Identifier: MIT */
/* The files of a process. */
#include "procfs.h"

#include <util/string.h>

#define TICK_NS 10000000ul /* USER_HZ is 100 */
#define PAGE 4096ul
#define FLAG_OF_KERNEL 0x200000u /* Linux's PF_KTHREAD */

static int32_t id_of(struct node node, const struct process_entry *p)
{
	return node.argument ? (int32_t)node.argument - 1 : p->pid;
}

/* proc(5), in its order. What is not known here is 0. */
static void render_stat(struct text *t, struct node node, struct gather *g)
{
	const struct process_entry *p = &g->entry;

	put(t, "%d (%s) %c %d %d %d %u %d %u 0 0 0 0 ", id_of(node, p), p->command, g->state, p->ppid,
	    p->pgid, p->sid, p->tty, p->tty ? p->pgid : -1, pid_is_service(p->pid) ? FLAG_OF_KERNEL : 0);
	put(t, "%lu %lu %lu %lu ", g->times.user_ns / TICK_NS, g->times.system_ns / TICK_NS,
	    g->times.children_user_ns / TICK_NS, g->times.children_system_ns / TICK_NS);
	put(t, "%ld %d %u 0 %lu %lu %lu 18446744073709551615 ", g->priority, (int32_t)p->nice, p->threads,
	    p->start_ns / TICK_NS, g->memory.mapped_pages * PAGE, g->memory.resident_pages);
	put(t, "0 0 0 0 0 0 0 %lu %lu 0 0 0 17 %lu 0 0 0 0 0 0 0 0 %lu %lu %lu %lu 0\n",
	    p->signals_ignored & 0x7fffffff, p->signals_caught & 0x7fffffff, g->processor, p->args_start,
	    p->args_end, p->env_start, p->env_end);
}

static void render_statm(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put(t, "%lu %lu %lu 0 0 %lu 0\n", g->memory.mapped_pages, g->memory.resident_pages,
	    g->memory.shared_pages, g->memory.mapped_pages);
}

static const char *state_name(char letter)
{
	switch (letter) {
	case 'T': return "T (stopped)";
	case 'Z': return "Z (zombie)";
	case 'R': return "R (running)";
	case 'X': return "X (dead)";
	}
	return "S (sleeping)";
}

static void put_groups(struct text *t, const struct process_entry *p)
{
	put(t, "Groups:\t");
	for (uint32_t i = 0; i < p->group_count && i < PROCESS_GROUPS; i++)
		put(t, "%u ", p->groups[i]);
	put(t, "\n");
}

static void render_status(struct text *t, struct node node, struct gather *g)
{
	const struct process_entry *p = &g->entry;

	put(t, "Name:\t%s\nState:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", p->command,
	    state_name(g->state), p->pid, id_of(node, p), p->ppid);
	put(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", p->uid, p->euid, p->suid, p->fsuid, p->gid,
	    p->egid, p->sgid, p->fsgid);
	put(t, "FDSize:\t%lu\n", p->limit_files);
	put_groups(t, p);
	if (g->memory.mapped_pages)
		put(t, "VmSize:\t%8lu kB\nVmRSS:\t%8lu kB\nRssFile:\t%8lu kB\nVmPTE:\t%8lu kB\n",
		    g->memory.mapped_pages * 4, g->memory.resident_pages * 4, g->memory.shared_pages * 4,
		    g->memory.table_pages * 4);
	put(t, "Threads:\t%u\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", p->threads, p->signals_ignored,
	    p->signals_caught);
}

static void render_comm(struct text *t, struct node node, struct gather *g)
{
	const struct process_entry *p = &g->entry;

	(void)node;
	put(t, "%s\n", p->command);
}

/* Bytes of the process's own memory: it may have changed or unmapped them. */
static void put_memory(struct text *t, const struct gather *g, uint64_t start, uint64_t end)
{
	char part[512];

	while (g->space != CAP_NONE && start < end && t->used < t->size) {
		uint64_t length = end - start < sizeof part ? end - start : sizeof part;
		long n = kcall(space_read, g->space, start, part, length);

		if (n <= 0)
			return;
		put_bytes(t, part, (size_t)n);
		start += (uint64_t)n;
	}
}

static void render_cmdline(struct text *t, struct node node, struct gather *g)
{
	const struct process_entry *p = &g->entry;

	(void)node;
	put_memory(t, g, p->args_start, p->args_end);
}

static void render_environ(struct text *t, struct node node, struct gather *g)
{
	const struct process_entry *p = &g->entry;

	(void)node;
	put_memory(t, g, p->env_start, p->env_end);
}

static void put_mapping(struct text *t, const struct vm_info *info)
{
	put(t, "%08lx-%08lx %c%c%c%c %08lx 00:00 %lu%s\n", info->start, info->end,
	    info->flags & VM_R ? 'r' : '-', info->flags & VM_W ? 'w' : '-', info->flags & VM_X ? 'x' : '-',
	    info->flags & VM_SHARED ? 's' : 'p', info->object ? info->offset : 0, info->object,
	    info->flags & VM_STACK ? "                          [stack]" : "");
}

static void put_sizes(struct text *t, const struct vm_info *info)
{
	put(t,
	    "Size:           %8lu kB\nKernelPageSize: %8lu kB\nMMUPageSize:    %8lu kB\nRss:            %8lu "
	    "kB\n",
	    (info->end - info->start) / 1024, PAGE / 1024, PAGE / 1024, info->resident * PAGE / 1024);
}

/* Of the whole mapping, which the kernel counts in parts. */
static void count_resident(const struct gather *g, struct vm_info *info)
{
	struct vm_info part = *info;

	while (part.counted < info->end && kcall(vm_query, g->space, part.counted, &part) == 0 &&
	       part.end == info->end)
		info->resident += part.resident;
}

static void put_mappings(struct text *t, const struct gather *g, bool sizes)
{
	struct vm_info info;
	uint64_t at = 0;

	while (g->space != CAP_NONE && t->used < t->size && kcall(vm_query, g->space, at, &info) == 0 &&
	       info.end > at) {
		put_mapping(t, &info);
		if (sizes) {
			count_resident(g, &info);
			put_sizes(t, &info);
		}
		at = info.end;
	}
}

static void render_maps(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put_mappings(t, g, false);
}

static void render_smaps(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put_mappings(t, g, true);
}

/* The string that ends before `end` in the process's memory, not longer than `size`: where it begins in to. */
static const char *string_before(const struct gather *g, uint64_t end, char *to, size_t size)
{
	char *start;

	if (end < size || kcall(space_read, g->space, end - size, to, size) != (long)size || to[size - 1])
		return NULL;
	for (start = to + size - 1; start > to && start[-1]; start--)
		;
	return start > to ? start : NULL;
}

/* Of a script, whose path is the second or third argument, the first is what runs. */
static const char *runs(const char *path, const char *args, const char *end)
{
	const char *first = args;

	for (int i = 0; i < 3 && args < end; i++, args += strlen(args) + 1)
		if (i && !strcmp(args, path))
			return first;
	return path;
}

/*
 * As exec was told it: the loader leaves the path in front of the arguments, which is the process's memory. One
 * that is not absolute is taken from the working directory.
 */
long process_exe(struct gather *g)
{
	static char before[1024], args[1025], whole[2 * PATH_LENGTH_MAX];
	const struct process_entry *p = &g->entry;
	const char *path = NULL;
	size_t length;
	long n;

	if (p && g->space != CAP_NONE && p->args_start)
		path = string_before(g, p->args_start, before, sizeof before);
	if (!path || !*path)
		return -ENOENT;
	length = p->args_end - p->args_start < 1024 ? p->args_end - p->args_start : 1024;
	n = kcall(space_read, g->space, p->args_start, args, length);
	args[n > 0 ? n : 0] = 0;
	path = runs(path, args, args + (n > 0 ? n : 0));
	if (path[0] == '/')
		n = snprintf(whole, sizeof whole, "%s", path);
	else
		n = snprintf(whole, sizeof whole, "%.*s/%s", (int)g->text_length, g->text,
			     path[0] == '.' && path[1] == '/' ? path + 2 : path);
	memcpy(g->text, whole, (size_t)n < GATHER_TEXT ? (size_t)n : GATHER_TEXT);
	return n;
}

/* One side of a limit, at the width of its column. */
static void put_side(struct text *t, uint64_t limit)
{
	if (limit > INT64_MAX)
		put(t, "%-20s ", "unlimited");
	else
		put(t, "%-20lu ", limit);
}

static void render_limits(struct text *t, struct node node, struct gather *g)
{
	static const struct {
		const char *name, *unit;
	} names[PROCESS_LIMITS] = {
		{ "Max cpu time", "seconds" },     { "Max file size", "bytes" },
		{ "Max data size", "bytes" },      { "Max stack size", "bytes" },
		{ "Max core file size", "bytes" }, { "Max resident set", "bytes" },
		{ "Max processes", "processes" },  { "Max open files", "files" },
		{ "Max locked memory", "bytes" },  { "Max address space", "bytes" },
		{ "Max file locks", "locks" },     { "Max pending signals", "signals" },
		{ "Max msgqueue size", "bytes" },  { "Max nice priority", "" },
		{ "Max realtime priority", "" },   { "Max realtime timeout", "us" },
	};

	(void)node;
	put(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (uint32_t i = 0; i < PROCESS_LIMITS; i++) {
		put(t, "%-25s ", names[i].name);
		put_side(t, g->limits.limit[i].soft);
		put_side(t, g->limits.limit[i].hard);
		put(t, "%-10s\n", names[i].unit);
	}
}

static void render_text(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put_bytes(t, g->text, g->text_length);
}

/* By enum process_kind as far as that goes. */
#define EVERYWHERE (IN_THREAD | IN_SERVICE)
const struct file_kind process_files[] = {
	[KIND_PID] = { "", 0555, TYPE_DIRECTORY, IN_SERVICE, 0, NULL, NULL },
	[KIND_TASK] = { "task", 0555, TYPE_DIRECTORY, IN_SERVICE, 0, NULL, NULL },
	[KIND_TASK_TID] = { "", 0555, TYPE_DIRECTORY, IN_SERVICE, 0, NULL, NULL },
	[KIND_FD] = { "fd", 0500, TYPE_DIRECTORY, 0, 0, NULL, NULL },
	[KIND_FD_ENTRY] = { "", 0700, TYPE_LINK, 0, 0, NULL, NULL },
	[KIND_CWD] = { "cwd", 0777, TYPE_LINK, 0, 0, NULL, NULL },
	[KIND_ROOT] = { "root", 0777, TYPE_LINK, 0, 0, NULL, NULL },
	[KIND_EXE] = { "exe", 0777, TYPE_LINK, 0, 0, NULL, NULL },
	{ "stat", 0444, TYPE_FILE, EVERYWHERE, NEED_TIMES | NEED_SPACE, render_stat, NULL },
	{ "statm", 0444, TYPE_FILE, EVERYWHERE, NEED_SPACE, render_statm, NULL },
	{ "status", 0444, TYPE_FILE, EVERYWHERE, NEED_TIMES | NEED_SPACE, render_status, NULL },
	{ "comm", 0444, TYPE_FILE, EVERYWHERE, NEED_ENTRY, render_comm, NULL },
	{ "cmdline", 0444, TYPE_FILE, EVERYWHERE, NEED_SPACE, render_cmdline, NULL },
	{ "environ", 0400, TYPE_FILE, IN_THREAD, NEED_SPACE, render_environ, NULL },
	{ "maps", 0444, TYPE_FILE, IN_THREAD, NEED_SPACE, render_maps, NULL },
	{ "smaps", 0444, TYPE_FILE, IN_THREAD, NEED_SPACE, render_smaps, NULL },
	{ "limits", 0444, TYPE_FILE, IN_THREAD, NEED_LIMITS, render_limits, NULL },
	{ "mounts", 0444, TYPE_FILE, IN_THREAD, NEED_MOUNTS, render_text, NULL },
};
const uint32_t process_files_count = sizeof process_files / sizeof *process_files;
