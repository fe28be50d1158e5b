/* SPDX-License-Identifier: MIT */
#include <drv/pci.h>
#include <proto/pci.h>

#define CONFIG_STATUS 0x06u
#define CONFIG_CAPABILITIES 0x34u
#define STATUS_CAPABILITIES 0x10u
#define CAPABILITIES_LIMIT 48
#define BARS 6

struct msix_entry {
	volatile uint32_t address_low, address_high, data, control; /* control 1: masked */
};

static cap_t pci_device(void)
{
	const struct startup_entry *entry = startup_find(STARTUP_DEVICE, NULL, 0);

	return entry ? entry->slot : CAP_NONE;
}

uint32_t pci_read(unsigned offset, unsigned width)
{
	struct pci_config_read_req request = { offset, width };
	struct pci_config_read_reply reply;

	if (pci_call_config_read(pci_device(), NULL, &request, &reply) < 0)
		return UINT32_MAX;
	return (uint32_t)reply.value;
}

long pci_switch_on(void)
{
	struct pci_enable_req request = {};
	struct pci_enable_reply reply;

	return pci_call_enable(pci_device(), NULL, &request, &reply);
}

unsigned pci_capability(unsigned number, unsigned after)
{
	unsigned at = after ? after + 1 : CONFIG_CAPABILITIES;

	if (!(pci_read(CONFIG_STATUS, 2) & STATUS_CAPABILITIES))
		return 0;
	at = pci_read(at, 1) & 0xfc;
	for (int i = 0; at >= 0x40 && i < CAPABILITIES_LIMIT; i++) {
		uint32_t header = pci_read(at, 2);

		if ((header & 0xff) == number)
			return at;
		at = header >> 8 & 0xfc;
	}
	return 0;
}

void *pci_map_bar(unsigned index, uint64_t *size)
{
	static void *mapped[BARS];
	const struct startup_entry *entry;

	for (unsigned n = 0; index < BARS && (entry = startup_find(STARTUP_BAR, NULL, n)); n++) {
		if (entry->address != index)
			continue;
		if (!mapped[index])
			mapped[index] =
			    map_memory(entry->slot, 0, entry->size, VM_R | VM_W | VM_SHARED | VM_UNCACHED);
		*size = entry->size;
		return mapped[index];
	}
	return NULL;
}

/* PCI Local Bus 3.0, 6.8.2: where the table is. */
static struct msix_entry *msix_table(unsigned n)
{
	unsigned at = pci_capability(PCI_CAPABILITY_MSIX, 0);
	uint32_t where;
	uint64_t size;
	char *bar;

	if (!at || n > (pci_read(at + 2, 2) & 0x7ff))
		return NULL;
	where = pci_read(at + 4, 4);
	bar = pci_map_bar(where & 7, &size);
	where &= ~7u;
	if (!bar || where + (n + 1) * sizeof(struct msix_entry) > size)
		return NULL;
	return (struct msix_entry *)(bar + where) + n;
}

long pci_message_interrupt(unsigned n, unsigned bit, cap_t *irq)
{
	const struct startup_entry *entry = startup_find(STARTUP_IRQ, "msi", n);
	struct msix_entry *table = msix_table(n);
	struct pci_set_message_req request = { .index = n };
	struct pci_set_message_reply reply;
	struct irq_message message;
	long error;

	if (!entry || (!table && (n || !pci_capability(PCI_CAPABILITY_MSI, 0))))
		return -ENODEV;
	*irq = entry->slot;
	error = kcall(irq_message, entry->slot, &message);
	if (error < 0)
		return error;
	if (table) {
		table->address_low = (uint32_t)message.address;
		table->address_high = (uint32_t)(message.address >> 32);
		table->data = message.data;
		table->control = 0;
	}
	request.message_address = message.address;
	request.message_data = message.data;
	error = kcall(irq_bind, entry->slot, SLOT_NOTIFY, bit);
	if (error < 0)
		return error;
	return pci_call_set_message(pci_device(), NULL, &request, &reply);
}

long pci_line_interrupt(unsigned bit, cap_t *irq)
{
	const struct startup_entry *entry = startup_find(STARTUP_IRQ, "intx", 0);
	struct pci_use_line_req request = {};
	struct pci_use_line_reply reply;
	long error;

	if (!entry)
		return -ENODEV;
	*irq = entry->slot;
	error = kcall(irq_bind, entry->slot, SLOT_NOTIFY, bit);
	return error < 0 ? error : pci_call_use_line(pci_device(), NULL, &request, &reply);
}
