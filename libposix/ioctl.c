/* SPDX-License-Identifier: MIT */
/*
 * ioctl(2): the server that holds the file does it; here its argument becomes a buffer. Newer requests
 * say in their number how large it is and which way it goes (ioctl-number.rst: bits 30..31
 * direction, 16..29 size); the table has the older ones.
 */
#include "libposix.h"

#include <proto/file.h>

#define IOC_WRITE 1u
#define IOC_READ 2u
#define FIONBIO 0x5421u
#define FIONCLEX 0x5450u
#define FIOCLEX 0x5451u
#define TERMIOS_SIZE 36

static const struct old_request {
	uint32_t request;
	uint16_t in, out;
} old_requests[] = {
	{ 0x5401, 0, TERMIOS_SIZE }, /* TCGETS */
	{ 0x5402, TERMIOS_SIZE, 0 }, { 0x5403, TERMIOS_SIZE, 0 }, { 0x5404, TERMIOS_SIZE, 0 },
	{ 0x540f, 0, 4 }, { 0x5410, 4, 0 },  /* TIOCGPGRP, TIOCSPGRP */
	{ 0x5411, 0, 4 },                    /* TIOCOUTQ */
	{ 0x5413, 0, 8 }, { 0x5414, 8, 0 },  /* TIOCGWINSZ, TIOCSWINSZ */
	{ 0x5415, 0, 4 }, { 0x5416, 4, 0 }, { 0x5417, 4, 0 }, { 0x5418, 4, 0 }, /* TIOCM... */
	{ 0x541b, 0, 4 },                    /* FIONREAD */
	{ 0x5429, 0, 4 },                    /* TIOCGSID */
	{ 0x125d, 4, 0 }, { 0x125e, 0, 4 },  /* BLKROSET, BLKROGET */
	{ 0x1260, 0, 8 },                    /* BLKGETSIZE */
	{ 0x1263, 0, 8 }, { 0x1268, 0, 4 },  /* BLKRAGET, BLKSSZGET */
	{ 0x1278, 0, 4 }, { 0x1279, 0, 4 }, { 0x127a, 0, 4 }, { 0x127b, 0, 4 }, /* BLKIOMIN ... BLKPBSZGET */
	{ 0x1272, 0, 8 },                    /* BLKGETSIZE64, in its old form */
};

static struct old_request sizes_of(uint32_t request)
{
	uint32_t direction = request >> 30;
	uint16_t size = request >> 16 & 0x3fff;

	for (size_t i = 0; i < sizeof(old_requests) / sizeof(*old_requests); i++)
		if (old_requests[i].request == request)
			return old_requests[i];
	return (struct old_request){ request, direction & IOC_WRITE ? size : 0,
				     direction & IOC_READ ? size : 0 };
}

static long set_nonblocking(cap_t fd, const int32_t *on)
{
	struct file_get_flags_req get = {};
	struct file_get_flags_reply got;
	struct file_set_flags_req set;
	struct file_set_flags_reply done;
	long flags = file_call_get_flags(fd, NULL, &get, &got);

	if (flags < 0)
		return flags;
	set.flags = (uint64_t)(*on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	return file_call_set_flags(fd, NULL, &set, &done);
}

long lp_ioctl(uint64_t fd, uint64_t request, uint64_t argument)
{
	struct old_request sizes = sizes_of((uint32_t)request);
	struct call_options options = {
		.in = (const void *)argument, .in_length = sizes.in,
		.out = (void *)argument, .out_length = sizes.out,
	};
	struct file_ioctl_req message = { .request = (uint32_t)request, .argument = argument };
	struct file_ioctl_reply reply;

	switch ((uint32_t)request) {
	case FIOCLEX:
	case FIONCLEX:
		return kcall(fd_flags, (cap_t)fd, 1, (uint32_t)request == FIOCLEX);
	case FIONBIO:
		return set_nonblocking((cap_t)fd, (const int32_t *)argument);
	}
	return file_call_ioctl((cap_t)fd, &options, &message, &reply);
}
