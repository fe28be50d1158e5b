/* SPDX-License-Identifier: MIT */
/* The bus as it was found: functions and their base address registers. No IPC types. */
#ifndef PCI_BUS_H
#define PCI_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define FUNCTIONS 128
#define BARS 6
#define HEADER_WORDS 16

struct pci_bar {
	uint64_t base, size; /* size 0: not there */
	uint64_t flags;      /* as in pci.def */
};

struct pci_function {
	uint64_t address, identity, class, interrupt;
	bool is_bridge, bars_known;
	uint16_t express, msi, msix; /* offsets of capabilities, 0: none */
	struct pci_bar bars[BARS];
	bool resetting;
	uint32_t header[HEADER_WORDS]; /* while it resets */
};

#define BAR_IO 1u
#define BAR_PREFETCH 2u

/* config.c: the machine's access, port by port. width 1, 2, 4; offset aligned to it, below 256. */
long config_open(void);
uint32_t config_read(uint64_t address, unsigned offset, unsigned width);
void config_write(uint64_t address, unsigned offset, unsigned width, uint32_t value);

/* scan.c. What is found is preserved: a bus whose drivers run must not be probed again. */
void bus_scan(void);
const struct pci_function *bus_function(uint64_t index); /* NULL past the last */
struct pci_function *bus_find(uint64_t address);
const struct pci_bar *bus_bars(struct pci_function *function);

/* function.c */
/* Whether a driver may write this register of its own function. */
bool function_may_write(const struct pci_function *function, uint64_t offset, uint64_t width);
void function_enable(const struct pci_function *function);
/* Answers how many ns its reset takes; then function_reset_over is due. 0: it is quiet already. */
uint64_t function_quiesce(struct pci_function *function);
void function_reset_over(struct pci_function *function);
void function_use_line(const struct pci_function *function);
long function_set_message(const struct pci_function *function, uint64_t index, uint64_t address,
			  uint64_t data);

#define CONFIG_COMMAND 0x04u
#define CONFIG_STATUS 0x06u
#define COMMAND_IO 0x001u
#define COMMAND_MEMORY 0x002u
#define COMMAND_MASTER 0x004u
#define COMMAND_NO_INTX 0x400u

#endif
