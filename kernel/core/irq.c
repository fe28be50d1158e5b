/* SPDX-License-Identifier: MIT */
/*
 * Interrupts for drivers. Between signalling and irq_ack a level line is masked; an
 * edge (or a message) that comes then is remembered and signalled at the ack, for an edge
 * that meets a masked line would be lost.
 */
#include "arch/arch.h"
#include "core/kcall.h"
#include "core/thread.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define NOTIFY_BITS 63

struct irq {
	struct object object;
	struct notify *notify; /* counted; NULL until bound */
	uint64_t bits;
	uint32_t vector;
	bool level, unacknowledged, pending;
	struct irq_message message;
};

static struct irq *irq_lookup(uint64_t handle, int *error)
{
	return (struct irq *)cap_lookup((cap_t)handle, CAPT_IRQ, CAP_CONTROL, error);
}

static void signal(struct irq *irq)
{
	irq->pending = false;
	irq->unacknowledged = true;
	notify_signal(irq->notify, irq->bits);
}

void irq_fired(void *argument)
{
	struct irq *irq = argument;

	if (irq->level)
		arch_irq_mask(irq->vector);
	if (irq->notify && !irq->unacknowledged)
		signal(irq);
	else
		irq->pending = true;
}

void irq_destroy(struct object *object)
{
	struct irq *irq = container_of(object, struct irq, object);

	arch_irq_disconnect(irq->vector);
	if (irq->notify)
		object_put(irq->notify);
	object_free(irq);
}

long sys_irq_create(uint64_t root, uint64_t line, uint64_t flags)
{
	struct irq *irq;
	long vector;
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	if (flags & ~(uint64_t)(IRQ_MSI | IRQ_LEVEL | IRQ_ACTIVE_LOW) || line > UINT32_MAX)
		return -EINVAL;
	irq = kalloc(sizeof(*irq));
	if (!irq)
		return -ENOMEM;
	object_begin(&irq->object, CAPT_IRQ);
	irq->level = (flags & (IRQ_LEVEL | IRQ_MSI)) == IRQ_LEVEL;
	vector = arch_irq_connect((uint32_t)line, (uint32_t)flags, irq, &irq->message);
	if (vector < 0) {
		object_free(irq);
		return vector;
	}
	irq->vector = (uint32_t)vector;
	return cap_install(&irq->object, CAP_ALL);
}

long sys_irq_bind(uint64_t handle, uint64_t notification, uint64_t bit)
{
	struct notify *notify;
	struct irq *irq;
	int error;

	irq = irq_lookup(handle, &error);
	if (!irq)
		return -error;
	notify = (struct notify *)cap_lookup((cap_t)notification, CAPT_NOTIFY, CAP_W, &error);
	if (!notify)
		return -error;
	if (bit >= NOTIFY_BITS)
		return -EINVAL;
	object_get(notify);
	if (irq->notify)
		object_put(irq->notify);
	irq->notify = notify;
	irq->bits = 1ul << bit;
	irq->unacknowledged = false;
	return sys_irq_ack(handle);
}

long sys_irq_ack(uint64_t handle)
{
	struct irq *irq;
	int error;

	irq = irq_lookup(handle, &error);
	if (!irq)
		return -error;
	irq->unacknowledged = false;
	if (!irq->level && irq->pending && irq->notify) {
		signal(irq);
		return 0;
	}
	irq->pending = false;
	arch_irq_unmask(irq->vector);
	return 0;
}

long sys_irq_message(uint64_t handle, uint64_t out)
{
	struct irq *irq;
	int error;

	irq = irq_lookup(handle, &error);
	if (!irq)
		return -error;
	if (!irq->message.vector)
		return -EINVAL;
	return copy_to_user(current_thread()->space, out, &irq->message, sizeof(irq->message), NULL);
}
