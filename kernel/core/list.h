/* SPDX-License-Identifier: MIT */
/* Circular doubly linked lists with the links inside the members. */
#ifndef KERNEL_CORE_LIST_H
#define KERNEL_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
	struct list_node *next, *prev;
};

static inline void list_init(struct list_node *head)
{
	head->next = head->prev = head;
}
static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}
/* A node that is on no list is either zero or points to itself. */
static inline bool list_linked(const struct list_node *node)
{
	return node->next && node->next != node;
}

static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
	node->next = at;
	node->prev = at->prev;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_push_back(struct list_node *head, struct list_node *node)
{
	list_insert_before(head, node);
}

static inline void list_push_front(struct list_node *head, struct list_node *node)
{
	list_insert_before(head->next, node);
}

static inline void list_remove(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = node;
}

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define list_for_each(node, head) for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

#endif
