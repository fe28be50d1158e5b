/* SPDX-License-Identifier: MIT */
#include <util/string.h>

#include "ldisc.h"

#define SIGINT 2
#define SIGQUIT 3
#define SIGTSTP 20
#define DISABLED 0 /* _POSIX_VDISABLE */
#define CTRL(c) ((c)&037)

void ldisc_reset(struct ldisc *l)
{
	static const struct termios sane = {
		.iflag = ICRNL | IXON | IUTF8,
		.oflag = OPOST | ONLCR,
		.cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL,
		.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.cc = { [VINTR] = CTRL('C'),
			[VQUIT] = CTRL('\\'),
			[VERASE] = 0177,
			[VKILL] = CTRL('U'),
			[VEOF] = CTRL('D'),
			[VMIN] = 1,
			[VSTART] = CTRL('Q'),
			[VSTOP] = CTRL('S'),
			[VSUSP] = CTRL('Z'),
			[VREPRINT] = CTRL('R'),
			[VDISCARD] = CTRL('O'),
			[VWERASE] = CTRL('W'),
			[VLNEXT] = CTRL('V') },
	};

	memset(l, 0, sizeof(*l));
	l->termios = sane;
}

static bool is(const struct ldisc *l, unsigned which, uint8_t byte)
{
	return l->termios.cc[which] != DISABLED && l->termios.cc[which] == byte;
}

static bool local(const struct ldisc *l, uint32_t flag)
{
	return (l->termios.lflag & flag) != 0;
}

/* --- output -------------------------------------------------------------------------------------- */

static uint32_t output_room(const struct ldisc *l)
{
	return LDISC_OUTPUT - l->output_used;
}

static void put(struct ldisc *l, uint8_t byte)
{
	if (!output_room(l))
		return;
	l->output[(l->output_head + l->output_used) % LDISC_OUTPUT] = byte;
	l->output_used++;
}

/* A byte of a UTF-8 sequence after its first takes no column. */
static bool takes_column(const struct ldisc *l, uint8_t byte)
{
	return byte >= ' ' && byte != 0177 && !((l->termios.iflag & IUTF8) && (byte & 0xc0) == 0x80);
}

static void put_tab(struct ldisc *l)
{
	uint32_t spaces = 8 - l->column % 8;

	l->column += spaces;
	if ((l->termios.oflag & TABDLY) != XTABS) {
		put(l, '\t');
		return;
	}
	while (spaces--)
		put(l, ' ');
}

static void put_newline(struct ldisc *l)
{
	if (l->termios.oflag & ONLCR)
		put(l, '\r');
	if (l->termios.oflag & (ONLCR | ONLRET))
		l->column = 0;
	put(l, '\n');
}

static void put_return(struct ldisc *l)
{
	if ((l->termios.oflag & ONOCR) && !l->column)
		return;
	if (l->termios.oflag & OCRNL) {
		put_newline(l);
		return;
	}
	l->column = 0;
	put(l, '\r');
}

static void put_processed(struct ldisc *l, uint8_t byte)
{
	if (!(l->termios.oflag & OPOST)) {
		put(l, byte);
		return;
	}
	switch (byte) {
	case '\n': put_newline(l); return;
	case '\r': put_return(l); return;
	case '\t': put_tab(l); return;
	case '\b':
		if (l->column)
			l->column--;
		break;
	default:
		if ((l->termios.oflag & OLCUC) && byte >= 'a' && byte <= 'z')
			byte -= 'a' - 'A';
		l->column += takes_column(l, byte);
	}
	put(l, byte);
}

size_t ldisc_write(struct ldisc *l, const uint8_t *from, size_t length)
{
	size_t done;

	for (done = 0; done < length && output_room(l) >= 8; done++)
		put_processed(l, from[done]);
	return done;
}

const uint8_t *ldisc_output_piece(const struct ldisc *l, uint32_t *length)
{
	uint32_t to_end = LDISC_OUTPUT - l->output_head;

	if (l->stopped || !l->output_used)
		return NULL;
	*length = l->output_used < to_end ? l->output_used : to_end;
	return l->output + l->output_head;
}

void ldisc_sent(struct ldisc *l, uint32_t length)
{
	if (length > l->output_used)
		length = l->output_used;
	l->output_head = (l->output_head + length) % LDISC_OUTPUT;
	l->output_used -= length;
}

void ldisc_flush_output(struct ldisc *l)
{
	l->output_head = l->output_used = 0;
}

/* --- echo ------------------------------------------------------------------------------------------ */

static bool shown_as_control(const struct ldisc *l, uint8_t byte)
{
	return local(l, ECHOCTL) && (byte < ' ' || byte == 0177) && byte != '\t' && byte != '\n';
}

static void echo(struct ldisc *l, uint8_t byte)
{
	if (!local(l, ECHO) && !(byte == '\n' && local(l, ECHONL) && local(l, ICANON)))
		return;
	if (shown_as_control(l, byte)) {
		put_processed(l, '^');
		put_processed(l, byte ^ 0100);
	} else {
		put_processed(l, byte);
	}
}

static void rub_out(struct ldisc *l, unsigned columns)
{
	while (columns--) {
		put_processed(l, '\b');
		put_processed(l, ' ');
		put_processed(l, '\b');
	}
}

/* --- input ------------------------------------------------------------------------------------------ */

static uint16_t *cell(struct ldisc *l, uint32_t index)
{
	return &l->input[(l->input_head + index) % LDISC_INPUT];
}

static uint16_t cell_at(const struct ldisc *l, uint32_t index)
{
	return l->input[(l->input_head + index) % LDISC_INPUT];
}

static bool append(struct ldisc *l, uint16_t value)
{
	/* The last cell is kept for the end of a line, as on Linux: a line that fills the buffer
	 * can still be ended. */
	if (l->input_used >= LDISC_INPUT - !(value & (CELL_END | CELL_EOF)))
		return false;
	*cell(l, l->input_used) = value;
	l->input_used++;
	return true;
}

static void end_line(struct ldisc *l, uint16_t value)
{
	if (!append(l, value))
		return;
	l->lines++;
	l->line_length = 0;
}

static void add_to_line(struct ldisc *l, uint8_t byte)
{
	if (append(l, byte))
		l->line_length++;
	else if (l->termios.iflag & IMAXBEL)
		put(l, '\a');
}

/* The column where the unfinished line's last cell stands cannot be known for a tab without the
 * prompt's width; like many terminals we then erase one column per byte shown. */
static void erase_one(struct ldisc *l)
{
	uint8_t byte;

	do {
		byte = cell_at(l, l->input_used - 1) & CELL_BYTE;
		l->input_used--;
		l->line_length--;
	} while ((l->termios.iflag & IUTF8) && (byte & 0xc0) == 0x80 && l->line_length);
	if (local(l, ECHO) && local(l, ECHOE))
		rub_out(l, shown_as_control(l, byte) ? 2 : 1);
	else
		echo(l, l->termios.cc[VERASE]);
}

static bool is_word(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       byte == '_' || byte >= 0x80;
}

static void erase_word(struct ldisc *l)
{
	while (l->line_length && !is_word(cell_at(l, l->input_used - 1) & CELL_BYTE))
		erase_one(l);
	while (l->line_length && is_word(cell_at(l, l->input_used - 1) & CELL_BYTE))
		erase_one(l);
}

static void erase_line(struct ldisc *l)
{
	if (local(l, ECHOKE) && local(l, ECHOE)) {
		while (l->line_length)
			erase_one(l);
		return;
	}
	l->input_used -= l->line_length;
	l->line_length = 0;
	echo(l, l->termios.cc[VKILL]);
	if (local(l, ECHOK))
		echo(l, '\n');
}

static void reprint(struct ldisc *l)
{
	uint32_t index;

	echo(l, l->termios.cc[VREPRINT]);
	echo(l, '\n');
	for (index = l->input_used - l->line_length; index < l->input_used; index++)
		echo(l, cell_at(l, index) & CELL_BYTE);
}

/* Editing and line ends of canonical mode; false: an ordinary byte. */
static bool canonical_special(struct ldisc *l, uint8_t byte)
{
	bool extended = local(l, IEXTEN);

	if (is(l, VERASE, byte) || (byte == '\b' && is(l, VERASE, 0177))) {
		if (l->line_length)
			erase_one(l);
	} else if (is(l, VKILL, byte)) {
		erase_line(l);
	} else if (extended && is(l, VWERASE, byte)) {
		erase_word(l);
	} else if (extended && is(l, VREPRINT, byte)) {
		reprint(l);
	} else if (is(l, VEOF, byte)) {
		end_line(l, CELL_EOF);
	} else if (byte == '\n' || is(l, VEOL, byte) || is(l, VEOL2, byte)) {
		echo(l, byte);
		end_line(l, byte | CELL_END);
	} else {
		return false;
	}
	return true;
}

static int signal_of(const struct ldisc *l, uint8_t byte)
{
	if (!local(l, ISIG))
		return 0;
	if (is(l, VINTR, byte))
		return SIGINT;
	if (is(l, VQUIT, byte))
		return SIGQUIT;
	return is(l, VSUSP, byte) ? SIGTSTP : 0;
}

static int take_signal(struct ldisc *l, uint8_t byte, int signal)
{
	if (!local(l, NOFLSH)) {
		ldisc_flush_input(l);
		ldisc_flush_output(l);
	}
	l->stopped = false;
	echo(l, byte);
	return signal;
}

/* Flow control; true: the byte was for it. */
static bool flow_control(struct ldisc *l, uint8_t byte)
{
	if (!(l->termios.iflag & IXON))
		return false;
	if (is(l, VSTOP, byte) && !(l->stopped && is(l, VSTART, byte))) {
		l->stopped = true;
		return true;
	}
	if (is(l, VSTART, byte)) {
		l->stopped = false;
		return true;
	}
	if (l->termios.iflag & IXANY)
		l->stopped = false;
	return false;
}

static bool map_input(const struct ldisc *l, uint8_t *byte)
{
	uint32_t iflag = l->termios.iflag;

	if (iflag & ISTRIP)
		*byte &= 0x7f;
	if (*byte == '\r') {
		if (iflag & IGNCR)
			return false;
		if (iflag & ICRNL)
			*byte = '\n';
	} else if (*byte == '\n' && (iflag & INLCR)) {
		*byte = '\r';
	}
	if ((iflag & IUCLC) && local(l, IEXTEN) && *byte >= 'A' && *byte <= 'Z')
		*byte += 'a' - 'A';
	return true;
}

static void take_ordinary(struct ldisc *l, uint8_t byte)
{
	if (local(l, ICANON)) {
		echo(l, byte);
		add_to_line(l, byte);
	} else if (append(l, byte)) {
		echo(l, byte);
	}
}

int ldisc_input(struct ldisc *l, uint8_t byte)
{
	int signal;

	if (l->literal) {
		l->literal = false;
		take_ordinary(l, byte);
		return 0;
	}
	if (!map_input(l, &byte) || flow_control(l, byte))
		return 0;
	signal = signal_of(l, byte);
	if (signal)
		return take_signal(l, byte, signal);
	if (local(l, IEXTEN) && local(l, ICANON) && is(l, VLNEXT, byte)) {
		l->literal = true;
		if (local(l, ECHO) && local(l, ECHOCTL)) {
			put_processed(l, '^');
			put_processed(l, '\b');
		}
		return 0;
	}
	if (!local(l, ICANON) || !canonical_special(l, byte))
		take_ordinary(l, byte);
	return 0;
}

uint32_t ldisc_input_room(const struct ldisc *l)
{
	if (local(l, ICANON) && !l->lines)
		return LDISC_INPUT;
	return l->input_used < LDISC_INPUT - 1 ? LDISC_INPUT - 1 - l->input_used : 0;
}

/* --- reading ------------------------------------------------------------------------------------------ */

/* Cells up to and with the end of the first line; all, outside canonical mode. */
static uint32_t first_line(const struct ldisc *l)
{
	uint32_t index;

	if (!local(l, ICANON))
		return l->input_used;
	if (!l->lines)
		return 0;
	for (index = 0; index < l->input_used; index++)
		if (cell_at(l, index) & (CELL_END | CELL_EOF))
			return index + 1;
	return 0;
}

uint32_t ldisc_readable(const struct ldisc *l)
{
	uint32_t cells = first_line(l);

	return cells && (cell_at(l, cells - 1) & CELL_EOF) ? cells - 1 : cells;
}

bool ldisc_ready(const struct ldisc *l, uint32_t min)
{
	return local(l, ICANON) ? l->lines > 0 : l->input_used >= min;
}

size_t ldisc_peek(const struct ldisc *l, uint8_t *to, size_t size, uint32_t *cells)
{
	uint32_t line = first_line(l), index;
	size_t bytes = 0;

	for (index = 0; index < line && bytes < size; index++) {
		if (cell_at(l, index) & CELL_EOF)
			break;
		to[bytes++] = cell_at(l, index) & CELL_BYTE;
	}
	/* An end of file right behind the bytes goes with them. */
	if (index < line && (cell_at(l, index) & CELL_EOF) && (bytes < size || !index))
		index++;
	*cells = index;
	return bytes;
}

void ldisc_take(struct ldisc *l, uint32_t cells)
{
	while (cells-- && l->input_used) {
		if (cell_at(l, 0) & (CELL_END | CELL_EOF))
			l->lines--;
		l->input_head = (l->input_head + 1) % LDISC_INPUT;
		l->input_used--;
	}
	if (l->line_length > l->input_used)
		l->line_length = l->input_used;
}

void ldisc_flush_input(struct ldisc *l)
{
	l->input_head = l->input_used = l->lines = l->line_length = 0;
	l->literal = false;
}

void ldisc_set(struct ldisc *l, const struct termios *termios)
{
	bool was_canonical = local(l, ICANON);
	uint32_t index;

	l->termios = *termios;
	if (was_canonical == local(l, ICANON))
		return;
	l->lines = l->line_length = 0;
	for (index = 0; index < l->input_used; index++)
		*cell(l, index) &= CELL_BYTE;
	/* Entering canonical mode: what has been read raw counts as one complete line. */
	if (!was_canonical && l->input_used) {
		*cell(l, l->input_used - 1) |= CELL_END;
		l->lines = 1;
	}
	if (!(l->termios.iflag & IXON))
		l->stopped = false;
}
