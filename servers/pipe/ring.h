/* SPDX-License-Identifier: MIT */
/* A bounded queue of bytes. No IPC in here: data goes in and out through contiguous pieces. */
#ifndef PIPE_RING_H
#define PIPE_RING_H

#include <stddef.h>
#include <stdint.h>

#define RING_SIZE 65536u /* a power of two; what Linux gives a pipe */

struct ring {
	uint8_t *data;       /* RING_SIZE bytes */
	uint32_t head, used; /* head: where the next byte is read */
};

static inline uint32_t ring_used(const struct ring *ring)
{
	return ring->used;
}
static inline uint32_t ring_room(const struct ring *ring)
{
	return RING_SIZE - ring->used;
}

/* The contiguous piece from which to read, or into which to write, at most `length` bytes; its
 * size in *piece. */
static inline uint8_t *ring_read_piece(const struct ring *ring, size_t length, size_t *piece)
{
	size_t to_end = RING_SIZE - ring->head;
	size_t limit = ring->used < length ? ring->used : length;

	*piece = limit < to_end ? limit : to_end;
	return ring->data + ring->head;
}

static inline uint8_t *ring_write_piece(const struct ring *ring, size_t length, size_t *piece)
{
	uint32_t tail = (ring->head + ring->used) & (RING_SIZE - 1);
	size_t to_end = RING_SIZE - tail;
	size_t limit = ring_room(ring) < length ? ring_room(ring) : length;

	*piece = limit < to_end ? limit : to_end;
	return ring->data + tail;
}

/* The bytes have been copied out, or in. An empty ring starts at its beginning again, so that a
 * pipe that is kept drained touches little memory. */
static inline void ring_consumed(struct ring *ring, size_t length)
{
	ring->used -= (uint32_t)length;
	ring->head = ring->used ? (ring->head + (uint32_t)length) & (RING_SIZE - 1) : 0;
}

static inline void ring_produced(struct ring *ring, size_t length)
{
	ring->used += (uint32_t)length;
}

#endif
