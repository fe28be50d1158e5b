/* SPDX-License-Identifier: MIT */
/* The network server: making sockets. */
#ifndef PROTO_NET_H
#define PROTO_NET_H

#include <proto/net_types.h>

#define PROTO net
#define PROTO_ID PROTO_ID_NET
#define PROTO_DEF <proto/net.def>
#include <proto/gen.h>

#endif
