/* SPDX-License-Identifier: MIT */
/* poll's waiting, for epoll. */
#ifndef LIBPOSIX_POLL_H
#define LIBPOSIX_POLL_H

#include <stdbool.h>
#include <stdint.h>

struct pollfd {
	int32_t fd;
	int16_t events, revents;
};

/* Answers how many are ready by the monotonic deadline (0: at once, UINT64_MAX: never), or -errno. first_wakes: a
 * change at the first ends the waiting even if it is over again. */
long lp_poll_until(struct pollfd *fds, uint64_t count, uint64_t deadline, bool first_wakes);

#endif
