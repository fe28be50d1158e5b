/* SPDX-License-Identifier: MIT */
/* A driver's own PCI function: configuration space, BARs, interrupts. */
#ifndef LIB_DRV_PCI_H
#define LIB_DRV_PCI_H

#include <sys/server.h>

/* Synchronous calls to pci, for a driver that starts; all ones or -errno if they fail. */
uint32_t pci_read(unsigned offset, unsigned width);
long pci_switch_on(void); /* bus mastering, decoding */
/* The next capability with this number behind `after` (0: the first); 0 if there is none. */
unsigned pci_capability(unsigned number, unsigned after);
#define PCI_CAPABILITY_MSI 0x05u
#define PCI_CAPABILITY_VENDOR 0x09u
#define PCI_CAPABILITY_MSIX 0x11u

/* Memory BAR `index` as RS gave it, mapped once; NULL. */
void *pci_map_bar(unsigned index, uint64_t *size);
/* The n-th message-signalled interrupt of the manifest becomes entry n of the MSI-X table (or, of a function with plain
 * MSI, its only one) and signals `bit` of SLOT_NOTIFY. The interrupt's capability comes in *irq, for irq_ack. */
long pci_message_interrupt(unsigned n, unsigned bit, cap_t *irq);
/* The function's line INTx signals `bit` of SLOT_NOTIFY; ENODEV if it has none. Others may share it: the device must
 * have been quieted before irq_ack, and a signal need not mean that it was this device. */
long pci_line_interrupt(unsigned bit, cap_t *irq);

#endif
