/* SPDX-License-Identifier: MIT */
/* While the kernel traces, entry.S comes here before and after each system call. */
#include "libposix.h"

#include <abi/trace.h>

#define L(number, name, handler, args, status) CALL_##name = number,
enum {
#include "syscalls.def"
};
#undef L

/* Which argument is the path, from 0; -1: none. */
static int path_argument(uint64_t number)
{
	switch (number) {
	case CALL_open:
	case CALL_stat:
	case CALL_lstat:
	case CALL_access:
	case CALL_execve:
	case CALL_truncate:
	case CALL_chdir:
	case CALL_rename:
	case CALL_mkdir:
	case CALL_rmdir:
	case CALL_creat:
	case CALL_link:
	case CALL_unlink:
	case CALL_symlink:
	case CALL_readlink:
	case CALL_chmod:
	case CALL_chown:
	case CALL_lchown:
	case CALL_mknod:
	case CALL_statfs:
	case CALL_chroot:
	case CALL_mount:
	case CALL_umount2: return 0;
	case CALL_openat:
	case CALL_mkdirat:
	case CALL_mknodat:
	case CALL_fchownat:
	case CALL_newfstatat:
	case CALL_unlinkat:
	case CALL_renameat:
	case CALL_linkat:
	case CALL_readlinkat:
	case CALL_fchmodat:
	case CALL_faccessat:
	case CALL_utimensat: return 1;
	}
	return -1;
}

static void mark(struct trace_mark *record)
{
	kcall(trace_mark, record);
}

void lp_trace_enter(void)
{
	const struct lp_frame *frame = &lp_thread()->frame;
	const uint64_t words[] = { frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9 };
	int path = path_argument(frame->number);
	struct trace_mark record = { .kind = TRACE_ENTER, .number = frame->number };

	memcpy(record.words, words, sizeof(words));
	if (path >= 0) {
		record.text = words[path];
		record.text_length = UINT64_MAX;
	} else if (frame->number == CALL_write || frame->number == CALL_pwrite64) {
		record.text = frame->rsi;
		record.text_length = frame->rdx;
	}
	mark(&record);
}

/* Answers what it is given, for the way out. */
long lp_trace_leave(long result)
{
	const struct lp_frame *frame = &lp_thread()->frame;
	struct trace_mark record = { .kind = TRACE_LEAVE, .number = frame->number };

	record.words[0] = (uint64_t)result;
	if (result > 0 && (frame->number == CALL_read || frame->number == CALL_pread64)) {
		record.text = frame->rsi;
		record.text_length = (uint64_t)result;
	}
	mark(&record);
	return result;
}
