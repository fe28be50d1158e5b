/* SPDX-License-Identifier: MIT */
/* RS to every service. */
#ifndef PROTO_SERVICE_H
#define PROTO_SERVICE_H

#define PROTO service
#define PROTO_ID PROTO_ID_SERVICE
#define PROTO_DEF <proto/service.def>
#include <proto/gen.h>

#endif
