/* SPDX-License-Identifier: MIT */
/*
 * PM's process table, which trusted servers map read-only (manifest: share proctab ro), and
 * structures of the pm protocol.
 */
#ifndef PROTO_PM_TYPES_H
#define PROTO_PM_TYPES_H

#include <abi/types.h>

#define PROCESS_MAX 4096u /* slots of the table */
#define PROCESS_GROUPS 32
#define PID_MAX 32768 /* pids and tids of processes are below */
/* /proc shows the kernel and the services behind them: PID_KERNEL + number of the service. No signal reaches these. */
#define PID_KERNEL PID_MAX
#define SERVICES_MAX 128
static inline bool pid_is_service(int32_t pid)
{
	return pid >= PID_KERNEL && pid < PID_KERNEL + SERVICES_MAX;
}

enum process_state { PROCESS_FREE, PROCESS_ALIVE, PROCESS_STOPPED, PROCESS_ZOMBIE };

/* The entry of a stamp is table[stamp & STAMP_SLOT_MASK]; it is that process's only while
 * `stamp` is equal. PM writes `stamp` last when it fills an entry and clears it first. */
struct process_entry {
	volatile uint64_t stamp;
	int32_t pid, ppid, pgid, sid;
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint32_t state;        /* enum process_state */
	uint32_t tty;          /* device number of the controlling terminal, 0 none */
	int32_t tty_pgrp_hint; /* reserved */
	uint32_t threads, nice;
	char command[16];  /* comm */
	uint64_t start_ns; /* monotonic */
	uint64_t limit_file_size, limit_files;
	uint64_t args_start, args_end, env_start, env_end; /* in the process's space */
	uint64_t signals_ignored, signals_caught;
	uint32_t group_count, groups[PROCESS_GROUPS];
};

struct process_table {
	struct process_entry entry[PROCESS_MAX];
};

/* siginfo as it travels: the first 48 bytes of Linux's siginfo_t mean the same. */
struct signal_info {
	int32_t signo, error, code, pad;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
			uint64_t value;
		} sender; /* kill, sigqueue */
		struct {
			int32_t pid;
			uint32_t uid;
			int32_t status, pad;
			int64_t utime, stime;
		} child;
		struct {
			uint64_t address;
		} fault;
		struct {
			int32_t timer, overrun;
			uint64_t value;
		} timer;
		uint64_t words[4];
	};
};
_Static_assert(sizeof(struct signal_info) == 48, "siginfo as it travels");

struct signal_action {
	uint64_t handler; /* SIG_DFL 0, SIG_IGN 1 */
	uint64_t flags;   /* SA_* */
	uint64_t restorer;
	uint64_t mask;
};

/* A signal and what is to be done with it. */
struct signal_delivery {
	struct signal_info info;
	struct signal_action action;
};

/* struct rusage, struct tms and the like are filled by libposix from: */
struct process_times {
	uint64_t user_ns, system_ns, children_user_ns, children_system_ns;
	uint64_t max_resident_pages, faults;
};

/* By RLIMIT_*; UINT64_MAX: none. */
#define PROCESS_LIMITS 16
struct process_limits {
	struct {
		uint64_t soft, hard;
	} limit[PROCESS_LIMITS];
};

/* The object handed to exec: this header, then the strings: path NUL, argv each NUL, envp each NUL. */
struct exec_args {
	uint32_t size; /* of all that is used, header included */
	uint32_t argc, envc;
	uint32_t path_offset, argv_offset, envp_offset;
	int32_t dir;    /* VFS_CWD or a descriptor (execveat): the loader shares the descriptor table */
	uint32_t flags; /* AT_EMPTY_PATH ... */
};
#define EXEC_ARGS_MAX (2048u * 1024u)
#define VFS_CWD (-100) /* AT_FDCWD */

/* pm.fork flags; pm.set_ids. */
#define PM_FORK_VM 1u
#define PM_FORK_VFORK 2u
enum pm_id {
	PM_ID_UID = 1, /* setuid(a) */
	PM_ID_REUID,   /* setreuid(a, b) */
	PM_ID_RESUID,  /* setresuid(a, b, c) */
	PM_ID_FSUID,
	PM_ID_GID,
	PM_ID_REGID,
	PM_ID_RESGID,
	PM_ID_FSGID,
};

/* host_name: as uname(2). */
struct host_names {
	char host[65], domain[65];
	char pad[6];
};

/* pm.option */
enum pm_option {
	PM_OPTION_DEATH_SIGNAL = 1,
	PM_OPTION_SUBREAPER,
	PM_OPTION_NO_NEW_PRIVS,
	PM_OPTION_DUMPABLE,
	PM_OPTION_KEEP_CAPS,
	PM_OPTION_LAST = PM_OPTION_KEEP_CAPS,
};

/* Private-table slots of every process, put there by PM. */
enum process_slot {
	PROC_SLOT_PM = CAP_PRIVATE | 1,
	PROC_SLOT_VFS = CAP_PRIVATE | 2,
	PROC_SLOT_PIPE = CAP_PRIVATE | 3,
	PROC_SLOT_NOTIFY = CAP_PRIVATE | 4,    /* reserved */
	PROC_SLOT_EXEC_ARGS = CAP_PRIVATE | 5, /* while loading */
	PROC_SLOT_NET = CAP_PRIVATE | 6,
	PROC_SLOT_FIRST_FREE = CAP_PRIVATE | 16,
};

#endif
