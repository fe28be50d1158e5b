/* SPDX-License-Identifier: MIT */
/*
 * Signal actions. They live in the process block; PM is told only what it decides by: whether a
 * signal is ignored, caught or left to its default. A vfork child has its parent's memory but actions of
 * its own: when it changes one it gets a copy of the table, at the low end of its libposix stack.
 */
#include "signal.h"

#include <proto/pm.h>

#define TABLE_SIZE (sizeof(((struct process_block *)0)->actions))

static struct signal_action *own_table(void)
{
	return (struct signal_action *)((uint64_t)ipc_page() + THREAD_STACK_OFFSET);
}

static struct signal_action *table(bool change)
{
	struct lp_thread *self = lp_thread();

	if (change && self->vforked && !self->own_actions) {
		memcpy(own_table(), this_process()->actions, TABLE_SIZE);
		self->own_actions = 1;
	}
	return self->own_actions ? own_table() : this_process()->actions;
}

static bool ignored_by_default(int signal)
{
	return signal == SIGCHLD || signal == 18 || signal == 23 || signal == 28; /* CONT, URG, WINCH */
}

static uint64_t kind(const struct signal_action *action)
{
	return action->handler > SIG_IGN ? 2 : action->handler;
}

/* PM also discards what is pending when a signal is ignored from now on. */
static bool pm_must_know(int signal, const struct signal_action *old, const struct signal_action *changed)
{
	if (kind(old) != kind(changed) || changed->handler == SIG_IGN)
		return true;
	if (changed->handler == SIG_DFL && ignored_by_default(signal))
		return true;
	return signal == SIGCHLD && (old->flags ^ changed->flags) & (SA_NOCLDSTOP | SA_NOCLDWAIT);
}

static long tell_pm(int signal, const struct signal_action *action)
{
	struct pm_sigaction_req request = {
		.signal = (uint64_t)signal,
		.handler = kind(action),
		.flags = action->flags,
	};
	struct pm_sigaction_reply reply;

	return pm_call_sigaction(PROC_SLOT_PM, NULL, &request, &reply);
}

/* Under the lock. */
static void change(int signal, const struct signal_action *changed, struct signal_action *old)
{
	struct signal_action *entry = &table(true)[signal];

	*old = *entry;
	*entry = *changed;
	entry->mask &= ~SIGNAL_UNBLOCKABLE;
	if (pm_must_know(signal, old, changed))
		tell_pm(signal, changed);
}

/* struct sigaction of the system call: handler, flags, restorer, mask: as struct signal_action. */
long lp_rt_sigaction(uint64_t number, uint64_t changed, uint64_t old, uint64_t size)
{
	int signal = (int)number;
	struct signal_action action, before;

	if (size != 8 || signal < 1 || signal > SIGNAL_MAX)
		return -EINVAL;
	if (changed && SIGNAL_BIT(signal) & SIGNAL_UNBLOCKABLE)
		return -EINVAL;
	if (changed)
		action = *(struct signal_action *)changed;
	lp_lock(&this_process()->action_lock);
	if (changed)
		change(signal, &action, &before);
	else
		before = table(false)[signal];
	lp_unlock(&this_process()->action_lock);
	if (old)
		*(struct signal_action *)old = before;
	return 0;
}

/* Another thread may have changed it since PM decided. */
bool lp_action(int signal, struct signal_action *action)
{
	struct signal_action reset = { .handler = SIG_DFL };

	lp_lock(&this_process()->action_lock);
	*action = table(false)[signal];
	if (action->flags & SA_RESETHAND && action->handler > SIG_IGN) {
		table(true)[signal].handler = SIG_DFL;
		tell_pm(signal, &reset);
	}
	lp_unlock(&this_process()->action_lock);
	if (action->handler > SIG_IGN)
		return true;
	if (action->handler == SIG_DFL && !ignored_by_default(signal))
		lp_raise(signal);
	return false;
}

/* fork in a vfork child: the copy of the memory is its own. */
void lp_actions_forked(void)
{
	struct lp_thread *self = lp_thread();

	if (self->own_actions)
		memcpy(this_process()->actions, own_table(), TABLE_SIZE);
	self->vforked = self->own_actions = 0;
}
