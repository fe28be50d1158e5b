/* SPDX-License-Identifier: MIT */
/* Credentials, groups, sessions, limits, priorities, names. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Each runs in a child, which answers the number of the line that failed. */
#define TRY(condition)                         \
	do {                                   \
		if (!(condition))              \
			return __LINE__ & 255; \
	} while (0)

static int in_child(int (*test)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(test());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

static int users(void)
{
	uid_t r, e, s;
	gid_t groups[4] = { 5, 6, 7 };

	TRY(setgroups(3, groups) == 0 && getgroups(0, NULL) == 3);
	memset(groups, 0, sizeof(groups));
	TRY(getgroups(4, groups) == 3 && groups[2] == 7);
	TRY(setresgid(100, 101, 102) == 0 && getgid() == 100 && getegid() == 101);
	TRY(setresuid(1000, 1001, 1002) == 0);
	TRY(getresuid(&r, &e, &s) == 0 && r == 1000 && e == 1001 && s == 1002);
	TRY(setuid(0) == -1 && errno == EPERM);
	TRY(setgroups(1, groups) == -1 && errno == EPERM);
	TRY(seteuid(1002) == 0 && geteuid() == 1002);
	TRY(setreuid(-1, 1000) == 0 && geteuid() == 1000);
	TRY(setresuid(-1, -1, 5) == -1 && errno == EPERM);
	TRY(kill(1, SIGTERM) == -1 && errno == EPERM);
	TRY(kill(getppid(), 0) == -1 && errno == EPERM);
	return 0;
}

static int root_drops(void)
{
	uid_t r, e, s;

	TRY(setuid(77) == 0 && getresuid(&r, &e, &s) == 0 && r == 77 && e == 77 && s == 77);
	TRY(setuid(0) == -1 && sethostname("x", 1) == -1 && errno == EPERM);
	return 0;
}

static int sessions(void)
{
	pid_t child;
	int status;

	TRY(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
	TRY(setsid() == -1 && errno == EPERM);
	TRY(setpgid(0, 0) == -1 && errno == EPERM);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	TRY(getpgid(child) == getpid());
	TRY(setpgid(child, child) == 0 && getpgid(child) == child);
	TRY(setpgid(child, 1) == -1 && errno == EPERM);
	TRY(setpgid(1, 1) == -1 && errno == ESRCH);
	TRY(setpgid(child, -1) == -1 && errno == EINVAL);
	TRY(getsid(child) == getpid() && getpgid(31999) == -1 && errno == ESRCH);
	kill(-child, SIGKILL);
	TRY(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
	return 0;
}

/* A stopped process whose group becomes an orphan gets SIGHUP and SIGCONT. */
static int orphans(void)
{
	int ends[2], status;
	pid_t middle;
	char byte;

	TRY(pipe(ends) == 0);
	middle = fork();
	if (!middle) {
		pid_t stopped = fork();

		if (!stopped) {
			setpgid(0, 0);
			signal(SIGHUP, SIG_IGN);
			raise(SIGSTOP);
			write(ends[1], "c", 1);
			_exit(0);
		}
		waitpid(stopped, &status, WUNTRACED);
		_exit(WIFSTOPPED(status) ? 0 : 1);
	}
	TRY(waitpid(middle, &status, 0) == middle && status == 0);
	TRY(read(ends[0], &byte, 1) == 1 && byte == 'c');
	return 0;
}

static int limits(void)
{
	struct rlimit limit;

	TRY(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 256);
	limit.rlim_cur = 10;
	TRY(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int i = 0; i < 10; i++)
		dup(0);
	TRY(dup(0) == -1 && errno == EMFILE);
	TRY(dup2(0, 10) == -1 && errno == EBADF);
	limit.rlim_cur = limit.rlim_max + 1;
	TRY(setrlimit(RLIMIT_NOFILE, &limit) == -1 && errno == EINVAL);
	TRY(getrlimit(99, &limit) == -1 && errno == EINVAL);
	TRY(setpriority(PRIO_PROCESS, 0, 5) == 0 && getpriority(PRIO_PROCESS, 0) == 5);
	TRY(nice(-3) == 2);
	return 0;
}

static int system_calls(void)
{
	struct utsname name;
	struct sysinfo info;
	char text[32] = "", a[16] = "", b[16] = "";
	cpu_set_t set;

	TRY(uname(&name) == 0 && !strcmp(name.machine, "x86_64"));
	TRY(sethostname("lizard", 6) == 0 && uname(&name) == 0 && !strcmp(name.nodename, "lizard"));
	TRY(sethostname("anole", 5) == 0);
	TRY(sysinfo(&info) == 0 && info.totalram > 1 << 20 && info.freeram < info.totalram);
	TRY(prctl(PR_SET_NAME, "a_long_name_that_is_cut") == 0 && prctl(PR_GET_NAME, text) == 0);
	TRY(!strcmp(text, "a_long_name_tha"));
	TRY(getrandom(a, 16, 0) == 16 && getrandom(b, 16, 0) == 16 && memcmp(a, b, 16));
	TRY(sched_yield() == 0 && sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0);
	TRY(syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER && sched_get_priority_max(SCHED_FIFO) == 99);
	TRY(personality(0xffffffff) == 0);
	TRY(syscall(400) == -1 && errno == ENOSYS);
	TRY(syscall(100000) == -1 && errno == ENOSYS);
	return 0;
}

static int random_after_fork(void)
{
	unsigned char mine[16], theirs[16];
	int ends[2];

	TRY(pipe(ends) == 0);
	if (!fork()) {
		getrandom(theirs, 16, 0);
		write(ends[1], theirs, 16);
		_exit(0);
	}
	TRY(read(ends[0], theirs, 16) == 16 && getrandom(mine, 16, 0) == 16);
	TRY(memcmp(mine, theirs, 16));
	wait(NULL);
	return 0;
}

static int death_signal(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	TRY(pipe(ends) == 0);
	pid = fork();
	if (!pid) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			write(ends[1], "r", 1);
			pause();
		}
		read(ends[0], &byte, 1);
		_exit(0);
	}
	close(ends[1]);
	waitpid(pid, NULL, 0);
	TRY(read(ends[0], &byte, 1) == 0);
	return 0;
}

int main(void)
{
	CHECK("users", in_child(users) == 0);
	CHECK("root_drops", in_child(root_drops) == 0);
	CHECK("sessions", in_child(sessions) == 0);
	CHECK("orphans", in_child(orphans) == 0);
	CHECK("limits", in_child(limits) == 0);
	CHECK("system_calls", in_child(system_calls) == 0);
	CHECK("random_after_fork", in_child(random_after_fork) == 0);
	CHECK("death_signal", in_child(death_signal) == 0);
	return check_result();
}
