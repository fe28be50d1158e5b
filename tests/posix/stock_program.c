/* SPDX-License-Identifier: MIT */
/* TEST: stock */
/*
 * What an ordinary Linux program does, in one: processes, signals, files, memory, threads. Built a second time by
 * an unmodified musl compiler, every system call of it is reflected by the kernel.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

extern char **environ;

/* --- processes --------------------------------------------------------------------------------- */

static int exit_status_of(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_processes(const char *self)
{
	char *const arguments[] = { "stock", "exec", "two words", NULL };
	char *const environment[] = { "STOCK=yes", NULL };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(getppid() > 0 ? 11 : 1);
	CHECK("fork, exit, wait", exit_status_of(pid) == 11);
	pid = fork();
	if (pid == 0)
		execve(self, arguments, environment);
	CHECK("execve of itself", exit_status_of(pid) == 12);
	pid = vfork();
	if (pid == 0) {
		execve(self, arguments, environment);
		_exit(1);
	}
	CHECK("vfork", exit_status_of(pid) == 12);
	CHECK("posix_spawn",
	      posix_spawn(&pid, self, NULL, NULL, arguments, environment) == 0 && exit_status_of(pid) == 12);
	CHECK("posix_spawn of what is not there",
	      posix_spawn(&pid, "/no/such/program", NULL, NULL, arguments, environment) == ENOENT);
	CHECK("system", system("exit 13") == 13 << 8);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	CHECK("stopping",
	      kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	CHECK("going on",
	      kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	CHECK("kill", kill(pid, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
			  WTERMSIG(status) == SIGTERM);
}

static int executed(char **argv)
{
	const char *value = getenv("STOCK");

	return !strcmp(argv[2], "two words") && value && !strcmp(value, "yes") && !environ[1] ? 12 : 1;
}

/* --- signals ---------------------------------------------------------------------------------------- */

static volatile sig_atomic_t caught, sender, on_other_stack;
static sigjmp_buf back;
static char other_stack[65536];

static void catch (int signal, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	caught = signal;
	sender = info->si_pid;
	on_other_stack = &here > other_stack && &here < other_stack + sizeof other_stack;
}

static void escape(int signal)
{
	caught = signal;
	siglongjmp(back, 1);
}

static void handle(int signal, int flags)
{
	struct sigaction action = { .sa_sigaction = catch, .sa_flags = SA_SIGINFO | flags };

	NEED(sigaction(signal, &action, NULL) == 0);
}

static void check_masks(void)
{
	sigset_t set, old, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	NEED(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	handle(SIGUSR2, 0);
	caught = 0;
	raise(SIGUSR2);
	CHECK("a blocked signal waits",
	      caught == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2));
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK("and comes when it may", caught == SIGUSR2);
}

static void check_faults(void)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	signal(SIGSEGV, escape);
	caught = 0;
	if (sigsetjmp(back, 1) == 0)
		*(volatile char *)page = 1;
	CHECK("writing what may only be read", caught == SIGSEGV);
	signal(SIGFPE, escape);
	caught = 0;
	if (sigsetjmp(back, 1) == 0) {
		volatile int zero = 0, one = 1;

		one /= zero;
	}
	CHECK("division by zero", caught == SIGFPE);
	signal(SIGSEGV, SIG_DFL);
	munmap(page, 4096);
}

static void check_signals(void)
{
	stack_t alternate = { .ss_sp = other_stack, .ss_size = sizeof other_stack };
	struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
	char byte;
	int ends[2];

	handle(SIGUSR1, 0);
	CHECK("a signal to oneself", raise(SIGUSR1) == 0 && caught == SIGUSR1 && sender == getpid());
	NEED(sigaltstack(&alternate, NULL) == 0);
	handle(SIGUSR1, SA_ONSTACK);
	CHECK("another stack", raise(SIGUSR1) == 0 && on_other_stack);
	check_masks();
	NEED(pipe(ends) == 0);
	handle(SIGALRM, 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	CHECK_ERROR("an interrupted read", read(ends[0], &byte, 1), EINTR);
	close(ends[0]);
	close(ends[1]);
	check_faults();
}

/* --- files and memory -------------------------------------------------------------------------------- */

static int entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

static void check_files(void)
{
	struct iovec parts[2] = { { "ab", 2 }, { "cdef", 4 } };
	char text[16] = "";
	struct stat st;
	FILE *stream;
	int fd = open("file", O_CREAT | O_RDWR, 0640);

	CHECK("writev, pread",
	      writev(fd, parts, 2) == 6 && pread(fd, text, 15, 1) == 5 && !strcmp(text, "bcdef"));
	CHECK("fstat", fstat(fd, &st) == 0 && st.st_size == 6 && S_ISREG(st.st_mode));
	CHECK("ftruncate, lseek", ftruncate(fd, 3) == 0 && lseek(fd, 0, SEEK_END) == 3);
	CHECK("rename, unlink",
	      rename("file", "other") == 0 && unlink("other") == 0 && access("other", F_OK) == -1);
	close(fd);
	stream = fopen("stream", "w+");
	CHECK("stdio", stream && fprintf(stream, "%d %s\n", 42, "lines") == 9 &&
			   fseek(stream, 3, SEEK_SET) == 0 && fscanf(stream, "%15s", text) == 1 &&
			   !strcmp(text, "lines"));
	if (stream)
		fclose(stream);
	CHECK("directories", mkdir("dir", 0700) == 0 && entries(".") == 4 && rmdir("dir") == 0);
	CHECK("getcwd", getcwd(text, sizeof text) != NULL || errno == ERANGE);
}

static void check_memory(void)
{
	int fd = open("mapped", O_CREAT | O_RDWR, 0600), status = -1;
	char *shared, *grown;
	pid_t pid;

	NEED(fd >= 0 && ftruncate(fd, 8192) == 0);
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK("a mapped file", shared != MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		strcpy(shared + 5000, "from the child");
		_exit(0);
	}
	CHECK("memory shared with a child",
	      waitpid(pid, &status, 0) == pid && !strcmp(shared + 5000, "from the child"));
	memset(shared, 0, 16);
	CHECK("it is the file's", pread(fd, shared, 4, 5000) == 4 && !memcmp(shared, "from", 4));
	munmap(shared, 8192);
	close(fd);
	grown = malloc(100);
	NEED(grown);
	strcpy(grown, "kept");
	grown = realloc(grown, 8 << 20);
	CHECK("realloc", grown && !strcmp(grown, "kept"));
	free(grown);
}

/* --- threads ----------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t ping, pong;
static long counter, turns;
static __thread long mine;

static void *count_up(void *argument)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		mine++;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	turns++;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	return mine == 2000 ? argument : NULL;
}

static void *answer(void *argument)
{
	for (int i = 0; i < 100; i++) {
		sem_wait(&ping);
		sem_post(&pong);
	}
	return argument;
}

static void *wait_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void check_threads(void)
{
	pthread_t threads[8];
	void *value;
	int good = 0;

	for (int i = 0; i < 8; i++)
		NEED(pthread_create(&threads[i], NULL, count_up, &counter) == 0);
	pthread_mutex_lock(&lock);
	while (turns < 8)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 8; i++)
		good += pthread_join(threads[i], &value) == 0 && value == &counter;
	CHECK("threads, a mutex, a condition", good == 8 && counter == 16000);
	CHECK("memory of each thread's own", mine == 0);
	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	NEED(pthread_create(threads, NULL, answer, &ping) == 0);
	for (int i = 0; i < 100; i++) {
		sem_post(&ping);
		sem_wait(&pong);
	}
	CHECK("semaphores", pthread_join(threads[0], &value) == 0 && value == &ping);
	NEED(pthread_create(threads, NULL, wait_for_ever, NULL) == 0);
	CHECK("cancelling", pthread_cancel(threads[0]) == 0 && pthread_join(threads[0], &value) == 0 &&
				value == PTHREAD_CANCELED);
}

static void check_time(void)
{
	struct timespec before, after, nap = { 0, 20000000 };
	struct pollfd nothing = { .fd = -1 };
	struct utsname name;

	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK("nanosleep, poll", nanosleep(&nap, NULL) == 0 && poll(&nothing, 1, 20) == 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK("time goes by",
	      (after.tv_sec - before.tv_sec) * 1000000000l + after.tv_nsec - before.tv_nsec >= 40000000);
	CHECK("uname", uname(&name) == 0 && !strcmp(name.machine, "x86_64"));
}

int main(int argc, char **argv)
{
	char self[4096];

	if (argc > 2)
		return executed(argv);
	NEED(realpath(argv[0], self));
	check_enter_directory();
	check_processes(self);
	check_signals();
	check_files();
	check_memory();
	check_threads();
	check_time();
	return check_result();
}
