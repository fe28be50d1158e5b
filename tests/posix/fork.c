/* SPDX-License-Identifier: MIT */
/* fork, vfork, posix_spawn, exit and wait. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

extern char **environ;

static int status_of(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void test_exit_codes(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(42);
	status = status_of(pid);
	CHECK("exit_code", WIFEXITED(status) && WEXITSTATUS(status) == 42);
	pid = fork();
	if (!pid) {
		raise(SIGKILL);
		_exit(1);
	}
	status = status_of(pid);
	CHECK("killed_status", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_ERROR("no_children", wait(&status), ECHILD);
}

static void test_memory_is_private(void)
{
	static volatile int value = 1;
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid) {
		value = 2;
		*shared = 7;
		_exit(value == 2 ? 0 : 1);
	}
	CHECK("child_ran", status_of(pid) == 0);
	CHECK("private_memory_is_copied", value == 1);
	CHECK("shared_memory_is_shared", *shared == 7);
	munmap(shared, 4096);
}

static void test_identity(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid)
		_exit(getppid() == parent && getpid() != parent && gettid() == getpid() ? 0 : 1);
	CHECK("child_knows_pids", status_of(pid) == 0);
	CHECK("parent_pid_unchanged", getpid() == parent);
}

static void test_descriptors(void)
{
	int ends[2];
	char byte = 0;
	pid_t pid;

	NEED(pipe(ends) == 0);
	pid = fork();
	if (!pid) {
		write(ends[1], "x", 1);
		_exit(0);
	}
	close(ends[1]);
	CHECK("pipe_from_child", read(ends[0], &byte, 1) == 1 && byte == 'x');
	CHECK("pipe_ends_with_child", read(ends[0], &byte, 1) == 0);
	close(ends[0]);
	status_of(pid);
}

static void test_vfork(void)
{
	static volatile int seen;
	pid_t pid = vfork();

	if (!pid) {
		seen = 5;
		_exit(3);
	}
	CHECK("vfork_shares_memory", seen == 5);
	CHECK("vfork_status", WEXITSTATUS(status_of(pid)) == 3);
	pid = vfork();
	if (!pid) {
		execl("/bin/false", "false", (char *)NULL);
		_exit(9);
	}
	CHECK("vfork_exec", WEXITSTATUS(status_of(pid)) == 1);
	pid = vfork();
	if (!pid) {
		execl("/no/such/file", "x", (char *)NULL);
		_exit(errno == ENOENT ? 8 : 9);
	}
	CHECK("vfork_exec_fails", WEXITSTATUS(status_of(pid)) == 8);
}

static void test_spawn(void)
{
	char *const args[] = { "sh", "-c", "exit 6", NULL }, *const true_args[] = { "true", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t mask;
	pid_t pid;

	CHECK("posix_spawn", posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ) == 0);
	CHECK("posix_spawn_status", WEXITSTATUS(status_of(pid)) == 6);
	CHECK("posix_spawn_missing", posix_spawn(&pid, "/no/file", NULL, NULL, args, environ) == ENOENT);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_init(&attributes);
	sigemptyset(&mask);
	posix_spawnattr_setsigmask(&attributes, &mask);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	CHECK("posix_spawn_actions",
	      posix_spawn(&pid, "/bin/true", &actions, &attributes, true_args, environ) == 0);
	CHECK("posix_spawn_actions_status", status_of(pid) == 0);
}

static void test_wait_options(void)
{
	siginfo_t info;
	struct rusage usage;
	pid_t pid = fork();
	int status;

	if (!pid) {
		pause();
		_exit(0);
	}
	CHECK("nohang_nothing", waitpid(pid, &status, WNOHANG) == 0);
	kill(pid, SIGSTOP);
	CHECK("untraced",
	      waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK("stop_is_told_once", waitpid(pid, &status, WUNTRACED | WNOHANG) == 0);
	kill(pid, SIGCONT);
	CHECK("continued", waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	kill(pid, SIGTERM);
	CHECK("waitid_nowait", waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pid &&
				   info.si_code == CLD_KILLED && info.si_status == SIGTERM);
	CHECK("wait4_after_nowait", wait4(pid, &status, 0, &usage) == pid && WTERMSIG(status) == SIGTERM);
	CHECK_ERROR("waitid_nothing", waitid(P_ALL, 0, &info, WEXITED), ECHILD);
	CHECK_ERROR("wait_bad_option", waitpid(-1, &status, 0x4000), EINVAL);
}

static void test_groups(void)
{
	pid_t a = fork(), b;
	int status;

	if (!a) {
		setpgid(0, 0);
		pause();
	}
	setpgid(a, a);
	b = fork();
	if (!b)
		_exit(1);
	CHECK("wait_own_group", waitpid(0, &status, 0) == b);
	kill(-a, SIGKILL);
	CHECK("wait_other_group", waitpid(-a, &status, 0) == a);
}

/* A grandchild whose parent ends gets init as parent, at once visible to it. */
static void test_reparenting(void)
{
	int ends[2];
	pid_t pid, told = 0;

	NEED(pipe(ends) == 0);
	pid = fork();
	if (!pid) {
		if (fork())
			_exit(0);
		while (getppid() != 1)
			usleep(1000);
		told = getppid();
		write(ends[1], &told, sizeof(told));
		_exit(0);
	}
	status_of(pid);
	CHECK("orphan_goes_to_init", read(ends[0], &told, sizeof(told)) == sizeof(told) && told == 1);
	close(ends[0]);
	close(ends[1]);
}

static void test_ignored_children(void)
{
	int status;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (!pid)
		_exit(0);
	CHECK_ERROR("ignored_child_leaves_no_zombie", waitpid(pid, &status, 0), ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

static void test_many(void)
{
	int failed = 0;

	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(i & 127);
		if (pid < 0 || WEXITSTATUS(status_of(pid)) != (i & 127))
			failed++;
	}
	CHECK("two_hundred_children", failed == 0);
	for (int i = 0; i < 50; i++)
		if (!fork()) {
			usleep(1000 * (i % 7));
			_exit(0);
		}
	failed = 50;
	while (wait(NULL) > 0)
		failed--;
	CHECK("fifty_at_once", failed == 0);
}

int main(void)
{
	test_exit_codes();
	test_memory_is_private();
	test_identity();
	test_descriptors();
	test_vfork();
	test_spawn();
	test_wait_options();
	test_groups();
	test_reparenting();
	test_ignored_children();
	test_many();
	return check_result();
}
