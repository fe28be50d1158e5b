/* SPDX-License-Identifier: MIT */
/* VFS to file servers: nodes, directories, open files. */
#ifndef PROTO_FS_H
#define PROTO_FS_H
#include <proto/file_types.h>
#define PROTO fs
#define PROTO_ID PROTO_ID_FS
#define PROTO_DEF <proto/fs.def>
#include <proto/gen.h>

#endif
