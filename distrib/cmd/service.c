/* SPDX-License-Identifier: MIT */
/*
 * service: what runs below the processes, and commands for it.
 *
 *     service                      lists all
 *     service status NAME
 *     service kill NAME            as if it had crashed: the next incarnation starts at once
 *     service restart|stop|start NAME
 *     service crash NAME           it faults, which leaves a report in /var/log/crash
 *     service inject NAME KIND [POINT [SKIP]]
 *                                  it fails when it comes to POINT (-: any) for the (SKIP + 1)-th time; KIND: segfault,
 *                                  abort, exit, loop, silent, wild, vanish; none: not any more
 *     service points NAME          the labels of its points
 *     service step NAME COUNT      it ends after so many more of its own instructions
 *     service dump                 every thread, endpoint and call, to the kernel's log
 *     service panic                the kernel's end
 *
 * procfs shows the list and takes the commands; the kernel of it is in servers/rs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST "/proc/services"
#define POINTS "/proc/service_points"
#define CONTROL "/proc/service_control"

static int usage(void)
{
	fprintf(stderr, "usage: service [status|kill|restart|stop|start|crash|points NAME | dump | panic |\n"
			"               inject NAME KIND [POINT [SKIP]] | step NAME COUNT]\n");
	return 2;
}

static int complain(const char *what)
{
	fprintf(stderr, "service: %s: %s\n", what, strerror(errno));
	return 1;
}

static int names(const char *line, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(line, name, length) && (line[length] == ' ' || line[length] == '\n');
}

/* All of the list, or its head and one line. */
static int list(const char *name)
{
	FILE *stream = fopen(LIST, "r");
	char line[256];
	int number = 0, found = 0;

	if (!stream)
		return complain(LIST);
	while (fgets(line, sizeof line, stream)) {
		int wanted = !name || names(line, name);

		if (wanted || number == 0)
			fputs(line, stdout);
		found |= wanted;
		number++;
	}
	fclose(stream);
	if (found)
		return 0;
	fprintf(stderr, "service: no service %s\n", name);
	return 1;
}

static int control(const char *command, const char *name)
{
	char line[128];
	int length = snprintf(line, sizeof line, "%s%s%s\n", command, *name ? " " : "", name);
	int file = open(CONTROL, O_WRONLY);

	if (file < 0)
		return complain(CONTROL);
	if (length >= (int)sizeof line) {
		errno = ENAMETOOLONG;
		return complain(*name ? name : command);
	}
	if (write(file, line, (size_t)length) != length)
		return complain(*name ? name : command);
	return close(file) ? complain(*name ? name : command) : 0;
}

/* The labels, as they are to be given to inject. */
static int points(const char *name)
{
	FILE *stream = fopen(POINTS, "r");
	char line[256];
	int found = 0;

	if (!stream)
		return complain(POINTS);
	while (fgets(line, sizeof line, stream)) {
		if (!names(line, name))
			continue;
		fputs(line + strlen(name) + 1, stdout);
		found = 1;
	}
	fclose(stream);
	if (found)
		return 0;
	fprintf(stderr, "service: no service %s that runs\n", name);
	return 1;
}

static int inject(int argc, char **argv)
{
	const char *point = argc > 4 ? argv[4] : "", *skip = argc > 5 ? argv[5] : "0";
	char words[128];

	snprintf(words, sizeof words, "%s %s %s %s", argv[2], argv[3], skip, strcmp(point, "-") ? point : "");
	return control("inject", words);
}

static int step(char **argv)
{
	char words[64];

	snprintf(words, sizeof words, "%s %s", argv[2], argv[3]);
	return control("step", words);
}

int main(int argc, char **argv)
{
	static const char *const commands[] = { "kill", "restart", "stop", "start", "crash" };

	if (argc == 1)
		return list(NULL);
	if (argc == 2 && (!strcmp(argv[1], "dump") || !strcmp(argv[1], "panic")))
		return control(argv[1], "");
	if (argc >= 4 && argc <= 6 && !strcmp(argv[1], "inject"))
		return inject(argc, argv);
	if (argc == 4 && !strcmp(argv[1], "step"))
		return step(argv);
	if (argc != 3)
		return usage();
	if (!strcmp(argv[1], "status"))
		return list(argv[2]);
	if (!strcmp(argv[1], "points"))
		return points(argv[2]);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(argv[1], commands[i]))
			return control(argv[1], argv[2]);
	return usage();
}
