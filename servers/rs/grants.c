/* SPDX-License-Identifier: MIT */
/* From a manifest to the capabilities in a lent table. */
#include "rs.h"

static long grant_service(struct child *child, const char *name, const char *suffix, uint64_t badge)
{
	const struct child *peer = child_find(name);
	char entry[MANIFEST_NAME];

	if (!peer)
		return 0; /* not in this archive, or no such device: the service sees that */
	snprintf(entry, sizeof entry, "%s%s", name, suffix);
	return child_give(child, STARTUP_SERVICE, entry, (cap_t)child_right(peer, badge), CAP_ALL, 0, 0,
			  true);
}

static long grant_share(struct child *child, const struct manifest_share *share)
{
	size_t index = 0;
	uint64_t size = 0;
	cap_t memory = share_memory(share->name, &index, &size);

	if (memory == CAP_NONE) {
		slog("%s: nobody makes share %s", child->name, share->name);
		return 0;
	}
	return child_give(child, STARTUP_SHARE, share->name, memory, share->write ? CAP_R | CAP_W : CAP_R,
			  SERVICE_SHARES + index * SERVICE_SHARES_STEP, size, false);
}

static long grant_ports(struct child *child, const struct manifest_ports *ports)
{
	long slot = kcall(ports_create, root_cap, ports->base, ports->count);

	return child_give(child, STARTUP_PORTS, "ports", (cap_t)slot, CAP_ALL, ports->base, ports->count,
			  true);
}

static long grant_irq(struct child *child, const struct manifest_irq *irq)
{
	uint32_t flags = (irq->level ? IRQ_LEVEL : 0) | (irq->low ? IRQ_ACTIVE_LOW : 0);
	long slot = kcall(irq_create, root_cap, irq->line, flags);

	return child_give(child, STARTUP_IRQ, "irq", (cap_t)slot, CAP_ALL, irq->line, flags, true);
}

static long grant_msi(struct child *child, uint32_t index)
{
	long slot = kcall(irq_create, root_cap, 0, IRQ_MSI);

	return child_give(child, STARTUP_IRQ, "msi", (cap_t)slot, CAP_ALL, index, IRQ_MSI, true);
}

static long grant_trace(struct child *child)
{
	long slot = kcall(trace_create, root_cap);

	return child_give(child, STARTUP_TRACE, "trace", (cap_t)slot, CAP_ALL, 0, 0, true);
}

static long grant_file(struct child *child, const char *name)
{
	struct archive_file file;
	long memory;

	if (!archive_find(&boot_archive, name, &file)) {
		slog("%s: no file %s in the boot archive", child->name, name);
		return 0;
	}
	memory = kcall(mo_create, (file.size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1), 0);
	if (memory < 0)
		return memory;
	if (kcall(mo_write, memory, 0, file.data, file.size) != (long)file.size) {
		kcall(cap_close, memory);
		return -ENOMEM;
	}
	return child_give(child, STARTUP_FILE, name, (cap_t)memory, CAP_ALL, 0, file.size, true);
}

/* Without limits of its own: those are the service's to set. */
static long grant_quota(struct child *child)
{
	long quota = kcall(quota_create, root_quota, QUOTA_NO_LIMIT);

	if (quota < 0)
		return quota;
	return child_give(child, STARTUP_QUOTA, "quota", (cap_t)quota, CAP_ALL, 0, 0, true);
}

static long grant_hardware(struct child *child, const struct manifest *manifest)
{
	long error = 0;

	for (unsigned i = 0; i < manifest->ports_count && !error; i++)
		error = grant_ports(child, &manifest->ports[i]);
	for (unsigned i = 0; i < manifest->irqs_count && !error; i++)
		error = grant_irq(child, &manifest->irqs[i]);
	for (unsigned i = 0; i < manifest->msi && !error; i++)
		error = grant_msi(child, i);
	if (manifest->root && !error)
		error = child_give(child, STARTUP_ROOT, "root", root_cap, CAP_ALL, 0, 0, false);
	if (manifest->quota && !error)
		error = grant_quota(child);
	if (manifest->trace && !error)
		error = grant_trace(child);
	return error;
}

static long grant_own(struct child *child)
{
	cap_t table = child->table;
	long right = rs_right(BADGE_SERVICE | child->number);

	if (right < 0)
		return right;
	kcall(table_put, table, SLOT_RS & ~CAP_PRIVATE, right, CAP_ALL);
	kcall(cap_close, right);
	kcall(table_put, table, SLOT_ENDPOINT & ~CAP_PRIVATE, child->endpoint, CAP_ALL);
	kcall(table_put, table, SLOT_NOTIFY & ~CAP_PRIVATE, child->notify, CAP_ALL);
	return 0;
}

long child_grant(struct child *child)
{
	const struct manifest *manifest = child->manifest;
	long error = grant_own(child);

	for (unsigned i = 0; i < manifest->uses_count && !error; i++)
		error = grant_service(child, manifest->uses[i], "", BADGE_SERVICE | child->number);
	for (unsigned i = 0; i < manifest->hands_count && !error; i++)
		error = grant_service(child, manifest->hands[i], ".public", BADGE_PUBLIC);
	for (unsigned i = 0; i < manifest->shares_count && !error; i++)
		error = grant_share(child, &manifest->shares[i]);
	for (unsigned i = 0; i < manifest->files_count && !error; i++)
		error = grant_file(child, manifest->files[i]);
	if (!error)
		error = grant_hardware(child, manifest);
	if (!error && manifest->standby)
		error = standby_grant(child);
	if (error)
		slog("%s: cannot be given what its manifest says: error %ld", child->name, -error);
	return error;
}
