/* SPDX-License-Identifier: MIT */
/*
 * /proc. Nodes have no state: a number says which file of which process it is. A text is made when a file is
 * first read and kept in its description until it is read again from the start.
 *
 * What other services know is gathered first (gather.c): a handler names what it needs, is parked until all
 * answers are there, and makes its text from them in one go.
 */
#ifndef PROCFS_PROCFS_H
#define PROCFS_PROCFS_H

#include <fs/description.h>
#include <proto/dev.h>
#include <proto/file.h>
#include <proto/fs.h>
#include <proto/net.h>
#include <proto/pipe.h>
#include <proto/pm.h>
#include <proto/rs.h>
#include <proto/rs_types.h>
#include <proto/vfs.h>
#include <sys/server.h>

#define MOUNT_BADGE BADGE_FIRST_OWN
#define ROOT_NODE 1u

/* --- text.c ------------------------------------------------------------------------------------ */
struct text {
	char *at;
	size_t used, size;
};
void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void put_bytes(struct text *text, const void *bytes, size_t length);

/* --- gather.c ------------------------------------------------------------------------------------ */
#define NEED_TIMES 0x01u /* of the process */
#define NEED_SPACE 0x02u
#define NEED_TABLE 0x04u
#define NEED_THREADS 0x08u
#define NEED_COUNTS 0x10u /* of the system */
#define NEED_HOST 0x20u
#define NEED_SERVICES 0x40u
#define NEED_MOUNTS 0x80u
#define NEED_CWD 0x100u
#define NEED_ROOT 0x200u
#define NEED_FD_PATH 0x400u /* of descriptor gather.fd */
#define NEED_DISKS 0x800u
#define NEED_DROP 0x1000u  /* not to know: VFS drops its caches; which: gather.fd */
#define NEED_CRASH 0x2000u /* the first after report gather.fd */
#define NEED_ENTRY 0x4000u /* who the process is; comes with all others that are of the process */
#define NEED_LIMITS 0x10000u
#define NEED_RANDOM 0x20000u
#define NEED_RUNNING 0x8000u /* the services, without pid */
#define NEED_POINTS 0x40000u /* at which services can be made to fail */
#define NEED_NET 0x80000u    /* table gather.fd of the network server */

#define GATHER_TEXT 507904u /* of each kind of text */

struct gather {
	bool used;
	uint64_t token;  /* of the request it is for */
	uint64_t reader; /* stamp of who asks */
	uint32_t needs, pending;
	int32_t pid, fd;
	uint64_t stamp;             /* of the process */
	long error;                 /* that makes the whole fail */
	cap_t space, table;         /* CAP_NONE: not there */
	struct process_entry entry; /* of a service: made up from what RS tells; stamp 0 if there is none */
	struct space_stat memory;
	struct process_times times;
	struct process_limits limits;
	uint8_t random[16];
	char state; /* a letter, as in stat */
	int64_t priority;
	uint64_t processor, crash;
	struct acall *crash_call; /* while pending: it may be for ever */
	uint64_t processes, forks, last_pid, loads[3];
	struct host_names host;
	uint32_t thread_count;
	uint64_t text_length;
	struct waitq waiting;
	uint32_t service_count;
	/* In memory shared with the calls: texts, tids, services. */
	char *text;
	uint32_t *tids;
	const struct service_info *services;
};

/* At the head of a handler: 0 and *out when all is there; PARK; or an error. gather_end() afterwards. */
long gather(struct request *rq, int32_t pid, int32_t fd, uint32_t needs, struct gather **out);
void gather_end(struct request *rq, struct gather *g);
void gather_start(void);
void gather_cancel(struct request *rq);

/* --- services.c: the kernel and the services as processes ------------------------------------------------- */
/* What a gathering about one of them is about, from the answer of RS: 0, or -ENOENT. */
long service_describe(struct gather *g);
/* Each that runs, in ascending order from `after` on: its pid, INT32_MAX at the end. */
int32_t service_next(const struct gather *g, int32_t after);

/* --- nodes.c ------------------------------------------------------------------------------------------ */
/* A node number: process << 32 | argument << 12 | kind. The argument is a descriptor, or a thread whose own
 * directory this belongs to, plus one. */
struct node {
	int32_t pid;
	uint32_t argument, kind;
};
#define KIND_PROCESS_FIRST \
	0x400u /* below: of the system, an index of system_files; above, of process_files */
struct node node_of(uint64_t number);
uint64_t node_number(struct node node);
const struct process_entry *process_by_pid(int32_t pid);
extern const struct process_table *processes;

enum file_type { TYPE_FILE, TYPE_DIRECTORY, TYPE_LINK, TYPE_TRACE, TYPE_CRASHES };
struct file_kind {
	const char *name;
	uint16_t mode;  /* permissions */
	uint8_t type;   /* enum file_type */
	uint8_t parent; /* of the system's: index of the directory; of a process's: IN_* */
	uint32_t needs;
	void (*render)(struct text *t, struct node node, struct gather *g);
	long (*write)(struct request *rq); /* NULL: nobody may */
};
#define IN_THREAD 1u  /* also in task/TID */
#define IN_SERVICE 2u /* also of services */
const struct file_kind *kind_of(struct node node);
long node_stat(uint64_t number, struct file_stat *stat);
extern const struct fs_ops fs_handlers;
extern uint64_t device_number;

/* --- system.c, process.c ------------------------------------------------------------------------------------ */
extern const struct file_kind system_files[], process_files[];
extern const uint32_t system_files_count, process_files_count;
#define SYSTEM_ROOT 0u
#define SYSTEM_NET 7u /* the first of NET_TABLES files */
enum process_kind {
	KIND_PID = 0,
	KIND_TASK,
	KIND_TASK_TID,
	KIND_FD,
	KIND_FD_ENTRY,
	KIND_CWD,
	KIND_ROOT,
	KIND_EXE
};
#define KIND_SELF "self"
/* The path of the program into g->text, where the working directory is: its length, or an error. */
long process_exe(struct gather *g);
void control_start(void);
long control_write(struct request *rq);
long drop_caches_write(struct request *rq);

/* --- file.c ---------------------------------------------------------------------------------------------------- */
struct opened {
	struct description base;
	uint64_t node, offset;
	bool traces; /* trace_open was called for it */
	char *text;  /* NULL: not made */
	size_t length;
};
extern const struct file_ops file_handlers;
long file_open(struct request *rq, uint64_t node, uint64_t flags);
void file_release(uint64_t badge);

/* --- streams.c: files whose reads do not begin again from the start --------------------------------------- */
long stream_read(struct request *rq, struct opened *d, const struct file_kind *kind);
long trace_open(struct opened *d); /* for reading: tracing begins with the first */
void trace_close(void);

#endif
