/* SPDX-License-Identifier: MIT */
/* /proc/net/unix, as Linux has it and netstat reads it. */
#include <util/string.h>

#include "socket.h"

#define ACCEPTS 0x10000u
#define UNCONNECTED 1u
#define CONNECTED 3u
#define LINE_MAX 256u

static char text[65536];

/* A path, or an abstract name behind an @; what is not to be shown in a line is a question mark. */
static void show_name(const struct socket_name *name, char *to)
{
	bool abstract = name->length && !name->text[0];
	uint32_t length = name->length && !abstract ? name->length - 1 : name->length;

	for (uint32_t i = 0; i < length; i++) {
		uint8_t c = (uint8_t)name->text[i];

		*to++ = (char)(!c ? '@' : c < ' ' ? '?' : c);
	}
	*to = 0;
}

static size_t show(const struct pipe *p, char *to)
{
	const struct socket *s = p->socket;
	char name[SOCKET_PATH + 1];

	show_name(&s->name, name);
	return (size_t)snprintf(to, LINE_MAX, "%016x: %08X %08X %08X %04X %02X %5lu%s%s\n", 0u, 2u, 0u,
				s->listening ? ACCEPTS : 0u, s->type, s->connected ? CONNECTED : UNCONNECTED,
				(unsigned long)p->d.node, name[0] ? " " : "", name);
}

NAME_OP(unix_table)
{
	size_t used, room = rq->out_length < sizeof(text) ? rq->out_length : sizeof(text);
	uint32_t index = 0;
	struct pipe *p;

	(void)in, (void)out;
	if (rq->badge == BADGE_PUBLIC)
		return -EPERM;
	used = strlcpy(text, "Num       RefCnt Protocol Flags    Type St Inode Path\n", sizeof(text));
	while (used + LINE_MAX <= room && (p = description_next(&index)))
		if (p->kind == SOCKET)
			used += show(p, text + used);
	return used <= room ? request_write(rq, 0, text, used) : 0;
}
