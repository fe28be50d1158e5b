/* SPDX-License-Identifier: MIT */
/* Processes to pipe: pipes, event, timer and signal descriptors. */
#ifndef PROTO_PIPE_H
#define PROTO_PIPE_H

#define PROTO pipe
#define PROTO_ID PROTO_ID_PIPE
#define PROTO_DEF <proto/pipe.def>
#include <proto/gen.h>

#endif
