/* SPDX-License-Identifier: MIT */
/* Seeds from random number generators. */
#ifndef PROTO_RNG_H
#define PROTO_RNG_H

#define PROTO rng
#define PROTO_ID PROTO_ID_RNG
#define PROTO_DEF <proto/rng.def>
#include <proto/gen.h>

#endif
