/* SPDX-License-Identifier: MIT */
/* SOURCES: servers/tty/ldisc.c */
/* The line discipline: editing, echo, signals, output processing, raw mode. */
#include <stdio.h>
#include <string.h>

#include "../../servers/tty/ldisc.h"

static struct ldisc l;
static int failures;

static void check(const char *name, int ok)
{
	printf(ok ? "ok %s\n" : "not ok %s\n", name);
	failures += !ok;
}

static int type(const char *bytes)
{
	int signal = 0;

	while (*bytes) {
		int s = ldisc_input(&l, (uint8_t)*bytes++);

		signal = s ? s : signal;
	}
	return signal;
}

static const char *read_line(void)
{
	static char line[LDISC_INPUT + 1];
	uint32_t cells;
	size_t n;

	if (!ldisc_ready(&l, 1))
		return NULL;
	n = ldisc_peek(&l, (uint8_t *)line, LDISC_INPUT, &cells);
	ldisc_take(&l, cells);
	line[n] = 0;
	return line;
}

static const char *shown(void)
{
	static char text[LDISC_OUTPUT + 1];
	size_t n = 0;
	uint32_t length;
	const uint8_t *piece;

	while ((piece = ldisc_output_piece(&l, &length))) {
		memcpy(text + n, piece, length);
		n += length;
		ldisc_sent(&l, length);
	}
	text[n] = 0;
	return text;
}

static int reads(const char *expected)
{
	const char *line = read_line();

	return expected ? line && !strcmp(line, expected) : !line;
}

static void canonical(void)
{
	ldisc_reset(&l);
	type("hel");
	check("unfinished line is not readable", reads(NULL));
	type("lo\r");
	check("return ends a line", reads("hello\n"));
	check("echo", !strcmp(shown(), "hello\r\n"));
	type("abx\177c\n");
	check("erase", reads("abc\n"));
	check("erase shows", !strcmp(shown(), "abx\b \bc\r\n"));
	type("one two\027\n");
	check("word erase", reads("one \n"));
	type("junk\025ok\n");
	check("line kill", reads("ok\n"));
	type("a\nb\n");
	check("one line a read", reads("a\n") && reads("b\n"));
	type("ab\004");
	check("end of file hands over what there is", reads("ab"));
	type("\004");
	check("end of file alone reads as empty", reads(""));
	type("\026\003x\n");
	check("literal next", reads("\003x\n"));
	type("\303\244\177z\n");
	check("erase of a UTF-8 character", reads("z\n"));
}

static void signals(void)
{
	ldisc_reset(&l);
	check("interrupt", type("ab\003") == 2);
	check("interrupt shows as ^C", !strcmp(shown(), "^C"));
	type("\n");
	check("interrupt flushes", reads("\n"));
	check("quit and suspend", type("\034") == 3 && type("\032") == 20);
	l.termios.lflag &= ~ISIG;
	check("no signals without ISIG", type("\003\n") == 0 && reads("\003\n"));
}

static void raw(void)
{
	struct termios t;

	ldisc_reset(&l);
	type("half");
	t = l.termios;
	t.lflag &= ~(ICANON | ECHO | ISIG);
	t.iflag &= ~(ICRNL | IXON);
	ldisc_set(&l, &t);
	check("leaving canonical mode gives what was typed", reads("half"));
	type("\r\003");
	check("raw bytes", reads("\r\003"));
	check("VMIN",
	      !ldisc_ready(&l, 2) && (type("a"), !ldisc_ready(&l, 2)) && (type("b"), ldisc_ready(&l, 2)));
}

static void output(void)
{
	ldisc_reset(&l);
	ldisc_write(&l, (const uint8_t *)"a\nb", 3);
	check("newline becomes return and newline", !strcmp(shown(), "a\r\nb"));
	l.termios.oflag |= XTABS;
	l.column = 3;
	ldisc_write(&l, (const uint8_t *)"\tx", 2);
	check("tabs become spaces", !strcmp(shown(), "     x"));
	type("\023");
	ldisc_write(&l, (const uint8_t *)"z", 1);
	check("stop holds output", !strcmp(shown(), ""));
	type("\021");
	check("start lets it go", !strcmp(shown(), "z"));
}

static void limits(void)
{
	uint32_t i;

	ldisc_reset(&l);
	for (i = 0; i < 3 * LDISC_INPUT; i++)
		ldisc_input(&l, 'x');
	check("a full line can still be ended", (type("\n"), ldisc_ready(&l, 1)));
	check("it is as long as the buffer", strlen(read_line()) == LDISC_INPUT);
	check("and the buffer is empty again", !l.input_used && !l.line_length && !l.lines);
}

int main(void)
{
	canonical();
	signals();
	raw();
	output();
	limits();
	return failures != 0;
}
