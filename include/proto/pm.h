/* SPDX-License-Identifier: MIT */
/* Processes to the process manager. */
#ifndef PROTO_PM_H
#define PROTO_PM_H
#include <proto/pm_types.h>
#define PROTO pm
#define PROTO_ID PROTO_ID_PM
#define PROTO_DEF <proto/pm.def>
#include <proto/gen.h>

#endif
