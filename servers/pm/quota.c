/* SPDX-License-Identifier: MIT */
/*
 * Quotas of users, in a tree: `process_quota` is for every process, root's are charged to it directly; below it
 * `users` is for everybody else's, and below that is one for each user. What a parent does not let its
 * children have is for those beside them: an eighth of the memory is the servers', another only root's.
 */
#include "quota.h"

#include <sys/server.h>

#define USERS_MAX 128u
#define CLOSE_PAGES 32u /* a quota with no more room than that is used up */

/* A user who has nothing charged any more may lose the place to another. */
struct user {
	uint32_t uid;
	cap_t quota; /* 0: the place is free */
};
static PRESERVED struct user users[USERS_MAX];
static PRESERVED cap_t users_quota;
static PRESERVED uint64_t user_pages;
cap_t process_quota;

static long set_limits(cap_t quota, uint64_t threads, uint64_t badges)
{
	long status = kcall(quota_limit, quota, QUOTA_THREADS, threads);

	return status < 0 ? status : kcall(quota_limit, quota, QUOTA_BADGES, badges);
}

long quota_start(bool restarted)
{
	const struct startup_entry *entry = startup_find(STARTUP_QUOTA, "quota", 0);
	struct system_info info = { 0 };
	long status;

	if (!entry)
		return -ENOENT;
	process_quota = entry->slot;
	if (restarted && users_quota)
		return 0;
	kcall(system_info, &info);
	user_pages = info.pages_total / 2;
	status = kcall(quota_limit, process_quota, QUOTA_MEMORY, info.pages_total - info.pages_total / 8);
	if (status >= 0)
		status = kcall(quota_create, process_quota, info.pages_total - info.pages_total / 4);
	if (status < 0)
		return status;
	users_quota = (cap_t)status;
	status = set_limits(users_quota, THREAD_POOL - THREAD_POOL / 4, BADGES_MAX - BADGES_MAX / 4);
	return status < 0 ? status : 0;
}

static bool is_unused(const struct user *user)
{
	struct quota_info info;

	if (kcall(quota_info, user->quota, &info) < 0)
		return false;
	for (unsigned kind = 0; kind < QUOTA_KINDS; kind++)
		if (info.kind[kind].used)
			return false;
	return true;
}

static struct user *free_place(void)
{
	for (struct user *user = users; user < users + USERS_MAX; user++)
		if (!user->quota)
			return user;
	for (struct user *user = users; user < users + USERS_MAX; user++) {
		if (!is_unused(user))
			continue;
		tx_close(user->quota);
		user->quota = 0;
		return user;
	}
	return NULL;
}

/* More users than places share what all of them may have. */
static cap_t make_quota(uint32_t uid)
{
	struct user *user = free_place();
	long quota = user ? tx_made(kcall(quota_create, users_quota, user_pages)) : -ENOSPC;

	if (quota < 0)
		return users_quota;
	set_limits((cap_t)quota, THREAD_POOL / 2, BADGES_MAX / 2);
	*user = (struct user){ uid, (cap_t)quota };
	return user->quota;
}

cap_t quota_of(uint32_t uid)
{
	if (!uid)
		return process_quota;
	for (const struct user *user = users; user < users + USERS_MAX; user++)
		if (user->quota && user->uid == uid)
			return user->quota;
	return make_quota(uid);
}

/* In memory that it shares with its parent (vfork) its exec will be charged. */
void quota_move(struct process *process)
{
	cap_t quota = quota_of(process_entry(process)->uid);

	if (process->image && process->image->users == 1)
		kcall(quota_attach, process->image->space, quota);
	kcall(quota_attach, process->fd_table, quota);
	kcall(quota_attach, process->private_table, quota);
}

static bool used_up(cap_t quota)
{
	struct quota_info info;

	return kcall(quota_info, quota, &info) >= 0 &&
	       info.kind[QUOTA_MEMORY].used + CLOSE_PAGES > info.kind[QUOTA_MEMORY].limit;
}

static uint32_t largest_user(void)
{
	struct quota_info info;
	uint64_t most = 0;
	uint32_t uid = 0;

	for (const struct user *user = users; user < users + USERS_MAX; user++) {
		if (!user->quota || kcall(quota_info, user->quota, &info) < 0 ||
		    info.kind[QUOTA_MEMORY].used <= most)
			continue;
		most = info.kind[QUOTA_MEMORY].used;
		uid = user->uid;
	}
	return uid;
}

enum quota_shortage quota_short(const struct process *process, uint32_t *uid)
{
	*uid = process_entry(process)->uid;
	if (*uid && used_up(quota_of(*uid)))
		return QUOTA_USER;
	if (*uid && used_up(users_quota)) {
		*uid = largest_user();
		return QUOTA_USERS;
	}
	return used_up(process_quota) ? QUOTA_ALL : QUOTA_FREE;
}
