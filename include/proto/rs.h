/* SPDX-License-Identifier: MIT */
/* Services to the reincarnation server. */
#ifndef PROTO_RS_H
#define PROTO_RS_H

#define PROTO rs
#define PROTO_ID PROTO_ID_RS
#define PROTO_DEF <proto/rs.def>
#include <proto/gen.h>

#endif
