/* SPDX-License-Identifier: MIT */
/* TEST: timeout=120 */
/* Pipes until there are no more, full pipes: errors for who does it, and pipes for everybody afterwards. */
#define _GNU_SOURCE
#include "hostile.h"

static void raise_limit(void)
{
	struct rlimit files;

	NEED(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* How many a process can make; `error` is why there were no more. */
static unsigned make_all(int *error)
{
	unsigned made = 0;
	int ends[2];

	*error = 0;
	while (made < 20000) {
		if (pipe(ends)) {
			*error = errno;
			break;
		}
		made++;
	}
	return made;
}

static void *shared_word;

/* Several processes at once, which hold what they have until they are told. */
static void check_many(void)
{
	volatile unsigned *made = shared_word;
	int go[2], error;
	pid_t pids[8];
	char byte;

	NEED(pipe(go) == 0);
	for (unsigned i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		close(go[1]);
		raise_limit();
		made[i] = make_all(&error);
		made[8 + i] = (unsigned)error;
		_exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
	}
	for (unsigned i = 0; i < 8; i++)
		while (pids[i] > 0 && !made[8 + i])
			sleep_ms(5);
	close(go[1]);
	close(go[0]);
	for (unsigned i = 0; i < 8; i++) {
		int status = -1;

		NEED(pids[i] > 0);
		waitpid(pids[i], &status, 0);
		printf("# %u pipes, then errno %u\n", made[i], made[8 + i]);
		CHECK("pipes until there are no more",
		      status == 0 &&
			  (made[8 + i] == EMFILE || made[8 + i] == ENFILE || made[8 + i] == ENOMEM));
	}
	CHECK("pipes afterwards", pipe_works());
}

static void check_full(void)
{
	static char data[65536];
	long total = 0, n, back = 0;
	int ends[2], error;

	NEED(pipe2(ends, O_NONBLOCK) == 0);
	while ((n = write(ends[1], data, sizeof data)) > 0)
		total += n;
	error = errno;
	CHECK("a full pipe", n == -1 && error == EAGAIN && total >= 4096);
	CHECK_ERROR("one byte more", write(ends[1], data, 1), EAGAIN);
	while ((n = read(ends[0], data, sizeof data)) > 0)
		back += n;
	error = errno;
	CHECK("all comes back", n == -1 && error == EAGAIN && back == total);
	CHECK("it can be filled again", write(ends[1], data, 4096) == 4096);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERROR("nobody reads", write(ends[1], data, 1), EPIPE);
	close(ends[1]);
}

static void interrupted(int signal)
{
	(void)signal;
}

/* Whoever does not get a FIFO open, at once or by a signal, leaves nothing behind. */
static void check_fifos(void)
{
	struct sigaction action = { .sa_handler = interrupted };
	struct itimerval soon = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
	int bad = 0;

	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 1500 && !bad; i++) {
		NEED(mkfifo("unopened", 0600) == 0);
		bad += open("unopened", O_WRONLY | O_NONBLOCK) != -1 || errno != ENXIO;
		if (i % 2) {
			setitimer(ITIMER_REAL, &soon, NULL);
			bad += open("unopened", O_RDONLY) != -1 || errno != EINTR;
			setitimer(ITIMER_REAL, &never, NULL);
		}
		NEED(unlink("unopened") == 0);
	}
	CHECK("FIFOs that nobody opens", !bad && pipe_works());
}

int main(void)
{
	hostile_setup();
	services_now(services_before);
	shared_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(shared_word != MAP_FAILED);
	check_full();
	check_fifos();
	check_many();
	check_system("pipes ran out");
	return check_result();
}
