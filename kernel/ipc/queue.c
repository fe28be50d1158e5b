/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait at an endpoint: by priority, in the order of coming within one, so that a server that a user keeps
 * busy answers the others first. Now and then it is the turn of the lowest, that nobody waits for ever.
 */
#include "ipc/ipc.h"

#define LOWEST_TURN 32u         /* every so many calls */
#define AGAIN (CALL_LEVELS - 1) /* the level of those that had been received: nothing overtakes them */

void call_queue_init(struct call_queue *queue)
{
	for (unsigned level = 0; level < CALL_LEVELS; level++)
		list_init(&queue->calls[level]);
}

/* The calls of one service keep their order: its priority changes with whom it serves. */
static uint8_t level_of(struct caller *caller)
{
	struct thread *thread = caller->kind == CALLER_THREAD ? caller_thread(caller) : current_thread();

	return caller->kind == CALLER_THREAD ? thread->priority : thread->base_priority;
}

void call_queue_enter(struct call_queue *queue, struct caller *caller)
{
	caller->level = level_of(caller);
	queue->levels |= 1u << caller->level;
	list_push_back(&queue->calls[caller->level], &caller->link);
}

void call_queue_return(struct call_queue *queue, struct caller *caller)
{
	caller->level = AGAIN;
	queue->levels |= 1u << caller->level;
	list_push_front(&queue->calls[caller->level], &caller->link);
}

void call_queue_leave(struct call_queue *queue, struct caller *caller)
{
	list_remove(&caller->link);
	if (list_empty(&queue->calls[caller->level]))
		queue->levels &= ~(1u << caller->level);
}

struct caller *call_queue_next(struct call_queue *queue)
{
	bool lowest = ++queue->taken % LOWEST_TURN == 0 && !(queue->levels >> AGAIN);
	int level = lowest ? __builtin_ctz(queue->levels) : 31 - __builtin_clz(queue->levels);

	return container_of(queue->calls[level].next, struct caller, link);
}
