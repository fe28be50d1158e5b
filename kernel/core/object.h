/* SPDX-License-Identifier: MIT */
/*
 * Kernel objects and the capabilities that name them.
 *
 * Every object begins with struct object and is counted: one count for each
 * capability and each kernel pointer that outlives the kernel lock. When the
 * last goes, object_put calls the type's destroy function. All of this runs
 * under the kernel lock.
 */
#ifndef KERNEL_CORE_OBJECT_H
#define KERNEL_CORE_OBJECT_H

#include <abi/errno.h>
#include <abi/kcall.h>
#include <abi/types.h>

struct object {
	uint32_t type; /* enum cap_type */
	uint32_t refs;
};

/* A slot. A send right points to its struct badge; everything else to the object. */
struct cap {
	struct object *object; /* NULL: empty */
	uint8_t rights;        /* CAP_R ... */
	bool cloexec;
	bool reserved; /* promised to a call in progress; object is NULL */
};

/* How many there are of each type, for system_info. */
extern uint64_t object_counts[CAPT_TYPES];
void kfree(void *object); /* mm/slab.c */

/* The head of a new object, with one count. */
static inline void object_begin(struct object *object, enum cap_type type)
{
	*object = (struct object){ type, 1 };
	object_counts[type]++;
}

/* The end of one: its memory is given back now; object_free() does that too. */
static inline void object_end(void *pointer)
{
	object_counts[((struct object *)pointer)->type]--;
}

static inline void object_free(void *pointer)
{
	object_end(pointer);
	kfree(pointer);
}

static inline void *object_get(void *object)
{
	((struct object *)object)->refs++;
	return object;
}

void object_put(void *object);

/*
 * Tables and endpoints are emptied after their last count has gone, a bounded part at each
 * kernel_leave, so that neither a big one nor a chain of them holds up the processor. Answers
 * whether work is left; the idle loop calls it too.
 */
bool objects_reap(unsigned budget);
extern bool work_deferred; /* an object has lost its last count, or a thread has died */

/* Each subsystem sets its destroy function here (core/object.c holds the table). */
typedef void object_destroy_fn(struct object *);
void space_destroy(struct object *);
void memory_destroy(struct object *);
void table_destroy(struct object *);
void thread_destroy(struct object *);
void endpoint_destroy(struct object *);
void badge_release(struct object *); /* last capability with this badge is gone */
void callobj_destroy(struct object *);
void notify_destroy(struct object *);
void watch_destroy(struct object *);
void irq_destroy(struct object *);
void ports_destroy(struct object *);
void quota_destroy(struct object *);
void trace_destroy(struct object *);

/*
 * Look up a handle of the current thread: the object if it has that type and
 * all of the rights, else NULL with *error set to EBADF or EPERM (positive).
 * CAP_SELF_SPACE and CAP_SELF_THREAD are understood. No count is taken.
 */
struct object *cap_lookup(cap_t handle, enum cap_type type, uint32_t rights, int *error);

/* Put an object into the current thread's private table; takes over the caller's
 * count, also on failure. Answers the handle or -ENFILE, -ENOMEM. */
long cap_install(struct object *object, uint32_t rights);
/* The slot of the current thread's table has been filled for it: its message page says so, too. */
void cap_made(long slot);

#endif
