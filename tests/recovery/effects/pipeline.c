/* SPDX-License-Identifier: MIT */
/* A process that writes, one that changes what it reads, and the worker, which looks at what comes out. */
#define _GNU_SOURCE
#include "effects.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LENGTH 20000u
#define PIECE 1500u

struct pipeline {
	struct account *account;
	char wanted[LENGTH], got[LENGTH + 1];
};

static char changed(char byte)
{
	return (char)(byte ^ 0x20);
}

static void produce(const struct pipeline *p, int to)
{
	for (size_t at = 0; at < LENGTH; at += PIECE) {
		size_t length = LENGTH - at < PIECE ? LENGTH - at : PIECE;

		if (write(to, p->wanted + at, length) != (ssize_t)length)
			_exit(1);
	}
	_exit(0);
}

static void change(int from, int to)
{
	char piece[1000];
	ssize_t length;

	while ((length = read(from, piece, sizeof piece)) > 0) {
		for (ssize_t i = 0; i < length; i++)
			piece[i] = changed(piece[i]);
		if (write(to, piece, (size_t)length) != length)
			_exit(1);
	}
	_exit(length != 0);
}

static bool look(struct pipeline *p, int from)
{
	size_t at = 0;
	ssize_t length;

	while (at < sizeof p->got && (length = read(from, p->got + at, sizeof p->got - at)) > 0)
		at += (size_t)length;
	for (size_t i = 0; i < at; i++)
		p->got[i] = changed(p->got[i]);
	return done(p->account, "pipeline: length", at == LENGTH) &&
	       done(p->account, "pipeline: contents", !memcmp(p->got, p->wanted, LENGTH));
}

static bool has_ended(struct pipeline *p, pid_t pid)
{
	int status = -1;

	return done(p->account, "pipeline: wait", waitpid(pid, &status, 0) == pid && status == 0);
}

static bool pipeline_round(void *work)
{
	struct pipeline *p = work;
	int first[2], second[2];
	pid_t producer, changer;
	bool good;

	fill(p->wanted, LENGTH, p->account->rounds);
	if (!done(p->account, "pipeline: pipe", !pipe2(first, O_CLOEXEC) && !pipe2(second, O_CLOEXEC)))
		return false;
	producer = fork();
	if (!producer)
		produce(p, first[1]);
	changer = fork();
	if (!changer) {
		close(first[1]);
		change(first[0], second[1]);
	}
	if (!done(p->account, "pipeline: fork", producer > 0 && changer > 0))
		return false;
	good = done(p->account, "pipeline: close", !close(first[0]) && !close(first[1]) && !close(second[1]));
	good = good && look(p, second[0]) && has_ended(p, producer) && has_ended(p, changer) &&
	       done(p->account, "pipeline: close", !close(second[0]));
	p->account->rounds += good;
	return good;
}

static void *pipeline_begin(const char *directory, struct account *account)
{
	struct pipeline *p = calloc(1, sizeof *p);

	(void)directory;
	if (p)
		p->account = account;
	return p;
}

static bool pipeline_end(void *work)
{
	free(work);
	return true;
}

const struct worker pipeline_worker = { pipeline_begin, pipeline_round, pipeline_end };
