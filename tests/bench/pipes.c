/* SPDX-License-Identifier: MIT */
/* Pipes, socket pairs and connections: within a process, and back and forth between two. */
#include "bench.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#define CHUNK 65536

static int there[2], back[2]; /* [0] is read from, [1] written to */
static int listener = -1;
static struct sockaddr_in place = { .sin_family = AF_INET };
static pid_t partner;
static char chunk[CHUNK];

OPERATION(write_read)
{
	must(write(there[1], chunk, 1));
	must(read(there[0], chunk, 1));
}

OPERATION(ping_pong)
{
	must(write(there[1], chunk, 1));
	if (must(read(back[0], chunk, 1)) == 0)
		must(-1);
}

/* A connection is made, taken and closed by both ends. */
OPERATION(connect)
{
	int near = must(socket(AF_INET, SOCK_STREAM, 0)), far;

	must(connect(near, (struct sockaddr *)&place, sizeof(place)));
	far = must(accept(listener, NULL, NULL));
	close(near);
	close(far);
}

OPERATION(write_chunk)
{
	for (long done = 0; done < CHUNK && !bench_error;)
		done += must(write(there[1], chunk, CHUNK));
}

static void open_one(void)
{
	there[0] = there[1] = -1;
	must(pipe(there));
}

static void close_one(void)
{
	close(there[0]);
	close(there[1]);
}

static void echo(void)
{
	char c;

	while (read(there[0], &c, 1) == 1)
		if (write(back[1], &c, 1) != 1)
			break;
	_exit(0);
}

static void drain(void)
{
	while (read(there[0], chunk, CHUNK) > 0)
		;
	_exit(0);
}

/* The child has only the far ends, the parent only the near ones. */
static void start_partner(void (*run)(void))
{
	partner = bench_error ? -1 : must(fork());
	if (partner == 0) {
		close(there[1]);
		close(back[0]);
		run();
	}
	close(there[0]);
	close(back[1]);
}

static void end_partner(void)
{
	close(there[1]);
	close(back[0]);
	if (partner > 0)
		waitpid(partner, NULL, 0);
}

static void open_pipes(void)
{
	open_one();
	back[0] = back[1] = -1;
	must(pipe(back));
}

static void open_listener(void)
{
	socklen_t length = sizeof(place);

	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	place.sin_port = 0;
	listener = must(socket(AF_INET, SOCK_STREAM, 0));
	must(bind(listener, (struct sockaddr *)&place, sizeof(place)));
	must(listen(listener, 8));
	must(getsockname(listener, (struct sockaddr *)&place, &length));
}

static void close_listener(void)
{
	close(listener);
}

static void connected_pair(int pair[2])
{
	int on = 1;

	open_listener();
	pair[0] = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(pair[0], (struct sockaddr *)&place, sizeof(place)));
	pair[1] = must(accept(listener, NULL, NULL));
	for (int i = 0; i < 2; i++)
		must(setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	close_listener();
}

static void open_sockets(bool tcp)
{
	int a[2] = { -1, -1 };

	if (tcp)
		connected_pair(a);
	else
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	there[1] = a[0];
	there[0] = a[1];
	back[0] = dup(a[0]);
	back[1] = dup(a[1]);
}

static void pipe_echo(void)
{
	open_pipes();
	start_partner(echo);
}

static void pipe_drain(void)
{
	open_pipes();
	start_partner(drain);
}

static void unix_echo(void)
{
	open_sockets(false);
	start_partner(echo);
}

static void unix_drain(void)
{
	open_sockets(false);
	start_partner(drain);
}

static void tcp_echo(void)
{
	open_sockets(true);
	start_partner(echo);
}

static void tcp_drain(void)
{
	open_sockets(true);
	start_partner(drain);
}

static const struct bench table[] = {
	BENCH_AS("pipe_write_read", write_read, .setup = open_one, .teardown = close_one),
	BENCH_AS("pipe_ping_pong", ping_pong, .setup = pipe_echo, .teardown = end_partner),
	BENCH_AS("unix_ping_pong", ping_pong, .setup = unix_echo, .teardown = end_partner),
	BENCH_AS("pipe_bandwidth", write_chunk, .setup = pipe_drain, .teardown = end_partner, .bytes = CHUNK),
	BENCH_AS("unix_bandwidth", write_chunk, .setup = unix_drain, .teardown = end_partner, .bytes = CHUNK),
	BENCH_AS("tcp_ping_pong", ping_pong, .setup = tcp_echo, .teardown = end_partner),
	BENCH_AS("tcp_connect", connect, .setup = open_listener, .teardown = close_listener),
	BENCH_AS("tcp_bandwidth", write_chunk, .setup = tcp_drain, .teardown = end_partner, .bytes = CHUNK),
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return bench_main(table, NELEMS(table), argc, argv);
}
