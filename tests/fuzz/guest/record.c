/* SPDX-License-Identifier: MIT */
/*
 * Messages that honest programs send, as the kernel's trace has them: root's supervisor runs some while it is on. Workers
 * send them again with changes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define RECORDED_MAX 2048u
#define OF_A_KIND 24u /* of one operation */

static struct {
	unsigned count;
	struct trace_record records[RECORDED_MAX];
} * recorded;

static unsigned of_its_kind(uint64_t op)
{
	unsigned count = 0;

	for (unsigned i = 0; i < recorded->count; i++)
		count += recorded->records[i].op == op;
	return count;
}

static void take(const struct trace_record *r)
{
	if (r->kind == TRACE_CALL && !(r->flags & TRACE_KERNEL) && recorded->count < RECORDED_MAX &&
	    known_operation(r->op) && of_its_kind(r->op) < OF_A_KIND)
		recorded->records[recorded->count++] = *r;
}

static void take_all(int file)
{
	static struct trace_record some[64];
	ssize_t length;

	while ((length = read(file, some, sizeof some)) > 0) {
		for (size_t i = 0; i < (size_t)length / sizeof *some; i++)
			take(&some[i]);
		if (length < (ssize_t)sizeof some)
			return;
	}
}

/* The workloads of replay.c, and a shell with programs. */
static void honest_work(unsigned uid)
{
	static const char script[] =
	    "cd /tmp/fuzz; mkdir -p rec; cd rec; ls -lR /proc/self /dev >list; sort <list | cat >two;"
	    " cp two three; chmod 600 two; ln -s two four; mv three five; df; ps; kill -0 $$;"
	    " (sleep 0.01 & wait); touch -t 202001010000 two; find . -type f | xargs wc;"
	    " ifconfig -a; netstat -an; nslookup localhost; cd ..; rm -r rec";
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		if (setgroups(0, NULL) || setgid(uid) || setuid(uid) || chdir("/home/fuzz"))
			_exit(1);
		alarm(20);
		replay_kind.prepare();
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

void record_messages(unsigned uid)
{
	int file = open("/proc/trace", O_RDONLY | O_NONBLOCK);

	recorded = mmap(NULL, sizeof *recorded, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (recorded == MAP_FAILED)
		_exit(1);
	if (file < 0)
		return;
	honest_work(uid);
	take_all(file);
	close(file);
	mprotect(recorded, sizeof *recorded, PROT_READ);
}

unsigned recorded_count(void)
{
	return recorded->count;
}

const struct trace_record *recorded_message(struct dice *d)
{
	return recorded->count && rarely(d, 2) ? &recorded->records[below(d, recorded->count)] : NULL;
}
