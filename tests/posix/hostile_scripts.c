/* SPDX-License-Identifier: MIT */
/* TEST: timeout=240 stock */
/*
 * Scripts of all shapes: what stands behind `#!` is put together from parts, drawn from a seed (HOSTILE_SEED), and what
 * exec makes of it is compared with a model of what Linux does (fs/binfmt_script.c). The interpreter is this program,
 * which tells with which arguments it was called.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SHAPES 1200
#define HEAD 256 /* of a file, which is all that is looked at */
#define TEXT 1024
#define ARGUMENTS 24
#define DEPTH 5 /* scripts that are each other's interpreters */
#define TELL "HOSTILE_SCRIPTS_TELL"

/* What happens: an errno, or the arguments of whoever ran. */
struct outcome {
	int error;
	unsigned count;
	char text[ARGUMENTS][TEXT / 2];
};

static uint64_t state;

static unsigned below(unsigned limit)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ z >> 31) % limit);
}

/* --- files that are there ------------------------------------------------------------------------------------- */

struct file {
	char text[TEXT];
	size_t length;
};

static void write_file(const char *name, const char *text, size_t length, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	NEED(fd >= 0 && write(fd, text, length) == (ssize_t)length && fchmod(fd, mode) == 0);
	close(fd);
}

static void copy_program(const char *from, const char *to)
{
	static char buffer[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t got;

	NEED(in >= 0 && out >= 0);
	while ((got = read(in, buffer, sizeof buffer)) > 0)
		NEED(write(out, buffer, (size_t)got) == got);
	close(in);
	close(out);
}

/* Names that interpreters may have, with what opening them to run them says; scripts are read. */
static const struct place {
	const char *name;
	int error; /* 0: it runs; -1: a script */
} places[] = {
	{ "./i", 0 },
	{ "i", 0 },
	{ ".//./i", 0 },
	{ "link", 0 },
	{ "directory/up/i", 0 },
	{ "missing", ENOENT },
	{ "./missing/i", ENOENT },
	{ "directory", EACCES },
	{ "/", EACCES },
	{ ".", EACCES },
	{ "unexecutable", EACCES },
	{ "/dev/null", EACCES },
	{ "empty", ENOEXEC },
	{ "text", ENOEXEC },
	{ "#!", ENOENT },
	{ "i/", ENOTDIR },
	{ "i/x", ENOTDIR },
	{ "loop", ELOOP },
	{ "dangling", ENOENT },
	{ "one", -1 },
	{ "two", -1 },
	{ "./two", -1 },
	{ "three", -1 },
	{ "four", -1 },
	{ "five", -1 },
	{ "itself", -1 },
	{ "./itself", -1 },
	{ "", EACCES }, /* the current directory */
};
#define PLACES (sizeof places / sizeof *places)

static char absolute[512];

static const struct place *place_of(const char *name)
{
	if (!strcmp(name, absolute))
		return &places[0];
	for (size_t i = 0; i < PLACES; i++)
		if (!strcmp(places[i].name, name))
			return &places[i];
	return NULL;
}

static void make_files(const char *self)
{
	copy_program(self, "i");
	NEED(symlink("i", "link") == 0 && symlink("loop", "loop") == 0 &&
	     symlink("nothing", "dangling") == 0);
	NEED(mkdir("directory", 0755) == 0 && symlink("..", "directory/up") == 0);
	write_file("unexecutable", "#!./i\n", 6, 0644);
	write_file("empty", "", 0, 0755);
	write_file("text", "exit 3\n", 7, 0755);
	write_file("one", "#!i of one\n", 11, 0755);
	write_file("two", "#! one\t of  two \n", 17, 0755);
	write_file("three", "#!./two", 7, 0755);
	write_file("four", "#!three\n", 8, 0755);
	write_file("five", "#!four x\n", 9, 0755);
	write_file("itself", "#!./itself\n", 11, 0755);
}

/* --- the model ---------------------------------------------------------------------------------------------------- */

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *after_blanks(const char *at, const char *last)
{
	while (at <= last && is_blank(*at))
		at++;
	return at <= last ? at : NULL;
}

static const char *terminator(const char *at, const char *last)
{
	while (at <= last && !is_blank(*at) && *at)
		at++;
	return at <= last ? at : NULL;
}

static const char *line_end(const char *head)
{
	const char *last = head + HEAD - 1, *end = memchr(head, '\n', HEAD), *nul = memchr(head, 0, HEAD);

	if (end && (!nul || end < nul))
		return end;
	end = after_blanks(head + 2, last);
	return end && terminator(end, last) ? last : NULL;
}

/* 0 with the interpreter and its argument, "" for none: as load_script. */
static int parse(const struct file *file, char *name, char *argument, int *has_argument)
{
	char head[HEAD] = "";
	const char *end, *at, *separator, *rest = NULL;

	memcpy(head, file->text, file->length < HEAD ? file->length : HEAD);
	if (head[0] != '#' || head[1] != '!' || !(end = line_end(head)))
		return ENOEXEC;
	while (is_blank(end[-1]))
		end--;
	at = after_blanks(head + 2, end);
	if (!at || at == end)
		return ENOEXEC;
	separator = terminator(at, end);
	if (separator && *separator)
		rest = after_blanks(separator, end);
	head[end - head] = 0;
	*has_argument = rest != NULL;
	strcpy(argument, rest ? rest : "");
	if (rest)
		head[separator - head] = 0;
	strcpy(name, at);
	return 0;
}

static int read_back(const char *name, struct file *file)
{
	int fd = open(name, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, file->text, sizeof file->text);

	close(fd);
	file->length = got < 0 ? 0 : (size_t)got;
	return got < 0;
}

static void push_front(struct outcome *o, const char *text)
{
	memmove(o->text[1], o->text[0], sizeof o->text[0] * (ARGUMENTS - 1));
	strcpy(o->text[0], text);
	o->count++;
}

/* What is no place is not there, in one way or another. */
static int absence(const char *name)
{
	NEED(access(name, F_OK) < 0);
	return errno;
}

static struct outcome expected(const struct file *script, const char *path)
{
	struct outcome o = { 0, 3, { "zero", "first", "second" } };
	struct file file = *script;
	char name[TEXT], argument[TEXT], from[TEXT];
	int has_argument;

	strcpy(from, path);
	for (unsigned depth = 0;; depth++) {
		const struct place *place;

		if (depth > DEPTH)
			o.error = ELOOP;
		else
			o.error = parse(&file, name, argument, &has_argument);
		if (o.error)
			return o;
		strcpy(o.text[0], from);
		if (has_argument)
			push_front(&o, argument);
		push_front(&o, name);
		place = place_of(name);
		o.error = !place                                        ? absence(name)
			  : place->error > 0 && place->error != ENOEXEC ? place->error
									: 0;
		if (o.error || !place->error) {
			o.error = !o.error && depth == DEPTH ? ELOOP : o.error;
			return o;
		}
		NEED(!read_back(name, &file));
		strcpy(from, name);
	}
}

/* --- what happens ---------------------------------------------------------------------------------------------------- */

/* As the interpreter. */
static int tell(int argc, char **argv, int fd)
{
	for (int i = 0; i < argc; i++)
		if (write(fd, argv[i], strlen(argv[i]) + 1) < 0)
			return 1;
	return 0;
}

static void run(const char *path, int out)
{
	char *arguments[] = { "zero", "first", "second", NULL }, variable[64];
	char *environment[] = { variable, NULL };
	int error;

	snprintf(variable, sizeof variable, TELL "=%d", out);
	execve(path, arguments, environment);
	error = errno;
	_exit(write(out, "", 1) == 1 && write(out, &error, sizeof error) == sizeof error ? 0 : 1);
}

/* A zero byte first, and then the errno; else the arguments. */
static struct outcome happened(const char *path)
{
	static char text[65536];
	struct outcome o = { 0 };
	size_t length = 0, at = 0;
	ssize_t got;
	int ends[2], status;
	pid_t pid;

	NEED(pipe(ends) == 0 && (pid = fork()) >= 0);
	if (pid == 0)
		run(path, ends[1]);
	close(ends[1]);
	while ((got = read(ends[0], text + length, sizeof text - length)) > 0)
		length += (size_t)got;
	close(ends[0]);
	NEED(waitpid(pid, &status, 0) == pid);
	if (!length)
		o.error = -status - 1;
	else if (!text[0])
		memcpy(&o.error, text + 1, sizeof o.error);
	for (; !o.error && at < length && o.count < ARGUMENTS; at += strlen(text + at) + 1)
		strncpy(o.text[o.count++], text + at, sizeof o.text[0] - 1);
	return o;
}

/* --- shapes -------------------------------------------------------------------------------------------------------------- */

static void add(struct file *file, const char *text, size_t length)
{
	if (length > TEXT - file->length)
		length = TEXT - file->length;
	memcpy(file->text + file->length, text, length);
	file->length += length;
}

static void add_blanks(struct file *file, unsigned most)
{
	for (unsigned i = below(most + 1); i > 0; i--)
		add(file, " \t" + below(2), 1);
}

/* Up to near the end of what is looked at, sometimes. */
static void add_filling(struct file *file, const char *with)
{
	size_t to = HEAD - 4 + below(8);

	while (file->length < to)
		add(file, with, 1);
}

static void add_name(struct file *file)
{
	const char *name = places[below(PLACES)].name;

	if (!below(12)) {
		add(file, absolute, strlen(absolute));
	} else if (!below(16)) {
		add_filling(file, "n");
	} else {
		add(file, name, strlen(name));
	}
}

static void add_argument(struct file *file)
{
	static const char *const words[] = { "a",  "-x y", "two  words",     "tab\there",
					     "\r", "#!",   "\"quoted one\"", "\\" };
	const char *word = words[below(sizeof words / sizeof *words)];

	if (!below(10))
		add_filling(file, "w");
	else
		add(file, word, strlen(word));
	if (!below(12))
		add(file, "\0hidden", 7);
}

static struct file shape(void)
{
	static const char *const begins[] = {
		"#! ", "#", "!#", " #!", "#!\0", "#!\n", "", "#\n!", "\177ELF"
	};
	struct file file = { .length = 0 };

	if (below(16))
		add(&file, "#!", 2);
	else
		add(&file, begins[below(sizeof begins / sizeof *begins)], 3);
	add_blanks(&file, below(4) ? 1 : 6);
	if (!below(20))
		add_filling(&file, " ");
	if (below(16))
		add_name(&file);
	if (!below(2)) {
		add(&file, " ", 1);
		add_blanks(&file, 3);
		add_argument(&file);
	}
	if (!below(3))
		add_blanks(&file, 3);
	if (!below(24))
		add_filling(&file, " ");
	if (below(5))
		add(&file, below(20) ? "\n" : "\0\n", 1);
	if (below(2))
		add(&file, "exit 5\n", 7);
	return file;
}

static int same(const struct outcome *a, const struct outcome *b)
{
	if (a->error != b->error)
		return 0;
	if (a->error)
		return 1;
	for (unsigned i = 0; i < a->count && a->count == b->count; i++)
		if (strcmp(a->text[i], b->text[i]))
			return 0;
	return a->count == b->count;
}

static void show(const char *what, const struct outcome *o)
{
	printf("# %s: error %d", what, o->error);
	for (unsigned i = 0; i < o->count && !o->error; i++)
		printf(", \"%.60s\"", o->text[i]);
	printf("\n");
}

static int try(unsigned number)
{
	struct file file = shape();
	struct outcome want, got;

	write_file("script", file.text, file.length, 0755);
	want = expected(&file, "./script");
	got = happened("./script");
	if (same(&want, &got))
		return 1;
	printf("# shape %u:", number);
	for (size_t i = 0; i < file.length && i < 300; i++)
		printf(file.text[i] >= ' ' && file.text[i] < 127 ? "%c" : "\\%03o",
		       (unsigned char)file.text[i]);
	printf("\n");
	show("wanted", &want);
	show("got", &got);
	return 0;
}

int main(int argc, char **argv)
{
	const char *seed = getenv("HOSTILE_SEED"), *fd = getenv(TELL);
	char self[512];
	unsigned good = 0;
	ssize_t length;

	if (fd)
		return tell(argc, argv, atoi(fd));
	length = readlink("/proc/self/exe", self, sizeof self - 1);
	NEED(length > 0);
	self[length] = 0;
	state = seed ? strtoul(seed, NULL, 0) : 1;
	check_enter_directory();
	NEED(getcwd(absolute, sizeof absolute - 2));
	strcat(absolute, "/i");
	make_files(self);
	for (unsigned i = 0; i < SHAPES; i++)
		good += (unsigned)try(i);
	CHECK("scripts of all shapes", good == SHAPES);
	return check_result();
}
