/* SPDX-License-Identifier: MIT */
/* Network drivers. */
#ifndef PROTO_NIC_H
#define PROTO_NIC_H

#include <proto/nic_types.h>

#define PROTO nic
#define PROTO_ID PROTO_ID_NIC
#define PROTO_DEF <proto/nic.def>
#include <proto/gen.h>

#endif
