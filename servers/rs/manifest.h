/* SPDX-License-Identifier: MIT */
/* Service manifests (docs/manifest.md). Knows no IPC; tested on the host. */
#ifndef RS_MANIFEST_H
#define RS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRIORITY_MAX 23u
#define MANIFEST_NAME 24 /* with the NUL, as struct startup_entry has it */
#define MANIFEST_USES 24
#define MANIFEST_HANDS 16
#define MANIFEST_SHARES 8
#define MANIFEST_PORTS 8
#define MANIFEST_IRQS 8
#define MANIFEST_FILES 4
#define MANIFEST_DEVICES 32
#define MANIFEST_NODES 24
#define MANIFEST_ARGUMENTS 256
#define MANIFEST_SCRIPT 64

struct manifest {
	char name[MANIFEST_NAME];
	uint32_t priority;
	uint32_t uses_count, hands_count, shares_count, ports_count, irqs_count, files_count;
	uint32_t devices_count, nodes_count, msi;
	uint64_t preserved_size;
	bool dma, root, quota, trace, instance, manual;
	bool standby;                /* the service that RS makes to watch itself (standby.c) */
	char program[MANIFEST_NAME]; /* "": the service's name */
	char class[MANIFEST_NAME];
	char uses[MANIFEST_USES][MANIFEST_NAME];
	char hands[MANIFEST_HANDS][MANIFEST_NAME];
	char files[MANIFEST_FILES][MANIFEST_NAME];
	struct manifest_share {
		char name[MANIFEST_NAME];
		bool write;
		uint64_t size;
	} shares[MANIFEST_SHARES];
	struct manifest_ports {
		uint32_t base, count;
	} ports[MANIFEST_PORTS];
	struct manifest_irq {
		uint32_t line;
		bool level, low;
	} irqs[MANIFEST_IRQS];
	struct manifest_device {
		uint16_t vendor, device;
	} devices[MANIFEST_DEVICES];
	struct manifest_node {
		bool block;
		uint32_t major, minor, count, mode;
		char name[MANIFEST_NAME]; /* "": no node in /dev */
	} nodes[MANIFEST_NODES];
	char arguments[MANIFEST_ARGUMENTS];
	/* What follows on deaths in quick succession: the first restart is made at once, further ones after
	 * `delay_ms`, which doubles up to `longest_ms`; the one after `clean` deaths starts without what was preserved, that after
	 * `limit` is not made. */
	struct manifest_restart {
		bool never;
		uint32_t delay_ms, longest_ms, clean, limit;
	} restart;
	char script[MANIFEST_SCRIPT]; /* that crashd runs after each death; "": none */
};

/* Answers 0, or the number of the first line that is wrong. */
int manifest_parse(const char *text, size_t length, struct manifest *manifest);

#endif
