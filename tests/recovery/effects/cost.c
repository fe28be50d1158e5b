/* SPDX-License-Identifier: MIT */
/*
 * How much longer an operation takes when its service has just been killed: a line with the median, the 99th percentile
 * and the longest in nanoseconds, which are instructions where time is counted so. The operation is one that goes to the
 * service each time.
 */
#define _GNU_SOURCE
#include "effects.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <linux/rtc.h>

#define COUNT_MAX 1000u

static int fd, ends[2];
static char block[4096] __attribute__((aligned(4096)));

static bool of_file(void)
{
	struct stat st;

	return !fstat(fd, &st);
}

static bool of_pipe(void)
{
	return write(ends[1], block, 1) == 1 && read(ends[0], block, 1) == 1;
}

static bool of_name(void)
{
	struct stat st;

	return !stat("/etc/passwd", &st);
}

static bool of_process(void)
{
	return getpgid(1) == 1;
}

static bool of_clock(void)
{
	struct rtc_time time;

	return !ioctl(fd, RTC_RD_TIME, &time);
}

static bool of_device(void)
{
	return pread(fd, block, 16, 0) == 16;
}

static bool of_terminal(void)
{
	struct termios settings;

	return !tcgetattr(fd, &settings);
}

static bool of_output(void)
{
	return !tcdrain(0);
}

/* Written and flushed, all the way to the disk. */
static bool of_disk(void)
{
	return pwrite(fd, block, 1, 0) == 1 && !fsync(fd);
}

static bool of_socket(void)
{
	int type;
	socklen_t length = sizeof type;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
}

static bool of_proc(void)
{
	return pread(fd, block, sizeof block, 0) > 0;
}

static const struct operation {
	const char *service, *path;
	bool (*run)(void);
} operations[] = {
	{ "ext2", "/etc/passwd", of_file },
	{ "tmpfs", "/tmp/cost", of_file },
	{ "procfs", "/proc/uptime", of_proc },
	{ "rs", "/proc/services", of_proc },
	{ "pipe", NULL, of_pipe },
	{ "vfs", NULL, of_name },
	{ "pm", NULL, of_process },
	{ "rtc", "/dev/rtc0", of_clock },
	{ "mem", "/dev/zero", of_device },
	{ "virtio_rng", "/dev/hwrng", of_device },
	{ "tty", "/dev/ptmx", of_terminal },
	{ "uart16550", NULL, of_output },
	{ "block", "/dev/vda", of_device },
	{ "virtio_blk", "/root/cost", of_disk },
	{ "net", NULL, of_socket },
};

static const struct operation *operation_for(const char *service)
{
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
		if (!strcmp(operations[i].service, service))
			return &operations[i];
	return NULL;
}

static bool open_for(const struct operation *operation)
{
	if (operation->run == of_pipe)
		return !pipe(ends);
	if (operation->run == of_socket)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	else if (operation->path)
		fd = open(operation->path,
			  operation->run == of_disk || !strncmp(operation->path, "/tmp", 4) ? O_RDWR | O_CREAT
											    : O_RDONLY,
			  0600);
	return fd >= 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The command and the operation, `count` times; after each there is peace for a while. */
static bool measure(const struct operation *operation, const char *command, uint64_t *took, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t began;

		usleep(200000);
		if (!operation->run())
			return false;
		began = now_ns();
		if (!control(command) || !operation->run())
			return false;
		took[i] = now_ns() - began;
	}
	qsort(took, count, sizeof *took, by_size);
	return true;
}

int cost(const char *service, unsigned count)
{
	static uint64_t without[COUNT_MAX], with[COUNT_MAX];
	const struct operation *operation = operation_for(service);
	char nothing[64], command[64];

	snprintf(nothing, sizeof nothing, "inject %s none 0", service);
	snprintf(command, sizeof command, "kill %s", service);
	if (!operation || !count || count > COUNT_MAX || !open_for(operation) ||
	    !measure(operation, nothing, without, count) || !measure(operation, command, with, count)) {
		printf("cost of %s cannot be told\n", service);
		return 1;
	}
	printf("cost %s %lu %lu %lu\n", service, (unsigned long)(with[count / 2] - without[count / 2]),
	       (unsigned long)(with[count * 99 / 100] - without[count / 2]),
	       (unsigned long)(with[count - 1] - without[count / 2]));
	return 0;
}
