/* SPDX-License-Identifier: MIT */
/*
 * Record locks (fcntl) and whole-file locks (flock) of the files that a server holds. A file's locks are
 * a struct file_locks in its node, zero when there are none. The owner of a record lock is a process,
 * named by its stamp; the owner of a flock is an open-file description, named by its badge.
 *
 * locks.c knows ranges and owners and nothing of messages. lock_ops.c answers the operations lock,
 * flock and close_notice of the file protocol; a server's handlers only pass them on:
 *
 *     return lock_request(rq, &node->locks, request, reply);
 *     return flock_request(rq, &node->locks, rq->badge, request->operation);
 *
 * and it calls locks_close_description when a description is released, locks_free when a node goes.
 * A process that dies announces nothing: its locks are found stale by whoever meets them.
 */
#ifndef LIB_FS_LOCKS_H
#define LIB_FS_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#define LOCK_TYPE_READ 0u  /* F_RDLCK */
#define LOCK_TYPE_WRITE 1u /* F_WRLCK */
#define LOCK_TYPE_NONE 2u  /* F_UNLCK */
#define LOCK_END INT64_MAX /* `last` of a lock without end */

#define FLOCK_SHARED 1u /* LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN */
#define FLOCK_EXCLUSIVE 2u
#define FLOCK_NONBLOCK 4u
#define FLOCK_UNLOCK 8u

/* Both bytes included. Records of one owner never overlap; the list is in no order. */
struct lock_record {
	struct lock_record *next;
	uint64_t owner;
	int64_t first, last;
	uint32_t type;
	int32_t pid;
};

struct flock_hold {
	struct flock_hold *next;
	uint64_t description;
	uint32_t type; /* FLOCK_SHARED or FLOCK_EXCLUSIVE */
};

struct file_locks {
	struct lock_record *records;
	struct flock_hold *flocks;
};

/* Whether a process that holds locks still lives; lock_ops.c asks the process table. */
typedef bool lock_owner_alive(uint64_t owner);

/* The first record of another living owner that `wanted` conflicts with, NULL. */
struct lock_record *locks_conflict(struct file_locks *locks, const struct lock_record *wanted,
				   lock_owner_alive *alive);
/* Set or (LOCK_TYPE_NONE) clear a range. -EAGAIN if it conflicts, -ENOLCK without memory, when nothing
 * has changed. */
long locks_set(struct file_locks *locks, const struct lock_record *wanted, lock_owner_alive *alive);
/* Answers whether it had any. */
bool locks_clear_owner(struct file_locks *locks, uint64_t owner);
/* -EAGAIN if another description's lock conflicts; converting a lock first gives up the old one. */
long flock_set(struct file_locks *locks, uint64_t description, uint32_t operation);
bool flock_held(const struct file_locks *locks, uint64_t description);
bool flock_clear(struct file_locks *locks, uint64_t description);
void locks_free(struct file_locks *locks);

/* lock_ops.c */
struct request;
struct file_lock_req;
struct file_lock_reply;
long lock_request(struct request *rq, struct file_locks *locks, const struct file_lock_req *request,
		  struct file_lock_reply *reply);
long flock_request(struct request *rq, struct file_locks *locks, uint64_t description, uint64_t operation);
/* close_notice: the process gives up all its record locks on the file. */
void locks_close_notice(struct file_locks *locks, uint64_t stamp);
void locks_close_description(struct file_locks *locks, uint64_t description);

#endif
