/* SPDX-License-Identifier: MIT */
/* Who pays for what processes take of the machine: one quota for each user. */
#ifndef PM_QUOTA_H
#define PM_QUOTA_H

#include "pm.h"

extern cap_t process_quota; /* of all processes: the right to make any */
long quota_start(bool restarted);
/* The quota that pays for the processes of this (real) user. */
cap_t quota_of(uint32_t uid);
/* The process's real user has changed: its memory and tables are charged to the other's from now on. */
void quota_move(struct process *process);
/*
 * A process has found no memory: whose quota is used up? QUOTA_USER: its user's; QUOTA_USERS: that of
 * all but root, *uid takes most of it; QUOTA_ALL: that of all processes; QUOTA_FREE: none.
 */
enum quota_shortage { QUOTA_FREE, QUOTA_USER, QUOTA_USERS, QUOTA_ALL };
enum quota_shortage quota_short(const struct process *process, uint32_t *uid);

#endif
