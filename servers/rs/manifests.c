/* SPDX-License-Identifier: MIT */
/* What the boot archive brings: manifests, binaries as memory objects, shared memory. */
#include "rs.h"

#define SHARES 32
#define IMAGES MANIFESTS
#define MANIFEST_SUFFIX ".manifest"

struct shared_memory {
	char name[MANIFEST_NAME];
	uint64_t size;
	cap_t memory;
};

static PRESERVED struct manifest manifests[MANIFESTS];
static PRESERVED unsigned manifest_count;
static PRESERVED struct shared_memory shares[SHARES];
static PRESERVED unsigned share_count;
static PRESERVED struct image images[IMAGES];
static PRESERVED unsigned image_count;

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);

	return length > end && !strcmp(name + length - end, suffix);
}

static void add_shares(const struct manifest *manifest)
{
	for (unsigned i = 0; i < manifest->shares_count; i++) {
		const struct manifest_share *wanted = &manifest->shares[i];
		long memory;

		if (!wanted->write || !wanted->size || share_count == SHARES)
			continue;
		memory = kcall(mo_create, wanted->size, 0);
		if (memory < 0) {
			slog("%s: no memory for share %s", manifest->name, wanted->name);
			continue;
		}
		strlcpy(shares[share_count].name, wanted->name, MANIFEST_NAME);
		shares[share_count].size = wanted->size;
		shares[share_count++].memory = (cap_t)memory;
	}
}

void manifests_load(void)
{
	struct archive_file file;

	for (size_t at = 0; archive_read(&boot_archive, at, &file); at = file.next) {
		int line;

		if (!has_suffix(file.name, MANIFEST_SUFFIX))
			continue;
		if (manifest_count == MANIFESTS) {
			slog("more than %d manifests", MANIFESTS);
			return;
		}
		line = manifest_parse(file.data, file.size, &manifests[manifest_count]);
		if (line) {
			slog("%s:%d: wrong, service left out", file.name, line);
			continue;
		}
		if (!strcmp(manifests[manifest_count].name, "rs"))
			continue;
		add_shares(&manifests[manifest_count++]);
	}
}

const struct manifest *manifest_next(unsigned *index)
{
	return *index < manifest_count ? &manifests[(*index)++] : NULL;
}

const struct manifest *manifest_of(const char *service)
{
	for (unsigned i = 0; i < manifest_count; i++)
		if (!strcmp(manifests[i].name, service))
			return &manifests[i];
	return NULL;
}

cap_t share_memory(const char *name, size_t *index, uint64_t *size)
{
	for (unsigned i = 0; i < share_count; i++) {
		if (strcmp(shares[i].name, name))
			continue;
		*index = i;
		*size = shares[i].size;
		return shares[i].memory;
	}
	return CAP_NONE;
}

struct image *image_of(const char *name)
{
	struct image *image;
	struct archive_file file;
	long memory;

	for (unsigned i = 0; i < image_count; i++)
		if (!strcmp(images[i].name, name))
			return &images[i];
	if (image_count == IMAGES || !archive_find(&boot_archive, name, &file))
		return NULL;
	image = &images[image_count];
	if (!elf_read(file.data, file.size, &image->elf))
		return NULL;
	memory = tx_made(kcall(mo_create, (file.size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1), 0));
	if (memory < 0)
		return NULL;
	if (kcall(mo_write, memory, 0, file.data, file.size) != (long)file.size) {
		tx_close((cap_t)memory);
		return NULL;
	}
	strlcpy(image->name, name, sizeof image->name);
	image->data = file.data;
	image->size = file.size;
	image->memory = (cap_t)memory;
	image_count++;
	return image;
}
