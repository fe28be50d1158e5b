/* SPDX-License-Identifier: MIT */
/* Character drivers: serial lines. */
#ifndef PROTO_CHR_H
#define PROTO_CHR_H

#define PROTO chr
#define PROTO_ID PROTO_ID_CHR
#define PROTO_DEF <proto/chr.def>
#include <proto/gen.h>

#endif
