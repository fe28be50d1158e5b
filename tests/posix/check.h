/* SPDX-License-Identifier: MIT */
/* What the guest tests print with: one line `ok NAME` or `not ok NAME: why` for each check. */
#ifndef TESTS_POSIX_CHECK_H
#define TESTS_POSIX_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;

/* A condition; errno is told where it fails. */
#define CHECK(name, condition)                                                                            \
	do {                                                                                              \
		errno = 0;                                                                                \
		if (condition) {                                                                          \
			printf("ok %s\n", name);                                                          \
		} else {                                                                                  \
			printf("not ok %s: %s (line %d, errno %d)\n", name, #condition, __LINE__, errno); \
			check_failures++;                                                                 \
		}                                                                                         \
		fflush(stdout);                                                                           \
	} while (0)

/* A call that must fail in this way. */
#define CHECK_ERROR(name, call, error) CHECK(name, (call) == -1 && errno == (error))

/* Something without which the test makes no sense. */
#define NEED(condition)                                                                                     \
	do {                                                                                                \
		if (!(condition)) {                                                                         \
			printf("not ok setting up: %s (line %d, errno %d)\n", #condition, __LINE__, errno); \
			exit(1);                                                                            \
		}                                                                                           \
	} while (0)

/* A fresh directory to work in, in $TMPDIR or /tmp, which is also made the current one. */
static inline void check_enter_directory(void)
{
	extern char *mkdtemp(char *);
	extern int chdir(const char *);
	static char path[200];
	const char *in = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/test.XXXXXX", in ? in : "/tmp");
	NEED(mkdtemp(path) && chdir(path) == 0);
}

static inline int check_result(void)
{
	return check_failures != 0;
}

#endif
