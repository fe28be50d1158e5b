/* SPDX-License-Identifier: MIT */
/* Power-off and reset. */
#ifndef PROTO_POWER_H
#define PROTO_POWER_H

#define PROTO power
#define PROTO_ID PROTO_ID_POWER
#define PROTO_DEF <proto/power.def>
#include <proto/gen.h>

#endif
