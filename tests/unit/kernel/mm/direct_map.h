/* SPDX-License-Identifier: MIT */
/* On the build machine physical memory is a mapping at a fixed address: stands in for kernel/mm/direct_map.h. */
#ifndef KERNEL_MM_DIRECT_MAP_H
#define KERNEL_MM_DIRECT_MAP_H

#define DIRECT_MAP 0x200000000000ul

#endif
