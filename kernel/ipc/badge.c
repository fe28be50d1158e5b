/* SPDX-License-Identifier: MIT */
/*
 * Badges: a treap by number below each endpoint, so look-up is logarithmic and listing is
 * in order. A badge whose last capability has gone stays until the endpoint's holder
 * acknowledges its release.
 */
#include "core/kcall.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

struct badge *badge_find(struct endpoint *endpoint, uint64_t number)
{
	struct badge *badge = endpoint->badges;

	while (badge && badge->number != number)
		badge = number < badge->number ? badge->left : badge->right;
	return badge;
}

/* The smallest number above `after`. */
static struct badge *badge_above(struct endpoint *endpoint, uint64_t after)
{
	struct badge *badge = endpoint->badges, *best = NULL;

	while (badge) {
		if (badge->number > after) {
			best = badge;
			badge = badge->left;
		} else {
			badge = badge->right;
		}
	}
	return best;
}

/* Heap order by a mix of the number (the finaliser of MurmurHash3) and where it lies. */
static uint32_t heap_key(const struct badge *badge)
{
	uint64_t x = badge->number ^ (uintptr_t)badge;

	x = (x ^ x >> 33) * 0xff51afd7ed558ccdul;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ul;
	return x ^ x >> 33;
}

/* Everything in `tree` below `number` to *low, the rest to *high. */
static void treap_split(struct badge *tree, uint64_t number, struct badge **low, struct badge **high)
{
	while (tree) {
		if (tree->number < number) {
			*low = tree;
			low = &tree->right;
			tree = tree->right;
		} else {
			*high = tree;
			high = &tree->left;
			tree = tree->left;
		}
	}
	*low = *high = NULL;
}

static void badge_insert(struct endpoint *endpoint, struct badge *badge)
{
	struct badge **place = &endpoint->badges;

	badge->heap = heap_key(badge);
	while (*place && (*place)->heap >= badge->heap)
		place = badge->number < (*place)->number ? &(*place)->left : &(*place)->right;
	treap_split(*place, badge->number, &badge->left, &badge->right);
	*place = badge;
	badge->endpoint = endpoint;
}

static void treap_remove(struct endpoint *endpoint, struct badge *badge)
{
	struct badge **place = &endpoint->badges, *left = badge->left, *right = badge->right;

	while (*place != badge)
		place = badge->number < (*place)->number ? &(*place)->left : &(*place)->right;
	while (left && right) {
		if (left->heap >= right->heap) {
			*place = left;
			place = &left->right;
			left = left->right;
		} else {
			*place = right;
			place = &right->left;
			right = right->left;
		}
	}
	*place = left ? left : right;
}

/* From now on dead: calls to it answer EIO. */
void badge_remove(struct badge *badge)
{
	struct endpoint *endpoint = badge->endpoint;

	treap_remove(endpoint, badge);
	badge->endpoint = NULL;
	badge_refund(badge);
	if (!badge->released)
		return;
	list_remove(&badge->link);
	if (list_empty(&endpoint->releases))
		endpoint->pending &= ~PENDING_RELEASE;
	object_free(badge);
}

void badge_release(struct object *object)
{
	struct badge *badge = container_of(object, struct badge, object);
	struct endpoint *endpoint = badge->endpoint;

	if (!endpoint) {
		object_end(badge);
		badge_refund(badge);
		kfree(badge);
		return;
	}
	badge->released = true;
	list_push_back(&endpoint->releases, &badge->link);
	endpoint->pending |= PENDING_RELEASE;
	endpoint_poll(endpoint);
}

static struct endpoint *endpoint_arg(uint64_t handle, int *error)
{
	return (struct endpoint *)cap_lookup(handle, CAPT_ENDPOINT, 0, error);
}

/* The slot comes first, so that a badge which nobody got is never released. */
long sys_badge_create(uint64_t handle, uint64_t number)
{
	struct table *table = current_thread()->private_table;
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	struct badge *badge;
	long slot;

	if (!endpoint)
		return -error;
	if (!number)
		return -EINVAL;
	if (badge_find(endpoint, number))
		return -EEXIST;
	slot = table_reserve(table, 0);
	if (slot < 0)
		return slot;
	badge = kalloc(sizeof(*badge));
	if (!badge) {
		table_clear(table, slot);
		return -ENOMEM;
	}
	object_begin(&badge->object, CAPT_BADGE);
	badge->number = number;
	badge_insert(endpoint, badge);
	table_fill(table, slot, &badge->object, CAP_ALL, false);
	cap_made(slot);
	return slot | CAP_PRIVATE;
}

long sys_badge_destroy(uint64_t handle, uint64_t number)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	struct badge *badge;

	if (!endpoint)
		return -error;
	badge = badge_find(endpoint, number);
	if (!badge)
		return -ENOENT;
	badge_remove(badge);
	return 0;
}

#define LIST_LOOKS 1024u /* badges that one step looks at; released ones are left out */
#define LIST_BATCH 64u

/* Up to `count` numbers from step->at on. */
static uint64_t list_batch(struct endpoint *endpoint, struct step *step, uint64_t *numbers, uint64_t count,
			   unsigned *looks)
{
	uint64_t found = 0;

	while (found<count && * looks> 0) {
		struct badge *badge = badge_above(endpoint, step->at);

		if (!badge)
			break;
		--*looks;
		step->at = badge->number;
		if (!badge->released)
			numbers[found++] = badge->number;
	}
	return found;
}

static long list_step(struct endpoint *endpoint, struct step *step, uint64_t out, uint64_t count)
{
	uint64_t numbers[LIST_BATCH], found, wanted;
	unsigned looks = LIST_LOOKS;
	long error;

	do {
		wanted = count - step->done < LIST_BATCH ? count - step->done : LIST_BATCH;
		found = list_batch(endpoint, step, numbers, wanted, &looks);
		error = copy_to_user(current_thread()->space, out + step->done * sizeof(numbers[0]), numbers,
				     found * sizeof(numbers[0]), NULL);
		if (error)
			return error;
		step->done += found;
	} while (found == wanted && step->done < count && looks > 0);
	return looks > 0 || step->done == count ? (long)step->done : KCALL_RESTART;
}

long sys_badge_list(uint64_t handle, uint64_t after, uint64_t out, uint64_t count)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	struct step *step;

	if (!endpoint)
		return -error;
	if (count > 4096)
		count = 4096; /* as many as one call lists */
	step = step_resume(KCALL_badge_list, (uintptr_t)endpoint, after, out, count);
	if (step->at < after)
		step->at = after;
	return step_end(step, list_step(endpoint, step, out, count));
}

long sys_badge_cap(uint64_t handle, uint64_t number)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	struct badge *badge;

	if (!endpoint)
		return -error;
	badge = badge_find(endpoint, number);
	if (!badge || badge->released)
		return -ENOENT;
	return cap_install(object_get(badge), CAP_ALL);
}
