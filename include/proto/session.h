/* SPDX-License-Identifier: MIT */
/* PM to VFS: the sessions (root, cwd, umask) of processes. */
#ifndef PROTO_SESSION_H
#define PROTO_SESSION_H

#define PROTO session
#define PROTO_ID PROTO_ID_SESSION
#define PROTO_DEF <proto/session.def>
#include <proto/gen.h>

#endif
