/* SPDX-License-Identifier: MIT */
/* Formatted output. */
#include "core/format.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
	void (*sink)(void *, char);
	void *context;
};

struct field {
	unsigned width;
	bool zero, is_long;
};

static void put(struct output *out, char c)
{
	out->sink(out->context, c);
}

static void put_padded(struct output *out, const struct field *field, const char *text, size_t length)
{
	for (size_t i = length; i < field->width; i++)
		put(out, field->zero ? '0' : ' ');
	for (size_t i = 0; i < length; i++)
		put(out, text[i]);
}

static void put_number(struct output *out, const struct field *field, uint64_t value, unsigned base,
		       bool negative)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	if (negative)
		digits[--at] = '-';
	put_padded(out, field, digits + at, sizeof(digits) - at);
}

static void put_string(struct output *out, const struct field *field, const char *text)
{
	size_t length = 0;

	if (!text)
		text = "(null)";
	while (text[length])
		length++;
	put_padded(out, field, text, length);
}

static const char *parse_field(const char *p, struct field *field)
{
	*field = (struct field){ 0 };
	for (; *p == '0'; p++)
		field->zero = true;
	for (; *p >= '0' && *p <= '9'; p++)
		field->width = field->width * 10 + (unsigned)(*p - '0');
	for (; *p == 'l' || *p == 'z'; p++)
		field->is_long = true;
	return p;
}

static uint64_t take_unsigned(const struct field *field, va_list *arguments)
{
	return field->is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
}

static void put_signed(struct output *out, const struct field *field, va_list *arguments)
{
	int64_t value = field->is_long ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);

	put_number(out, field, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0);
}

static void put_conversion(struct output *out, char type, const struct field *field, va_list *arguments)
{
	switch (type) {
	case 's': put_string(out, field, va_arg(*arguments, const char *)); break;
	case 'c': put(out, (char)va_arg(*arguments, int)); break;
	case 'd': put_signed(out, field, arguments); break;
	case 'u': put_number(out, field, take_unsigned(field, arguments), 10, false); break;
	case 'x': put_number(out, field, take_unsigned(field, arguments), 16, false); break;
	case 'p': put_number(out, field, (uint64_t)va_arg(*arguments, void *), 16, false); break;
	default: put(out, type);
	}
}

void format_to(void (*sink)(void *, char), void *context, const char *format, va_list arguments)
{
	struct output out = { sink, context };
	struct field field;
	va_list copy;

	va_copy(copy, arguments);
	for (const char *p = format; *p; p++) {
		if (*p != '%') {
			put(&out, *p);
			continue;
		}
		p = parse_field(p + 1, &field);
		if (!*p)
			break;
		put_conversion(&out, *p, &field, &copy);
	}
	va_end(copy);
}

struct text {
	char *at, *last;
};

static void text_sink(void *context, char c)
{
	struct text *text = context;

	if (text->at < text->last)
		*text->at++ = c;
}

void format_text(char *to, size_t size, const char *format, ...)
{
	struct text text = { to, to + size - 1 };
	va_list arguments;

	va_start(arguments, format);
	format_to(text_sink, &text, format, arguments);
	va_end(arguments);
	*text.at = '\0';
}
