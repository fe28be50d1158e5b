/* SPDX-License-Identifier: MIT */
/* VFS to the servers of character and block special files. */
#ifndef PROTO_DEV_H
#define PROTO_DEV_H

#define PROTO dev
#define PROTO_ID PROTO_ID_DEV
#define PROTO_DEF <proto/dev.def>
#include <proto/gen.h>

#endif
