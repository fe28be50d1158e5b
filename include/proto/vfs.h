/* SPDX-License-Identifier: MIT */
/* Processes to VFS: everything that takes a path. */
#ifndef PROTO_VFS_H
#define PROTO_VFS_H
#include <proto/file_types.h>
#define PROTO vfs
#define PROTO_ID PROTO_ID_VFS
#define PROTO_DEF <proto/vfs.def>
#include <proto/gen.h>

#endif
