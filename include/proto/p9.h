/* SPDX-License-Identifier: MIT */
/* 9P messages to a host. */
#ifndef PROTO_P9_H
#define PROTO_P9_H

#define PROTO p9
#define PROTO_ID PROTO_ID_P9
#define PROTO_DEF <proto/p9.def>
#include <proto/gen.h>

#endif
