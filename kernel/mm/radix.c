/* SPDX-License-Identifier: MIT */
#include "mm/radix.h"

#include "mm/mm.h"

static unsigned slot_of(uint64_t index, unsigned level)
{
	return index >> (level * RADIX_BITS) & (RADIX_FANOUT - 1);
}

static struct radix_node *child_of(const struct radix_node *node, unsigned slot)
{
	return (struct radix_node *)node->slots[slot];
}

static bool covers(const struct radix *tree, uint64_t index)
{
	return index >> (tree->levels * RADIX_BITS) == 0;
}

uint64_t *radix_find(const struct radix *tree, uint64_t index)
{
	struct radix_node *node = tree->root;

	if (!node || !covers(tree, index))
		return NULL;
	for (unsigned level = tree->levels - 1; level > 0; level--) {
		node = child_of(node, slot_of(index, level));
		if (!node)
			return NULL;
	}
	uint64_t *word = &node->slots[slot_of(index, 0)];
	return *word ? word : NULL;
}

static struct radix_node *node_new(struct radix *tree)
{
	struct radix_node *node = kalloc(sizeof(*node));

	if (node)
		tree->nodes++;
	return node;
}

/*
 * Put nodes above the root until the tree is high enough for index. An empty tree gets its height
 * at once: an empty node below a new root would be nobody's to free.
 */
static bool grow(struct radix *tree, uint64_t index)
{
	if (index >> (RADIX_LEVELS * RADIX_BITS))
		return false;
	if (!tree->root) {
		tree->root = node_new(tree);
		if (!tree->root)
			return false;
		for (tree->levels = 1; !covers(tree, index);)
			tree->levels++;
		return true;
	}
	while (!covers(tree, index)) {
		struct radix_node *node = node_new(tree);

		if (!node)
			return false;
		node->slots[0] = (uint64_t)tree->root;
		node->used = 1;
		node->dirty = tree->root->dirty ? 1 : 0;
		tree->root = node;
		tree->levels++;
	}
	return true;
}

/* Free the nodes on the way to index that have become empty. */
static void prune(struct radix *tree, uint64_t index)
{
	struct radix_node *path[RADIX_LEVELS], *node = tree->root;
	unsigned level = tree->levels - 1;

	for (path[level] = node; level > 0; path[level] = node) {
		node = child_of(node, slot_of(index, level--));
		if (!node) {
			level++;
			break;
		}
	}
	for (; level < tree->levels && !path[level]->used; level++) {
		kfree(path[level]);
		tree->nodes--;
		if (level + 1 == tree->levels) {
			*tree = (struct radix){ 0 };
			return;
		}
		unsigned slot = slot_of(index, level + 1);
		path[level + 1]->slots[slot] = 0;
		path[level + 1]->used &= ~(1ul << slot);
		path[level + 1]->dirty &= ~(1ul << slot);
	}
}

uint64_t *radix_insert(struct radix *tree, uint64_t index, uint64_t word)
{
	if (!grow(tree, index))
		return NULL;
	struct radix_node *node = tree->root;

	for (unsigned level = tree->levels - 1; level > 0; level--) {
		unsigned slot = slot_of(index, level);
		struct radix_node *child = child_of(node, slot);

		if (!child) {
			child = node_new(tree);
			if (!child) {
				prune(tree, index);
				return NULL;
			}
			node->slots[slot] = (uint64_t)child;
			node->used |= 1ul << slot;
		}
		node = child;
	}
	node->slots[slot_of(index, 0)] = word;
	node->used |= 1ul << slot_of(index, 0);
	return &node->slots[slot_of(index, 0)];
}

uint64_t radix_remove(struct radix *tree, uint64_t index)
{
	uint64_t *word = radix_find(tree, index);

	if (!word)
		return 0;
	uint64_t old = *word;
	unsigned slot = slot_of(index, 0);
	struct radix_node *leaf = container_of(word - slot, struct radix_node, slots);

	if (leaf->dirty & 1ul << slot)
		radix_unmark(tree, index);
	*word = 0;
	leaf->used &= ~(1ul << slot);
	if (!leaf->used)
		prune(tree, index);
	return old;
}

void radix_mark(struct radix *tree, uint64_t index)
{
	struct radix_node *node = tree->root;

	for (unsigned level = tree->levels; level-- > 0;) {
		unsigned slot = slot_of(index, level);

		node->dirty |= 1ul << slot;
		if (level)
			node = child_of(node, slot);
	}
}

void radix_unmark(struct radix *tree, uint64_t index)
{
	struct radix_node *path[RADIX_LEVELS], *node = tree->root;

	for (unsigned level = tree->levels; level-- > 0;) {
		path[level] = node;
		if (level)
			node = child_of(node, slot_of(index, level));
	}
	for (unsigned level = 0; level < tree->levels; level++) {
		path[level]->dirty &= ~(1ul << slot_of(index, level));
		if (path[level]->dirty)
			break;
	}
}

/* The first index at or after *index whose bit is set on every level of `map`. */
static bool next(const struct radix *tree, uint64_t *index, bool marked)
{
	const struct radix_node *path[RADIX_LEVELS];
	unsigned level = tree->levels - 1;

	if (!tree->root || !covers(tree, *index))
		return false;
	path[level] = tree->root;
	for (;;) {
		unsigned slot = slot_of(*index, level);
		uint64_t map = marked ? path[level]->dirty : path[level]->used;
		uint64_t rest = map >> slot << slot;

		if (!rest) {
			/* Nothing more in this node: go on behind it, where the carry ends. */
			if (++level == tree->levels)
				return false;
			*index = ((*index >> (level * RADIX_BITS)) + 1) << (level * RADIX_BITS);
			while (slot_of(*index, level) == 0)
				if (++level == tree->levels)
					return false;
			continue;
		}
		unsigned found = __builtin_ctzl(rest);
		if (found != slot)
			*index = ((*index >> ((level + 1) * RADIX_BITS) << RADIX_BITS) | found)
				 << (level * RADIX_BITS);
		if (level == 0)
			return true;
		path[level - 1] = child_of(path[level], found);
		level--;
	}
}

bool radix_next(const struct radix *tree, uint64_t *index)
{
	return next(tree, index, false);
}
bool radix_next_marked(const struct radix *tree, uint64_t *index)
{
	return next(tree, index, true);
}
