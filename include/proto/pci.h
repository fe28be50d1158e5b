/* SPDX-License-Identifier: MIT */
/* The PCI bus. */
#ifndef PROTO_PCI_H
#define PROTO_PCI_H

#define PROTO pci
#define PROTO_ID PROTO_ID_PCI
#define PROTO_DEF <proto/pci.def>
#include <proto/gen.h>

#endif
