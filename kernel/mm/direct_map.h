/* SPDX-License-Identifier: MIT */
/* Where the kernel sees physical memory. */
#ifndef KERNEL_MM_DIRECT_MAP_H
#define KERNEL_MM_DIRECT_MAP_H

/* All physical memory is mapped here, writable and not executable. */
#define DIRECT_MAP 0xffff888000000000ul

#endif
