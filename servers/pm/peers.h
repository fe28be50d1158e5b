/* SPDX-License-Identifier: MIT */
/* What PM tells other servers, always asynchronously. */
#ifndef PM_PEERS_H
#define PM_PEERS_H

#include "pm.h"

/* VFS gets to know a new process; then the child begins to run, and its makers are woken. */
long peers_session_fork(struct process *child, uint64_t parent_stamp);
long peers_session_create(struct process *first, void (*done)(struct process *first, long status));
void peers_session_gone(uint64_t stamp);
void peers_session_exit(int32_t session); /* its leader: the terminal hangs up */
void peers_init_ended(uint32_t wait_status);
/* vfs.sync, then rs.shutdown. */
void peers_power(uint32_t how);

#endif
