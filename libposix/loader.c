/* SPDX-License-Identifier: MIT */
/*
 * The first code of a new image, in a new address space that holds nothing but this. Finds the file,
 * follows `#!`, maps the program, and asks PM to commit; an error before that goes back to the caller of exec.
 * The bytes of the file and the strings may be hostile and, being somebody else's, may change: each is
 * copied before it is checked.
 */
#include "loader.h"

#include <proto/file.h>
#include <proto/pm.h>
#include <proto/vfs.h>

static void abort_exec(long error) __attribute__((noreturn));
static void abort_exec(long error)
{
	struct pm_exec_abort_req request = { .error = (uint64_t)-error };
	struct pm_exec_abort_reply reply;

	for (;;)
		pm_call_exec_abort(PROC_SLOT_PM, NULL, &request, &reply);
}

/* --- files ------------------------------------------------------------------------------------------ */
long load_open(struct loader *loader, const char *path, int dir, uint32_t flags)
{
	struct vfs_open_exec_req request = { .dir = dir, .flags = flags };
	struct vfs_open_exec_reply reply;
	struct file_pread_req read = {};
	struct file_pread_reply answer;
	struct call_options options = {
		.in = path,
		.in_length = strlen(path),
		.out = &loader->stat,
		.out_length = sizeof(loader->stat),
	};
	struct call_options buffer = { .out = loader->head.text, .out_length = HEAD_SIZE };
	long status;

	if (dir >= 0 && path[0] != '/') {
		options.caps_count = 1;
		options.caps[0] = dir;
	}
	status = vfs_call_open_exec(PROC_SLOT_VFS, &options, &request, &reply);
	if (status < 0)
		return status;
	loader->file = ipc_page()->caps[0].slot;
	status = file_call_pread(loader->file, &buffer, &read, &answer);
	if (status < 0)
		return status;
	loader->head_length = (size_t)status;
	return 0;
}

/* --- scripts ------------------------------------------------------------------------------------------- */
/* Put a string before those that are there. */
static long prepend(struct loader *loader, const char *string)
{
	size_t size = strlen(string) + 1;

	if (size > loader->prefix_at)
		return -E2BIG;
	loader->prefix_at -= (uint32_t)size;
	loader->prefix_count++;
	memcpy(loader->prefix + loader->prefix_at, string, size);
	return 0;
}

/* The interpreter takes the first place, which was argv[0] or the interpreter before. */
static long load_script(struct loader *loader)
{
	char *interpreter, *argument;
	long error = script_parse(loader->head.text, loader->head_length, &interpreter, &argument);

	if (error)
		return error;
	if (!*interpreter)
		return -EACCES; /* the current directory */
	if (loader->script) {
		loader->prefix_at += (uint32_t)strlen(loader->prefix + loader->prefix_at) + 1;
		loader->prefix_count--;
	}
	loader->script = true;
	error = prepend(loader, loader->path);
	if (!error && argument)
		error = prepend(loader, argument);
	if (!error)
		error = prepend(loader, interpreter);
	loader->path = loader->prefix + loader->prefix_at;
	kcall(cap_close, loader->file);
	return error ? error : load_open(loader, loader->path, VFS_CWD, 0);
}

static bool is_script(const struct loader *loader)
{
	return loader->head_length >= 2 && loader->head.text[0] == '#' && loader->head.text[1] == '!';
}

static long load_file(struct loader *loader)
{
	long error = load_open(loader, loader->path, loader->args.dir, loader->args.flags);

	for (unsigned depth = 0; !error && is_script(loader); depth++) {
		error = load_script(loader);
		if (!error && depth == SCRIPT_DEPTH_MAX)
			error = -ELOOP;
	}
	return error ? error : load_elf(loader);
}

/* --- commit ---------------------------------------------------------------------------------------------- */
static const char *base_name(const char *path)
{
	const char *base = path;

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

static long commit(struct loader *loader)
{
	const char *name = base_name(loader->name);
	struct pm_exec_commit_req request = {
		.mode = loader->stat.mode,
		.owner = loader->stat.uid | (uint64_t)loader->stat.gid << 32,
		.args_start = loader->argv_start,
		.args_end = loader->argv_end,
		.env_start = loader->envp_start,
		.env_end = loader->envp_end,
	};
	struct pm_exec_commit_reply reply;
	struct call_options options = { .in = name, .in_length = strnlen(name, 15) };
	long status = pm_call_exec_commit(PROC_SLOT_PM, &options, &request, &reply);

	for (int signal = 1; signal < 65; signal++)
		if (reply.ignored >> (signal - 1) & 1)
			this_process()->actions[signal].handler = 1; /* SIG_IGN */
	loader->secure = reply.secure;
	loader->uids = reply.uids;
	loader->gids = reply.gids;
	return status;
}

static void begin_process(const struct loader *loader)
{
	struct process_block *block = this_process();
	uint32_t eax = 1, ebx, ecx = 0, edx;
	uint64_t skip;

	memcpy(block->random_key, tb()->seed, sizeof(block->random_key));
	memset(tb()->seed, 0, sizeof(tb()->seed));
	block->random_count = 1;
	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	block->hardware = edx;
	lp_random(&skip, sizeof(skip));
	block->brk_start = loader->program.end + (skip & 0x1fff) * ANOLE_PAGE_SIZE;
	block->brk_end = block->brk_mapped = block->brk_start;
}

/* entry.S: leads the way out into the program. */
void lp_load(void)
{
	struct loader loader;
	long error;

	/* The prefix needs no zeroes, and most programs no page for it. */
	memset(&loader, 0, offsetof(struct loader, prefix));
	loader.prefix_at = PREFIX_SIZE;
	error = load_strings(&loader);
	if (!error)
		error = load_file(&loader);
	kcall(cap_close, PROC_SLOT_EXEC_ARGS);
	if (error)
		abort_exec(error);
	begin_process(&loader);
	load_prefix(&loader);
	error = commit(&loader);
	if (error)
		abort_exec(error);
	load_stack(&loader);
	*lp_thread() = (struct lp_thread){ .frame.return_pc = loader.entry };
	tb()->user_rsp = loader.stack;
}
