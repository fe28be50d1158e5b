/* SPDX-License-Identifier: MIT */
/*
 * power: a mixed load, whose traces on a disk show whether it was cut off in order.
 *
 *     power DIRECTORY DEVICE OFFSET SECONDS
 *     power read FILE SERVICE SECONDS          see read.c
 *
 * Four processes write in DIRECTORY. What one of them has made safe by fsync it then notes in a sector of its own on
 * DEVICE, from byte OFFSET on, as "NAME COUNT": a device that holds the note must hold what it is about.
 *
 *     kept     files a0, a1, ... with fsync, each of which is removed 40 files later
 *     current  is replaced by rename, with fsync of the file and of the directory
 *     log      gets records of 64 bytes, with fdatasync
 *     (churn)  directories, links, truncated and overwritten files; never fsync
 *
 * Byte n of file NAME in version v is a function of all three (pattern), so that no byte can be mistaken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "power.h"

#define KEPT 40u
#define RECORD 64
#define LARGEST 60000u

static const char *device;
static long device_offset;
static time_t end;

static void die(const char *what)
{
	printf("power: %s: %s\n", what, strerror(errno));
	exit(1);
}

void check(bool good, const char *what)
{
	if (!good)
		die(what);
}

static void note(unsigned slot, const char *name, unsigned count)
{
	char sector[512] = "";
	int fd = open(device, O_WRONLY);

	snprintf(sector, sizeof sector, "%s %u\n", name, count);
	check(fd >= 0 && pwrite(fd, sector, sizeof sector, device_offset + slot * 4096L) == sizeof sector &&
		  fsync(fd) == 0,
	      device);
	close(fd);
}

/* A file's length and bytes follow from its number. */
static unsigned length_of(unsigned n)
{
	return n * 7919u % LARGEST + 1;
}

static void write_pattern(int fd, unsigned n)
{
	static unsigned char bytes[LARGEST];
	unsigned length = length_of(n);

	for (unsigned i = 0; i < length; i++)
		bytes[i] = (unsigned char)(n * 31 + i * 7 + (i >> 8));
	for (unsigned done = 0; done < length;) {
		ssize_t n = write(fd, bytes + done, length - done);

		check(n > 0, "write");
		done += (unsigned)n;
	}
}

static void write_file(const char *name, unsigned n, bool safe)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	check(fd >= 0, name);
	write_pattern(fd, n);
	check(!safe || fsync(fd) == 0, "fsync");
	check(close(fd) == 0, "close");
}

static bool time_is_left(void)
{
	return time(NULL) < end;
}

static void keep(void)
{
	char name[32];

	for (unsigned n = 1; time_is_left(); n++) {
		snprintf(name, sizeof name, "a%u", n);
		write_file(name, n, true);
		note(0, "kept", n);
		snprintf(name, sizeof name, "a%u", n - KEPT);
		check(n <= KEPT || unlink(name) == 0, "unlink");
	}
}

static void replace(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY);

	check(dir >= 0, ".");
	for (unsigned n = 1; time_is_left(); n++) {
		write_file("next", n, true);
		check(rename("next", "current") == 0, "rename");
		check(fsync(dir) == 0, "fsync of the directory");
		note(1, "current", n);
	}
}

static void append(void)
{
	int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
	char record[RECORD + 1];

	check(fd >= 0, "log");
	for (unsigned n = 1; time_is_left(); n++) {
		snprintf(record, sizeof record, "%-*u\n", RECORD - 1, n);
		check(write(fd, record, RECORD) == RECORD && fdatasync(fd) == 0, "log");
		note(2, "log", n);
	}
}

static void churn_files(unsigned n)
{
	char name[64], other[64];
	int fd;

	snprintf(name, sizeof name, "c%u/f%u", n % 7, n % 50);
	snprintf(other, sizeof other, "c%u/a-longer-name-for-it-%u", n % 5, n % 90);
	write_file(name, n, false);
	unlink(other);
	link(name, other);
	if (n % 3 == 0)
		unlink(name);
	if (n % 4 == 0)
		rename(other, name);
	if (n % 5 == 0)
		truncate(other, 100);
	if (n % 11 == 0)
		symlink("/some/where", other);
	if (n % 6)
		return;
	fd = open("big", O_RDWR | O_CREAT, 0644);
	check(fd >= 0 && lseek(fd, n % 300 * 9000L, SEEK_SET) >= 0, "big");
	write_pattern(fd, n);
	if (n % 36 == 0)
		check(ftruncate(fd, 5000) == 0, "ftruncate");
	close(fd);
}

static void churn(void)
{
	char name[64];

	for (unsigned n = 1; time_is_left(); n++) {
		snprintf(name, sizeof name, "c%u", n % 7);
		mkdir(name, 0755);
		churn_files(n);
		snprintf(name, sizeof name, "d%u", n % 20);
		if (mkdir(name, 0755))
			rmdir(name);
	}
}

int main(int argc, char **argv)
{
	static void (*const loads[])(void) = { keep, replace, append, churn };
	int status, bad = 0;

	if (argc == 5 && !strcmp(argv[1], "read"))
		return read_under_kills(argv[2], argv[3], (unsigned)atoi(argv[4]));
	if (argc != 5 || chdir(argv[1])) {
		printf("usage: power DIRECTORY DEVICE OFFSET SECONDS\n");
		return 2;
	}
	device = argv[2];
	device_offset = atol(argv[3]);
	end = time(NULL) + atol(argv[4]);
	for (unsigned i = 0; i < sizeof loads / sizeof loads[0]; i++)
		if (fork() == 0) {
			loads[i]();
			exit(0);
		}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}
