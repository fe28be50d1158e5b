/* SPDX-License-Identifier: MIT */
/* struct termios as Linux's TCGETS exchanges it, with its flag values. */
#ifndef TTY_TERMIOS_H
#define TTY_TERMIOS_H

#include <stdint.h>

#define NCCS 19
struct termios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[NCCS];
};
_Static_assert(sizeof(struct termios) == 36, "kernel termios of x86-64");

struct winsize {
	uint16_t rows, columns, xpixel, ypixel;
};

enum {
	VINTR,
	VQUIT,
	VERASE,
	VKILL,
	VEOF,
	VTIME,
	VMIN,
	VSWTC,
	VSTART,
	VSTOP,
	VSUSP,
	VEOL,
	VREPRINT,
	VDISCARD,
	VWERASE,
	VLNEXT,
	VEOL2
};

/* iflag */
#define BRKINT 02u
#define ISTRIP 040u
#define INLCR 0100u
#define IGNCR 0200u
#define ICRNL 0400u
#define IUCLC 01000u
#define IXON 02000u
#define IXANY 04000u
#define IMAXBEL 020000u
#define IUTF8 040000u
/* oflag */
#define OPOST 01u
#define OLCUC 02u
#define ONLCR 04u
#define OCRNL 010u
#define ONOCR 020u
#define ONLRET 040u
#define TABDLY 014000u
#define XTABS 014000u
/* cflag */
#define CBAUD 010017u
#define CSIZE 060u
#define CS5 0u
#define CS8 060u
#define CSTOPB 0100u
#define CREAD 0200u
#define PARENB 0400u
#define PARODD 01000u
#define HUPCL 02000u
#define CLOCAL 04000u
#define B38400 017u
#define B115200 010002u
/* lflag */
#define ISIG 01u
#define ICANON 02u
#define ECHO 010u
#define ECHOE 020u
#define ECHOK 040u
#define ECHONL 0100u
#define NOFLSH 0200u
#define TOSTOP 0400u
#define ECHOCTL 01000u
#define ECHOKE 04000u
#define IEXTEN 0100000u

#endif
