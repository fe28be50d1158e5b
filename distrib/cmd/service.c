/* SPDX-License-Identifier: MIT */
/*
 * service: what runs below the processes, and commands for it.
 *
 *     service                      lists all
 *     service status NAME
 *     service kill NAME            as if it had crashed: the next incarnation starts at once
 *     service restart|stop|start NAME
 *     service crash NAME           it faults, which leaves a report in /var/log/crash
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
#define CONTROL "/proc/service_control"

static int usage(void)
{
	fprintf(stderr, "usage: service [status|kill|restart|stop|start|crash NAME | dump | panic]\n");
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
	char line[64];
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

int main(int argc, char **argv)
{
	static const char *const commands[] = { "kill", "restart", "stop", "start", "crash" };

	if (argc == 1)
		return list(NULL);
	if (argc == 2 && (!strcmp(argv[1], "dump") || !strcmp(argv[1], "panic")))
		return control(argv[1], "");
	if (argc != 3)
		return usage();
	if (!strcmp(argv[1], "status"))
		return list(argv[2]);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(argv[1], commands[i]))
			return control(argv[1], argv[2]);
	return usage();
}
