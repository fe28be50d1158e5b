/* SPDX-License-Identifier: MIT */
/* What lwIP asks of its port: types, assertions, random numbers, byte order. */
#ifndef NET_PORT_CC_H
#define NET_PORT_CC_H

#include <stddef.h>
#include <stdint.h>
#include <util/string.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_TIMEVAL_PRIVATE 0
#define SSIZE_MAX INT32_MAX
typedef long ssize_t;
#define BYTE_ORDER 1234

#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

void check_failed(const char *file, int line, const char *what) __attribute__((noreturn));
#define LWIP_PLATFORM_ASSERT(text) check_failed(__FILE__, __LINE__, text)
#define LWIP_PLATFORM_DIAG(arguments) ((void)0)

/* tcp.c may have put the data where lwIP is going to. */
static inline void *net_copy(void *to, const void *from, size_t length)
{
	return to == from ? to : memcpy(to, from, length);
}
#define MEMCPY(to, from, length) net_copy(to, from, length)

uint32_t net_random(void);
#define LWIP_RAND() net_random()

#endif
