/* SPDX-License-Identifier: MIT */
/* Numbers, flags and structures of the kernel calls; their meaning is in kcall.def. */
#ifndef ABI_KCALL_H
#define ABI_KCALL_H

#include <abi/ipc.h>
#include <abi/types.h>

enum kcall {
#define K(number, name, args) KCALL_##name = number,
#include <abi/kcall.def>
#undef K
};

#define KCALL_FIRST 0x1000
#define KCALL_LIMIT 0x1100

/* call_send */
struct call_send {
	uint64_t op;
	uint64_t w[IPC_ALL_WORDS];
	uint64_t cookie; /* comes back with the answer */
	cap_t reply_to;  /* own endpoint whose wait delivers the answer */
	uint32_t flags;  /* IPC_INTR is implied; IPC_RECV_CAPS with recv_count */
	uint32_t recv_count;
	uint32_t caps_count;
	struct ipc_cap caps[IPC_MAX_CAPS];
	/* Buffers are ranges of memory objects; memory CAP_NONE: no buffer. */
	struct call_buffer {
		cap_t memory;
		uint32_t reserved;
		uint64_t offset, length;
	} in, out;
};

/* buf_read_mo, buf_write_mo */
struct buf_mo {
	cap_t endpoint;
	cap_t memory;
	uint64_t token;
	uint64_t buffer_offset; /* in the caller's buffer */
	uint64_t memory_offset;
	uint64_t length;
};

/* ep_calls */
struct ep_call {
	uint64_t op, words[IPC_WORDS];
	uint64_t stamp, badge;
	uint32_t deliveries; /* 0: still queued */
	int32_t number;      /* of the calling thread (thread_describe); 0 if asynchronous */
	char name[16];
};

struct phys_range {
	uint64_t address, length;
};

/* vm_map flags */
#define VM_R 0x1u
#define VM_W 0x2u
#define VM_X 0x4u                /* VM_W | VM_X together: EACCES */
#define VM_SHARED 0x8u           /* else private: copy-on-write */
#define VM_FIXED 0x10u           /* replace what is mapped at addr */
#define VM_FIXED_NOREPLACE 0x20u /* EEXIST if something is there */
#define VM_PINNED 0x40u          /* pages allocated now, copied at clone, never shared */
#define VM_STACK 0x80u           /* grows down, guard page below */
#define VM_POPULATE 0x100u
#define VM_UNCACHED 0x200u

/* User addresses: page 0..15 is never mapped; the top page of the lower half neither. */
#define VM_USER_LOW 0x10000ul
#define VM_USER_HIGH 0x7ffffffff000ul

struct vm_info {
	uint64_t start, end, offset;
	uint32_t flags, reserved;
	uint64_t object;   /* a number that names the memory object, 0 anonymous */
	uint64_t badge;    /* of a paged object: its pager's badge */
	uint64_t resident; /* pages that are there from the address asked for up to ... */
	uint64_t counted;  /* ... here: the mapping's end, or before it if there is much to count */
};

/* space_limit */
enum { SPACE_LIMIT_MAPPED, SPACE_LIMIT_DATA, SPACE_LIMIT_STACK };

struct space_stat {
	uint64_t mapped_pages, resident_pages, table_pages, shared_pages;
};

/* mo_create flags */
#define MO_CONTIGUOUS 0x1u /* physically contiguous, below 4 GiB, allocated now */
#define MO_UNCACHED 0x2u

struct mo_info {
	uint64_t size, resident_pages, dirty_pages, kind; /* kind: 0 anonymous, 1 physical, 2 paged */
	uint64_t number;                                  /* names the object, as vm_info.object */
	uint64_t mappings;
};

struct thread_create {
	cap_t space, private_table, fd_table; /* fd_table may be CAP_NONE */
	cap_t fault_endpoint;                 /* send right for faults, or CAP_NONE: thread stops */
	cap_t
	    quota; /* the right to name the caller that it will be: control of the space's quota or one above
	              * it; for a stamp of services of the root quota */
	uint32_t reserved;
	uint64_t stamp;
	uint64_t message_page; /* user address, page aligned, mapped VM_PINNED read-write in space */
	uint64_t entry, stack; /* rip, rsp */
	uint64_t argument;     /* rdi */
	uint64_t gs_base;
	uint32_t priority; /* 0 lowest .. 31 highest */
	uint32_t flags;    /* THREAD_* */
	/* Foreign system calls continue at `reflect_entry`; thread_interrupt enters
	 * `upcall_entry`. Both 0 for services. */
	uint64_t reflect_entry, upcall_entry;
	uint64_t image_start, image_end;     /* libposix text: a pc inside counts as inside */
	uint64_t restart_start, restart_end; /* a pc in [start, end) is moved back to start */
};

#define THREAD_NO_FPU 0x1u /* uses neither SIMD nor FS/GS base: servers and drivers */

enum thread_attribute {
	THREAD_PRIORITY = 1,
	THREAD_FS_BASE = 3,
	THREAD_GS_BASE,
	THREAD_FD_TABLE, /* value: capability of the table */
	THREAD_FAULT_ENDPOINT,
	THREAD_AFFINITY, /* bit mask of processors */
};

struct thread_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags, fs_base, gs_base;
};

enum thread_state {
	THREAD_STOPPED,
	THREAD_READY,
	THREAD_RUNNING,
	THREAD_CALLING,
	THREAD_WAITING,
	THREAD_SLEEPING,
	THREAD_FAULTED,
	THREAD_DEAD,
};

#define THREAD_NAME_MAX 15 /* thread_describe */

struct thread_info {
	uint64_t state, priority, processor;
	uint64_t user_ns, system_ns;
	uint64_t rip, rsp;
	uint64_t calling_badge, calling_op; /* while THREAD_CALLING */
	uint64_t affinity;                  /* the processors it may run on, a bit each */
};

/* The kernel stores the interrupted frame of an upcall at this offset of the message
 * page; libposix reads it there. While `inside` (32 bits, at its own offset) is
 * nonzero the thread counts as inside libposix, whatever its pc. */
#define THREAD_PAGE_UPCALL 1024 /* struct thread_regs */
#define THREAD_PAGE_INSIDE 1216 /* uint32_t */

enum futex_op {
	FUTEX_OP_WAIT = 0,    /* EAGAIN if *addr != value; ETIMEDOUT, EINTR */
	FUTEX_OP_WAKE = 1,    /* wake up to value; answers how many */
	FUTEX_OP_REQUEUE = 2, /* wake value, move value2 to addr2; deadline holds the
	                       * compare value | 1 << 32 for CMP_REQUEUE */
	FUTEX_OP_SHARED = 16, /* flag: key by memory object even if that costs a look-up */
};

#define IRQ_MSI 0x1u
#define IRQ_LEVEL 0x2u
#define IRQ_ACTIVE_LOW 0x4u

struct irq_message {
	uint64_t address;
	uint32_t data, vector;
};

struct klog_read {
	uint64_t offset; /* in: from where; out: where the next read begins */
	uint64_t buffer, length;
};

/* What a quota limits. Memory is what the kernel keeps for it too, in bytes rounded up to pages. */
enum quota_kind { QUOTA_MEMORY, QUOTA_THREADS, QUOTA_BADGES, QUOTA_KINDS };
#define QUOTA_NO_LIMIT UINT64_MAX
struct quota_info {
	struct {
		uint64_t limit, used;
	} kind[QUOTA_KINDS];
};

struct system_info {
	uint64_t pages_total, pages_free, pages_kernel, pages_cache;
	uint64_t processors, threads, uptime_ns, idle_ns;
	uint64_t page_faults, context_switches, interrupts, ipc_calls;
	uint64_t klog_start, klog_end;
	/* Pages: page tables in use, tables kept for the next space, blocks kept for the kernel (in pages_kernel). */
	uint64_t pages_table, tables_spare, blocks_spare;
	uint64_t kernel_bytes; /* of small objects, in use */
	uint64_t system_ns;    /* in the kernel, of all processors; neither idle nor this: in user mode */
	uint64_t capabilities; /* slots in use, of all tables */
	uint64_t objects[CAPT_TYPES]; /* by enum cap_type */
	uint64_t threads_running;     /* that have or wait for a processor */
	uint64_t runnable_ns;         /* their number, integrated over time */
	uint64_t watches_dead;        /* of the watches: revoked, or of a thread that has ended */
};

/*
 * Clock page: monotonic ns = base_ns + ((tsc - base_tsc) * multiplier >> 32),
 * read between two equal, even values of sequence.
 */
struct time_page {
	volatile uint32_t sequence, tracing; /* tracing: mark system calls by trace_mark */
	uint64_t base_tsc, base_ns, multiplier;
	uint64_t realtime_offset_ns; /* realtime = monotonic + this */
};

/*
 * What the kernel hands to RS, its first program: a page mapped at BOOT_INFO and
 * these slots of its private table.
 */
#define BOOT_INFO 0x7fff00000000ul
#define BOOT_MESSAGE_PAGE 0x7fff00010000ul
#define BOOT_ARCHIVE 0x7ff000000000ul /* the boot archive, mapped read-only */
enum boot_slot {
	BOOT_CAP_ROOT = CAP_PRIVATE | 1,
	BOOT_CAP_SPACE = CAP_PRIVATE | 2,
	BOOT_CAP_TABLE = CAP_PRIVATE | 3,
	BOOT_CAP_THREAD = CAP_PRIVATE | 4,
	BOOT_CAP_ARCHIVE = CAP_PRIVATE | 5, /* memory object */
	BOOT_CAP_QUOTA = CAP_PRIVATE | 6,   /* the root quota, which has no limits */
};

struct boot_info {
	uint64_t archive_size;
	uint64_t acpi_rsdp;       /* physical address, 0 if none */
	uint64_t framebuffer;     /* reserved */
	uint64_t kernel_entry_ns; /* monotonic clock at kernel entry */
	char command_line[512];
};

#endif
