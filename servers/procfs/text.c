/* SPDX-License-Identifier: MIT */
#include "procfs.h"

#include <util/string.h>

/* What does not fit is left out. */
void put(struct text *text, const char *format, ...)
{
	size_t room = text->size - text->used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->at + text->used, room, format, args);
	va_end(args);
	if (length > 0)
		text->used += (size_t)length < room ? (size_t)length : room - (room > 0);
}

void put_bytes(struct text *text, const void *bytes, size_t length)
{
	size_t room = text->size - text->used;

	if (length > room)
		length = room;
	memcpy(text->at + text->used, bytes, length);
	text->used += length;
}
