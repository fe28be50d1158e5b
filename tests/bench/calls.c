/* SPDX-License-Identifier: MIT */
/* Single system calls: what one costs, and what signals and locks cost that nobody contends for. */
#include "bench.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#define POLLED 32

static int zero, null;
static struct pollfd polled[POLLED];
static int write_ends[POLLED];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char byte;

OPERATION(getppid)
{
	getppid();
}

OPERATION(getpid)
{
	syscall(SYS_getpid);
}

OPERATION(clock_gettime)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t));
}

OPERATION(sched_yield)
{
	must(sched_yield());
}

OPERATION(read_zero)
{
	must(read(zero, &byte, 1));
}

OPERATION(write_null)
{
	must(write(null, &byte, 1));
}

OPERATION(dup_close)
{
	must(close(must(dup(null))));
}

OPERATION(poll_32)
{
	must(poll(polled, POLLED, 0));
}

OPERATION(sigaction)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	must(sigaction(SIGUSR2, &action, NULL));
}

OPERATION(sigprocmask_pair)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	must(sigprocmask(SIG_BLOCK, &set, &old));
	must(sigprocmask(SIG_SETMASK, &old, NULL));
}

OPERATION(signal_self)
{
	must(kill(getpid(), SIGUSR1));
}

OPERATION(mutex)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static void open_devices(void)
{
	zero = must(open("/dev/zero", O_RDONLY));
	null = must(open("/dev/null", O_WRONLY));
}

static void close_devices(void)
{
	close(zero);
	close(null);
}

static void open_polled(void)
{
	for (int i = 0; i < POLLED; i++) {
		int ends[2] = { -1, -1 };

		must(pipe(ends));
		polled[i] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
		write_ends[i] = ends[1];
	}
}

static void close_polled(void)
{
	for (int i = 0; i < POLLED; i++) {
		close(polled[i].fd);
		close(write_ends[i]);
	}
}

static volatile sig_atomic_t handled;

static void handler(int signal)
{
	handled = signal;
}

static void handle_usr1(void)
{
	struct sigaction action = { .sa_handler = handler };

	must(sigaction(SIGUSR1, &action, NULL));
	must(kill(getpid(), SIGUSR1));
	if (handled != SIGUSR1)
		must(-1);
}

static const struct bench table[] = {
	BENCH(getppid),
	BENCH(getpid),
	BENCH(clock_gettime),
	BENCH(sched_yield),
	BENCH(read_zero, .setup = open_devices, .teardown = close_devices),
	BENCH(write_null, .setup = open_devices, .teardown = close_devices),
	BENCH(dup_close, .setup = open_devices, .teardown = close_devices),
	BENCH(poll_32, .setup = open_polled, .teardown = close_polled),
	BENCH(sigaction),
	BENCH(sigprocmask_pair),
	BENCH(signal_self, .setup = handle_usr1),
	BENCH(mutex),
};

int main(int argc, char **argv)
{
	return bench_main(table, NELEMS(table), argc, argv);
}
