/* SPDX-License-Identifier: MIT */
/*
 * Interrupts for drivers. A level line may have several drivers; each has an interrupt object of
 * its own. When it fires it is masked and all are signalled; it is open again when each has
 * acknowledged. An edge (or a message) that comes between signalling and irq_ack is remembered and
 * signalled at the ack, for an edge that meets a masked line would be lost.
 */
#include "arch/arch.h"
#include "core/kcall.h"
#include "core/list.h"
#include "core/thread.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define NOTIFY_BITS 63

/* A vector. One that is not a level line has one object. */
struct line {
	uint32_t gsi, vector, flags;
	uint32_t unacknowledged; /* objects that have been signalled */
	struct list_node irqs;
	struct list_node link; /* of all level lines */
};

struct irq {
	struct object object;
	struct notify *notify; /* counted; NULL until bound */
	uint64_t bits;
	struct line *line;
	struct list_node link;
	bool unacknowledged, pending;
	struct irq_message message;
};

static struct list_node level_lines = { &level_lines, &level_lines };

static struct irq *irq_lookup(uint64_t handle, int *error)
{
	return (struct irq *)cap_lookup((cap_t)handle, CAPT_IRQ, CAP_CONTROL, error);
}

static bool is_level(const struct line *line)
{
	return (line->flags & (IRQ_LEVEL | IRQ_MSI)) == IRQ_LEVEL;
}

static void signal(struct irq *irq)
{
	irq->pending = false;
	irq->unacknowledged = true;
	irq->line->unacknowledged++;
	notify_signal(irq->notify, irq->bits);
}

static void acknowledged(struct irq *irq)
{
	if (irq->unacknowledged)
		irq->line->unacknowledged--;
	irq->unacknowledged = false;
}

void irq_fired(void *argument)
{
	struct line *line = argument;
	struct list_node *node;

	if (is_level(line))
		arch_irq_mask(line->vector);
	list_for_each(node, &line->irqs)
	{
		struct irq *irq = container_of(node, struct irq, link);

		if (irq->notify && !irq->unacknowledged)
			signal(irq);
		else
			irq->pending = true;
	}
}

static void line_open(struct line *line)
{
	if (!line->unacknowledged)
		arch_irq_unmask(line->vector);
}

static void line_free(struct line *line)
{
	if (list_linked(&line->link))
		list_remove(&line->link);
	kfree(line);
}

/* The others of a line need not wait for one that is gone. */
void irq_destroy(struct object *object)
{
	struct irq *irq = container_of(object, struct irq, object);
	struct line *line = irq->line;

	list_remove(&irq->link);
	acknowledged(irq);
	if (list_empty(&line->irqs)) {
		arch_irq_disconnect(line->vector);
		line_free(line);
	} else {
		line_open(line);
	}
	if (irq->notify)
		object_put(irq->notify);
	object_free(irq);
}

/* A line that is there already, if it may be shared. */
static struct line *line_find(uint32_t gsi, uint32_t flags)
{
	struct list_node *node;

	list_for_each(node, &level_lines)
	{
		struct line *line = container_of(node, struct line, link);

		if (line->gsi == gsi && line->flags == flags)
			return line;
	}
	return NULL;
}

static struct line *line_new(uint32_t gsi, uint32_t flags, struct irq *irq, long *error)
{
	struct line *line = kalloc(sizeof(*line));
	long vector;

	*error = -ENOMEM;
	if (!line)
		return NULL;
	*line = (struct line){ .gsi = gsi, .flags = flags };
	list_init(&line->irqs);
	vector = arch_irq_connect(gsi, flags, line, &irq->message);
	if (vector < 0) {
		*error = vector;
		kfree(line);
		return NULL;
	}
	line->vector = (uint32_t)vector;
	if (is_level(line))
		list_push_back(&level_lines, &line->link);
	return line;
}

long sys_irq_create(uint64_t root, uint64_t line, uint64_t flags)
{
	struct irq *irq;
	long failed;
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	if (flags & ~(uint64_t)(IRQ_MSI | IRQ_LEVEL | IRQ_ACTIVE_LOW) || line > UINT32_MAX)
		return -EINVAL;
	irq = kalloc(sizeof(*irq));
	if (!irq)
		return -ENOMEM;
	object_begin(&irq->object, CAPT_IRQ);
	irq->line = line_find((uint32_t)line, (uint32_t)flags);
	if (!irq->line)
		irq->line = line_new((uint32_t)line, (uint32_t)flags, irq, &failed);
	if (!irq->line) {
		object_free(irq);
		return failed;
	}
	list_push_back(&irq->line->irqs, &irq->link);
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
	return sys_irq_ack(handle);
}

long sys_irq_ack(uint64_t handle)
{
	struct irq *irq;
	int error;

	irq = irq_lookup(handle, &error);
	if (!irq)
		return -error;
	acknowledged(irq);
	if (!is_level(irq->line) && irq->pending && irq->notify) {
		signal(irq);
		return 0;
	}
	irq->pending = false;
	line_open(irq->line);
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
