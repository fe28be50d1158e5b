/* SPDX-License-Identifier: MIT */
/* PM to tty. */
#ifndef PROTO_TTY_H
#define PROTO_TTY_H

#define PROTO tty
#define PROTO_ID PROTO_ID_TTY
#define PROTO_DEF <proto/tty.def>
#include <proto/gen.h>

#endif
