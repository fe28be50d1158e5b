/* SPDX-License-Identifier: MIT */
/* Counts, types and look-up of kernel objects. */
#include "core/object.h"
#include "arch/arch.h"
#include "core/table.h"
#include "core/thread.h"
#include "ipc/ipc.h"
#include "mm/frame.h"
#include "mm/mm.h"

static void root_destroy(struct object *object)
{
	(void)object; /* there is one, in the kernel's own data */
}

static object_destroy_fn *const destroy[] = {
	[CAPT_SPACE] = space_destroy,       [CAPT_TABLE] = table_destroy, [CAPT_THREAD] = thread_destroy,
	[CAPT_ENDPOINT] = endpoint_destroy, [CAPT_BADGE] = badge_release, [CAPT_CALL] = callobj_destroy,
	[CAPT_NOTIFY] = notify_destroy,     [CAPT_WATCH] = watch_destroy, [CAPT_MEMORY] = memory_destroy,
	[CAPT_IRQ] = irq_destroy,           [CAPT_PORTS] = ports_destroy, [CAPT_QUOTA] = quota_destroy,
	[CAPT_ROOT] = root_destroy,         [CAPT_TRACE] = trace_destroy,
};

uint64_t object_counts[CAPT_TYPES];
bool work_deferred;
static struct list_node dying_tables = { &dying_tables, &dying_tables };
static struct list_node dying_endpoints = { &dying_endpoints, &dying_endpoints };

void object_put(void *pointer)
{
	struct object *object = pointer;

	ASSERT(object->refs > 0);
	if (--object->refs)
		return;
	work_deferred = true;
	destroy[object->type](object);
}

void table_destroy(struct object *object)
{
	list_push_back(&dying_tables, &container_of(object, struct table, object)->reap_link);
}

void endpoint_destroy(struct object *object)
{
	struct endpoint *endpoint = container_of(object, struct endpoint, object);

	endpoint->dead = true;
	list_push_back(&dying_endpoints, &endpoint->reap_link);
}

bool objects_reap(unsigned budget)
{
	if (!list_empty(&dying_tables)) {
		struct table *table = container_of(dying_tables.next, struct table, reap_link);

		if (table_reap(table, budget)) {
			list_remove(&table->reap_link);
			table_free(table);
		}
	} else if (!list_empty(&dying_endpoints)) {
		struct endpoint *endpoint = container_of(dying_endpoints.next, struct endpoint, reap_link);

		if (endpoint_reap(endpoint, budget)) {
			list_remove(&endpoint->reap_link);
			object_free(endpoint);
		}
	}
	return !list_empty(&dying_tables) || !list_empty(&dying_endpoints);
}

struct object *cap_lookup(cap_t handle, enum cap_type type, uint32_t rights, int *error)
{
	struct thread *thread = current_thread();
	struct cap self = { .rights = CAP_ALL }, *cap = handle_cap(handle);

	if (!cap && (handle == CAP_SELF_SPACE || handle == CAP_SELF_THREAD)) {
		self.object = handle == CAP_SELF_SPACE ? (struct object *)thread->space : &thread->object;
		cap = &self;
	}
	if (!cap || cap->object->type != type) {
		*error = EBADF;
		return NULL;
	}
	if (rights & ~(uint32_t)cap->rights) {
		*error = EPERM;
		return NULL;
	}
	return cap->object;
}

/* Of the last of the memory programs make nothing: services may need it to go on. */
static bool may_make_more(void)
{
	return caller_is_service() || frames_above(frames_reserve());
}

long cap_install(struct object *object, uint32_t rights)
{
	struct table *table = current_thread()->private_table;
	long slot = may_make_more() ? table_reserve(table, 0) : -ENOMEM;

	if (slot < 0) {
		object_put(object);
		return slot;
	}
	table_fill(table, slot, object, rights, false);
	cap_made(slot);
	return slot | CAP_PRIVATE;
}

void cap_made(long slot)
{
	struct thread *thread = current_thread();

	if (thread->message_page)
		thread->message_page->unnoted = slot | CAP_PRIVATE;
}
