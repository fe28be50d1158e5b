/* SPDX-License-Identifier: MIT */
/* An open file, at the server that holds it: one round trip per read. */
#ifndef PROTO_FILE_H
#define PROTO_FILE_H
#include <proto/file_types.h>
#define PROTO file
#define PROTO_ID PROTO_ID_FILE
#define PROTO_DEF <proto/file.def>
#include <proto/gen.h>

#endif
