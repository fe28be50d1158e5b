/* SPDX-License-Identifier: MIT */
/* Children: the record of each service and what outlives its incarnations. */
#include "rs.h"

PRESERVED struct child children[CHILDREN];

struct child *child_find(const char *name)
{
	for (unsigned i = 0; i < CHILDREN; i++)
		if (children[i].state != CHILD_FREE && !strcmp(children[i].name, name))
			return &children[i];
	return NULL;
}

struct child *child_of_badge(uint64_t badge)
{
	uint64_t number = badge & BADGE_SERVICE ? badge & ~BADGE_SERVICE : badge - BADGE_FAULT;

	if (number < FIRST_NUMBER || number - FIRST_NUMBER >= CHILDREN ||
	    children[number - FIRST_NUMBER].state == CHILD_FREE)
		return NULL;
	return &children[number - FIRST_NUMBER];
}

/* The first is called by the service's name. Further drivers get a number, further instances of
 * a file server a dot and a number. */
static void choose_name(char *name, size_t size, const struct manifest *manifest)
{
	strlcpy(name, manifest->name, size);
	for (unsigned n = 1; child_find(name); n++)
		snprintf(name, size, manifest->instance ? "%s.%u" : "%s%u", manifest->name, n);
}

/* By the order of their first start. */
static uint32_t next_class_number(const char *class)
{
	uint32_t next = 0;

	for (unsigned i = 0; i < CHILDREN; i++)
		if (children[i].state != CHILD_FREE && !strcmp(children[i].manifest->class, class) &&
		    children[i].class_number != NO_NUMBER && children[i].class_number >= next)
			next = children[i].class_number + 1;
	return next;
}

void child_enter_class(struct child *child)
{
	if (child->class_number != NO_NUMBER || !child->manifest->class[0])
		return;
	child->class_number = next_class_number(child->manifest->class);
}

/* The badge may live, or its last capability may have gone without the receiver knowing yet. */
static long right_at(cap_t endpoint, uint64_t badge)
{
	long slot = kcall(badge_create, endpoint, badge);

	if (slot == -EEXIST)
		slot = kcall(badge_cap, endpoint, badge);
	if (slot == -ENOENT) {
		kcall(badge_destroy, endpoint, badge);
		slot = kcall(badge_create, endpoint, badge);
	}
	return slot;
}

long child_right(const struct child *child, uint64_t badge)
{
	return right_at(child->endpoint, badge);
}

long rs_right(uint64_t badge)
{
	return right_at(SLOT_ENDPOINT, badge);
}

long child_memory(const struct child *child)
{
	return kcall(mo_create, page_up(child->manifest->preserved_size) + ANOLE_PAGE_SIZE, 0);
}

/* Each of these is made once and lives as long as the record. */
static bool make_objects(struct child *child)
{
	cap_t *const made[] = { &child->endpoint,  &child->notify,  &child->table,
				&child->preserved, &child->control, &child->fault };

	child->endpoint = (cap_t)tx_made(kcall(ep_create));
	child->notify = (cap_t)tx_made(kcall(notify_create));
	child->table = (cap_t)tx_made(kcall(table_create, TABLE_SLOTS, 0));
	child->preserved = (cap_t)tx_made(child_memory(child));
	child->control = (cap_t)tx_made(child_right(child, BADGE_RS));
	child->fault = (cap_t)tx_made(rs_right(BADGE_FAULT + child->number));
	for (unsigned i = 0; i < sizeof made / sizeof *made; i++)
		if (*made[i] < 0)
			return false;
	return kcall(ep_bind, child->endpoint, child->notify) == 0 &&
	       (!child->manifest->dma || kcall(ep_allow_dma, root_cap, child->endpoint) == 0);
}

struct child *child_new(const struct manifest *manifest)
{
	struct child *child = children;
	char name[32];

	while (child < children + CHILDREN && child->state != CHILD_FREE)
		child++;
	if (child == children + CHILDREN)
		return NULL;
	choose_name(name, sizeof name, manifest);
	tx_fresh(child->entries, sizeof child->entries);
	memset(child, 0, sizeof *child);
	strlcpy(child->name, name, sizeof child->name);
	child->class_number = NO_NUMBER;
	child->number = FIRST_NUMBER + (uint32_t)(child - children);
	child->manifest = manifest;
	if (!manifest->manual)
		child_enter_class(child);
	child->space = child->thread = CAP_NONE;
	child->next_slot = SLOT_FIRST_NAMED & ~CAP_PRIVATE;
	child->image = image_of(manifest->program[0] ? manifest->program : manifest->name);
	child->state = CHILD_MADE;
	if (child->image && make_objects(child))
		return child;
	slog("%s: cannot be made: %s", child->name, child->image ? "no memory" : "no valid binary");
	child_free(child);
	return NULL;
}

static void close_slot(cap_t *slot)
{
	if (*slot > 0)
		tx_close(*slot);
	*slot = CAP_NONE;
}

void child_free(struct child *child)
{
	child_timer_stop(child);
	child_destroy(child);
	close_slot(&child->control);
	close_slot(&child->table);
	close_slot(&child->fault);
	close_slot(&child->preserved);
	close_slot(&child->notify);
	close_slot(&child->endpoint);
	child->state = CHILD_FREE;
}

long child_give(struct child *child, enum startup_kind kind, const char *name, cap_t cap, uint32_t rights,
		uint64_t address, uint64_t size, bool close)
{
	struct startup_entry *entry = &child->entries[child->entry_count];
	long slot;

	if (cap < 0)
		return cap;
	slot = child->entry_count == STARTUP_ENTRIES
		   ? -ENOSPC
		   : kcall(table_put, child->table, child->next_slot, cap, rights);
	if (close)
		tx_close(cap);
	if (slot < 0)
		return slot;
	strlcpy(entry->name, name, sizeof entry->name);
	entry->kind = kind;
	entry->slot = (cap_t)(CAP_PRIVATE | child->next_slot);
	entry->address = address;
	entry->size = size;
	child->next_slot++;
	child->entry_count++;
	return 0;
}
