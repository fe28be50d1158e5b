/* SPDX-License-Identifier: MIT */
/* Sockets: names, connections, messages, options. */
#ifndef PROTO_SOCKET_H
#define PROTO_SOCKET_H

#include <proto/socket_types.h>

#define PROTO socket
#define PROTO_ID PROTO_ID_SOCKET
#define PROTO_DEF <proto/socket.def>
#include <proto/gen.h>

#endif
