/* SPDX-License-Identifier: MIT */
/* How a fuzzer's bytes are read. Once they are used up there are zeroes. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static struct input {
	const uint8_t *at, *end;
} input;

static void input_begin(const uint8_t *bytes, size_t length)
{
	input = (struct input){ bytes, bytes + length };
}

static bool more(void)
{
	return input.at < input.end;
}

static uint32_t take(unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= more() ? (uint32_t)*input.at++ << 8 * i : 0;
	return value;
}

#endif
