/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines through the I/O APICs (82093AA data sheet) and message-signalled
 * interrupts; each has a vector of its own and goes to the boot processor. The two
 * 8259s are masked for good.
 */
#include "machine.h"

#define IOAPIC_VERSION 1u
#define IOAPIC_ENTRY(pin) (0x10u + 2 * (pin))
#define ENTRY_MASKED 0x10000u
#define ENTRY_LEVEL 0x8000u
#define ENTRY_ACTIVE_LOW 0x2000u
#define OVERRIDE_LOW 0x3u   /* MADT flags: polarity, bits 0..1 */
#define OVERRIDE_LEVEL 0xcu /* trigger mode, bits 2..3 */
#define NO_GSI UINT32_MAX

static struct ioapic {
	volatile uint32_t *registers;
	uint32_t gsi_base, pins;
} ioapics[8];
static unsigned ioapic_count;

static struct vector {
	void *irq;
	uint32_t gsi;
	uint32_t entry; /* low half of the I/O APIC's entry, without the mask bit */
} vectors[256];

static uint32_t ioapic_read(struct ioapic *ioapic, uint32_t reg)
{
	ioapic->registers[0] = reg;
	return ioapic->registers[4];
}

static void ioapic_write(struct ioapic *ioapic, uint32_t reg, uint32_t value)
{
	ioapic->registers[0] = reg;
	ioapic->registers[4] = value;
}

static struct ioapic *ioapic_of(uint32_t gsi)
{
	for (unsigned i = 0; i < ioapic_count; i++)
		if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].pins)
			return &ioapics[i];
	return NULL;
}

static void entry_write(uint32_t gsi, uint32_t low)
{
	struct ioapic *ioapic = ioapic_of(gsi);

	ioapic_write(ioapic, IOAPIC_ENTRY(gsi - ioapic->gsi_base), low);
}

/* Remapped away from the exceptions first: a spurious interrupt comes even when masked. */
static void pic_mask(void)
{
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, VECTOR_PIC);
	outb(0xa1, VECTOR_PIC + 8);
	outb(0x21, 4);
	outb(0xa1, 2);
	outb(0x21, 1);
	outb(0xa1, 1);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

void ioapic_init(void)
{
	pic_mask();
	for (unsigned i = 0; i < acpi.ioapic_count; i++) {
		struct ioapic *ioapic = &ioapics[ioapic_count++];

		ioapic->registers = phys_to_virt(acpi.ioapics[i].address);
		ioapic->gsi_base = acpi.ioapics[i].gsi_base;
		ioapic->pins = (ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff) + 1;
		for (uint32_t pin = 0; pin < ioapic->pins; pin++)
			ioapic_write(ioapic, IOAPIC_ENTRY(pin), ENTRY_MASKED);
	}
}

/* A line that an ISA override names has the polarity and trigger given there. */
static uint32_t entry_flags(uint32_t gsi, uint32_t flags)
{
	uint32_t entry =
	    (flags & IRQ_LEVEL ? ENTRY_LEVEL : 0) | (flags & IRQ_ACTIVE_LOW ? ENTRY_ACTIVE_LOW : 0);

	for (unsigned i = 0; i < acpi.override_count; i++) {
		uint16_t override = acpi.overrides[i].flags;

		if (acpi.overrides[i].gsi != gsi)
			continue;
		if (override & OVERRIDE_LOW)
			entry = (entry & ~ENTRY_ACTIVE_LOW) |
				((override & OVERRIDE_LOW) == 3 ? ENTRY_ACTIVE_LOW : 0);
		if (override & OVERRIDE_LEVEL)
			entry =
			    (entry & ~ENTRY_LEVEL) | ((override & OVERRIDE_LEVEL) == 0xc ? ENTRY_LEVEL : 0);
	}
	return entry;
}

static uint32_t vector_free(void)
{
	for (uint32_t vector = VECTOR_IRQ_FIRST; vector <= VECTOR_IRQ_LAST; vector++)
		if (!vectors[vector].irq)
			return vector;
	return 0;
}

static bool gsi_taken(uint32_t gsi)
{
	for (uint32_t vector = VECTOR_IRQ_FIRST; vector <= VECTOR_IRQ_LAST; vector++)
		if (vectors[vector].irq && vectors[vector].gsi == gsi)
			return true;
	return false;
}

static void message_set(struct irq_message *message, uint32_t vector)
{
	message->address = 0xfee00000ul | (uint64_t)cpus[0].apic_id << 12;
	message->data = vector; /* edge, fixed delivery */
	message->vector = vector;
}

static void line_connect(uint32_t gsi, struct vector *v, uint32_t vector, uint32_t flags)
{
	struct ioapic *ioapic = ioapic_of(gsi);
	uint32_t pin = gsi - ioapic->gsi_base;

	v->entry = entry_flags(gsi, flags) | vector;
	ioapic_write(ioapic, IOAPIC_ENTRY(pin), v->entry | ENTRY_MASKED);
	ioapic_write(ioapic, IOAPIC_ENTRY(pin) + 1, cpus[0].apic_id << 24);
}

long arch_irq_connect(uint32_t gsi, uint32_t flags, void *irq, struct irq_message *message)
{
	uint32_t vector = vector_free();
	struct vector *v = &vectors[vector];

	if (!vector)
		return -ENOSPC;
	if (flags & IRQ_MSI) {
		*v = (struct vector){ irq, NO_GSI, 0 };
		message_set(message, vector);
		return vector;
	}
	if (!ioapic_of(gsi))
		return -EINVAL;
	if (gsi_taken(gsi))
		return -EBUSY;
	*v = (struct vector){ irq, gsi, 0 };
	line_connect(gsi, v, vector, flags);
	return vector;
}

void arch_irq_mask(uint32_t vector)
{
	if (vectors[vector].gsi != NO_GSI)
		entry_write(vectors[vector].gsi, vectors[vector].entry | ENTRY_MASKED);
}

void arch_irq_unmask(uint32_t vector)
{
	if (vectors[vector].gsi != NO_GSI)
		entry_write(vectors[vector].gsi, vectors[vector].entry);
}

void arch_irq_disconnect(uint32_t vector)
{
	arch_irq_mask(vector);
	vectors[vector].irq = NULL;
}

void irq_dispatch(uint32_t vector)
{
	if (vectors[vector].irq)
		irq_fired(vectors[vector].irq);
	lapic_eoi();
}
