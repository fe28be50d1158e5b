/* SPDX-License-Identifier: MIT */
/*
 * What RS hands to each service: fixed slots of its (lent) private table, a read-only
 * page at STARTUP_PAGE and mappings at fixed addresses. Addresses are the same in every incarnation.
 */
#ifndef ABI_STARTUP_H
#define ABI_STARTUP_H

#include <abi/types.h>

#define STARTUP_PAGE 0x20000000000ul
#define SERVICE_MESSAGE_PAGE 0x20000010000ul
#define SERVICE_STACK_TOP 0x20000200000ul /* 128 KiB, guard below */
/* Section .preserved first, then the preserved heap. Below 2 GiB, where code can reach variables
 * by 32-bit displacements. */
#define PRESERVED_BASE 0x40000000ul
#define PRESERVED_LIMIT (2ul << 30)
/* For each 64 bytes of the lowest 4 GiB one byte, which the service's undo log uses (lib/sys/tx.h). */
#define TX_SHADOW 0x38000000ul
#define TX_SHADOW_SIZE (64ul << 20)
#define SERVICE_SHARES 0x30000000000ul /* shared memory, each at SERVICE_SHARES_STEP */
#define SERVICE_SHARES_STEP 0x1000000000ul
#define SERVICE_WINDOW 0x40000000000ul /* from here to VM_USER_HIGH the service maps as it likes */

enum service_slot {
	SLOT_ENDPOINT = CAP_PRIVATE | 1, /* receive right of the service's endpoint */
	SLOT_NOTIFY = CAP_PRIVATE | 2,   /* bound to it */
	SLOT_SPACE = CAP_PRIVATE | 3,
	SLOT_THREAD = CAP_PRIVATE | 4,
	SLOT_PRESERVED = CAP_PRIVATE | 5, /* memory object at PRESERVED_BASE */
	SLOT_RS = CAP_PRIVATE | 6,
	SLOT_FIRST_NAMED = CAP_PRIVATE | 16, /* those that `struct startup` names */
};

/*
 * Badges at service endpoints. BADGE_PUBLIC is what PM hands to every process;
 * BADGE_SERVICE | number is the right of service `number` (manifest: uses). Servers number their own
 * objects from BADGE_FIRST_OWN up to below BADGE_SERVICE. What only services may ask, a server
 * refuses to BADGE_PUBLIC.
 */
#define BADGE_PUBLIC 1ull
#define BADGE_FIRST_OWN 0x100ull
#define BADGE_SERVICE (1ull << 62)
#define BADGE_RS (1ull << 63) /* RS itself: speaks `service` to every service */

enum startup_kind {
	STARTUP_SERVICE = 1, /* send right to a service (manifest: uses) */
	STARTUP_SHARE,       /* memory object, mapped at `address`, `size` */
	STARTUP_PORTS,       /* port range, address = base, size = count */
	STARTUP_IRQ,         /* interrupt; address = line or MSI index */
	STARTUP_BAR,         /* memory object of a PCI memory BAR; address = BAR number, size */
	STARTUP_ROOT,        /* the root capability (manifest: root) */
	STARTUP_QUOTA,       /* a quota to make processes with (manifest: quota) */
	STARTUP_FILE,        /* memory object: a file of the boot archive (manifest: file), size */
	STARTUP_DEVICE,      /* badge at pci for the device; address = PCI address, size = identity */
	STARTUP_TRACE,       /* the right to trace (manifest: trace) */
	STARTUP_GUARD,       /* of what the standby makes the next RS */
};

struct startup_entry {
	char name[24];
	uint32_t kind;
	cap_t slot;
	uint64_t address, size;
};

#define STARTUP_ENTRIES 64
struct startup {
	char name[32];        /* of the service: "virtio_blk", "virtio_blk1" ... */
	uint32_t incarnation; /* 1 the first time */
	uint32_t count;
	uint64_t stamp;
	uint64_t preserved_size;
	uint64_t boot_time_ns; /* realtime clock is set by rtc */
	char arguments[256];   /* manifest: arguments; kernel command line where asked for */
	struct startup_entry entries[STARTUP_ENTRIES];
	uint64_t crashed; /* the incarnation before died of itself, not by request */
	char reason[80];  /* ... of what */
};

#endif
