/* SPDX-License-Identifier: MIT */
/* Block drivers. */
#ifndef PROTO_BLK_H
#define PROTO_BLK_H

#define PROTO blk
#define PROTO_ID PROTO_ID_BLK
#define PROTO_DEF <proto/blk.def>
#include <proto/gen.h>

#endif
