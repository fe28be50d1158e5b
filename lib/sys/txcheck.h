/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else where a build checks transactions (make TXCHECK=1): the compiler has each store
 * announce itself, and what memory functions write is announced here.
 */
#ifndef LIB_SYS_TXCHECK_H
#define LIB_SYS_TXCHECK_H

#include <stddef.h>
#include <util/string.h>

void __asan_storeN_noabort(void *at, long length);

#define memcpy(to, from, length) (__asan_storeN_noabort((to), (long)(length)), memcpy((to), (from), (length)))
#define memmove(to, from, length) \
	(__asan_storeN_noabort((to), (long)(length)), memmove((to), (from), (length)))
#define memset(to, byte, length) (__asan_storeN_noabort((to), (long)(length)), memset((to), (byte), (length)))
#define strlcpy(to, from, size) (__asan_storeN_noabort((to), (long)(size)), strlcpy((to), (from), (size)))

#endif
