/* SPDX-License-Identifier: MIT */
/* Writing and reading messages; knows nothing of IPC. */
#include "message.h"

#include <abi/errno.h>
#include <util/string.h>

#define ERRNO_MAX 4095u

static void put(struct message *m, uint64_t value, unsigned bytes)
{
	if (m->bad || bytes > m->size - m->used) {
		m->bad = true;
		return;
	}
	for (unsigned i = 0; i < bytes; i++)
		m->at[m->used++] = (uint8_t)(value >> 8 * i);
}

static void put_string(struct message *m, const char *text, size_t length)
{
	put(m, length, 2);
	if (m->bad || length > UINT16_MAX || length > m->size - m->used) {
		m->bad = true;
		return;
	}
	memcpy(m->at + m->used, text, length);
	m->used += length;
}

void message_put(struct message *m, const char *format, va_list fields)
{
	for (; *format; format++) {
		const char *text;

		switch (*format) {
		case 'b': put(m, (uint64_t)va_arg(fields, int), 1); break;
		case 'w': put(m, (uint64_t)va_arg(fields, int), 2); break;
		case 'd': put(m, va_arg(fields, uint32_t), 4); break;
		case 'q': put(m, va_arg(fields, uint64_t), 8); break;
		case 's':
			text = va_arg(fields, const char *);
			put_string(m, text, va_arg(fields, size_t));
			break;
		default: m->bad = true;
		}
	}
}

void message_seal(struct message *m, uint8_t type, uint16_t tag)
{
	struct message header = { m->at, 0, P9_HEADER, false };

	put(&header, m->used, 4);
	put(&header, type, 1);
	put(&header, tag, 2);
}

uint64_t message_get(struct message *m, unsigned bytes)
{
	uint64_t value = 0;

	if (m->bad || bytes > m->size - m->used) {
		m->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)m->at[m->used++] << 8 * i;
	return value;
}

size_t message_get_string(struct message *m, char *to, size_t size)
{
	size_t length = message_get(m, 2), kept;

	to[0] = 0;
	if (m->bad || length > m->size - m->used) {
		m->bad = true;
		return 0;
	}
	kept = length < size ? length : size - 1;
	memcpy(to, m->at + m->used, kept);
	to[kept] = 0;
	m->used += length;
	return length;
}

void message_get_qid(struct message *m, struct p9_qid *qid)
{
	qid->type = (uint8_t)message_get(m, 1);
	qid->version = (uint32_t)message_get(m, 4);
	qid->path = message_get(m, 8);
}

void message_get_attr(struct message *m, struct p9_attr *attr)
{
	message_get(m, 8); /* which fields are valid: all that were asked for */
	message_get_qid(m, &attr->qid);
	attr->mode = (uint32_t)message_get(m, 4);
	attr->uid = (uint32_t)message_get(m, 4);
	attr->gid = (uint32_t)message_get(m, 4);
	attr->nlink = message_get(m, 8);
	attr->rdev = message_get(m, 8);
	attr->size = message_get(m, 8);
	attr->blksize = message_get(m, 8);
	attr->blocks = message_get(m, 8);
	attr->atime = message_get(m, 8);
	attr->atime_nsec = message_get(m, 8);
	attr->mtime = message_get(m, 8);
	attr->mtime_nsec = message_get(m, 8);
	attr->ctime = message_get(m, 8);
	attr->ctime_nsec = message_get(m, 8);
}

long message_open_answer(struct message *m, uint8_t *at, size_t length, uint8_t type, uint16_t tag)
{
	uint64_t size, answer, error;

	*m = (struct message){ at, 0, length, false };
	size = message_get(m, 4);
	answer = message_get(m, 1);
	if (message_get(m, 2) != tag || m->bad || size > length || size < P9_HEADER)
		return -EIO;
	m->size = size;
	if (answer == P9_LERROR + 1) {
		error = message_get(m, 4);
		return m->bad || !error || error > ERRNO_MAX ? -EIO : -(long)error;
	}
	return answer == (uint64_t)type + 1 ? 0 : -EIO;
}
