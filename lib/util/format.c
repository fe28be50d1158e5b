/* SPDX-License-Identifier: MIT */
/* The formatter: what log lines and the text files of procfs need. */
#include <util/string.h>
#include <stdbool.h>

struct output {
	char *to;
	size_t size, length; /* length: what would have been written so far */
};

struct spec {
	bool left, zero, alternate, plus;
	int width, precision; /* precision -1: none */
	int longs;            /* 0 int, 1 or more: 64 bits */
};

static void put(struct output *out, char c)
{
	if (out->length + 1 < out->size)
		out->to[out->length] = c;
	out->length++;
}

static void pad(struct output *out, char c, int count)
{
	while (count-- > 0)
		put(out, c);
}

/* Text with its sign or prefix in front of zeros and behind spaces. */
static void put_field(struct output *out, const struct spec *spec, const char *prefix, const char *text,
		      int length)
{
	int prefix_length = (int)strlen(prefix);
	int padding = spec->width - length - prefix_length;

	if (!spec->left && !spec->zero)
		pad(out, ' ', padding);
	for (; *prefix; prefix++)
		put(out, *prefix);
	if (!spec->left && spec->zero)
		pad(out, '0', padding);
	for (int i = 0; i < length; i++)
		put(out, text[i]);
	if (spec->left)
		pad(out, ' ', padding);
}

static void put_number(struct output *out, struct spec *spec, uint64_t value, const char *prefix,
		       unsigned base, const char *digits)
{
	char text[72];
	int at = sizeof text;

	if (spec->precision >= 0)
		spec->zero = false;
	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value);
	while ((int)sizeof text - at < spec->precision && at > 0)
		text[--at] = '0';
	put_field(out, spec, prefix, text + at, (int)sizeof text - at);
}

static void put_string(struct output *out, struct spec *spec, const char *text)
{
	if (!text)
		text = "(null)";
	spec->zero = false;
	put_field(out, spec, "", text,
		  (int)(spec->precision >= 0 ? strnlen(text, (size_t)spec->precision) : strlen(text)));
}

static int parse_int(const char **format, va_list *args)
{
	int value = 0;

	if (**format == '*') {
		(*format)++;
		return va_arg(*args, int);
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		value = value * 10 + (**format - '0');
	return value;
}

static struct spec parse_spec(const char **format, va_list *args)
{
	struct spec spec = { .precision = -1 };

	for (;; (*format)++) {
		if (**format == '-')
			spec.left = true;
		else if (**format == '0')
			spec.zero = true;
		else if (**format == '#')
			spec.alternate = true;
		else if (**format == '+')
			spec.plus = true;
		else
			break;
	}
	spec.width = parse_int(format, args);
	if (spec.width < 0)
		spec.left = true, spec.width = -spec.width;
	if (**format == '.') {
		(*format)++;
		spec.precision = parse_int(format, args);
	}
	for (; **format == 'l' || **format == 'z'; (*format)++)
		spec.longs++;
	return spec;
}

static void put_signed(struct output *out, struct spec *spec, int64_t value)
{
	const char *sign = value < 0 ? "-" : spec->plus ? "+" : "";

	put_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, sign, 10, "0123456789");
}

static void put_conversion(struct output *out, struct spec *spec, char conversion, va_list *args)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	char c;

	switch (conversion) {
	case 'd':
	case 'i': put_signed(out, spec, spec->longs ? va_arg(*args, int64_t) : va_arg(*args, int)); return;
	case 'u':
		put_number(out, spec, spec->longs ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), "", 10,
			   lower);
		return;
	case 'o':
		put_number(out, spec, spec->longs ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), "", 8,
			   lower);
		return;
	case 'x':
	case 'X':
		put_number(out, spec, spec->longs ? va_arg(*args, uint64_t) : va_arg(*args, unsigned),
			   spec->alternate ? "0x" : "", 16, conversion == 'x' ? lower : upper);
		return;
	case 'p': put_number(out, spec, (uintptr_t)va_arg(*args, void *), "0x", 16, lower); return;
	case 's': put_string(out, spec, va_arg(*args, const char *)); return;
	case 'c':
		c = (char)va_arg(*args, int);
		put_field(out, spec, "", &c, 1);
		return;
	}
	put(out, conversion); /* %%, and whatever is unknown as it stands */
}

int vsnprintf(char *to, size_t size, const char *format, va_list args)
{
	struct output out = { to, size, 0 };
	va_list copy;

	va_copy(copy, args);
	for (; *format; format++) {
		if (*format != '%') {
			put(&out, *format);
			continue;
		}
		format++;
		struct spec spec = parse_spec(&format, &copy);
		if (!*format)
			break;
		put_conversion(&out, &spec, *format, &copy);
	}
	va_end(copy);
	if (size)
		to[out.length < size ? out.length : size - 1] = 0;
	return (int)out.length;
}

int snprintf(char *to, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = vsnprintf(to, size, format, args);
	va_end(args);
	return length;
}
