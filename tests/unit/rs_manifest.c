/* SPDX-License-Identifier: MIT */
/*
 * Service manifests: every directive, refusals with the right line, and damaged text.
 * SOURCES: servers/rs/manifest.c
 */
#include <stdio.h>
#include <stdlib.h>

#include "rs_strlcpy.h"
#include "servers/rs/manifest.h"

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static struct manifest m;

static int parse(const char *text)
{
	return manifest_parse(text, strlen(text), &m);
}

static const char whole[] = "# a driver\n"
			    "service some_driver\n"
			    "priority 20   # high\n"
			    "uses pci rtc\n"
			    "uses vfs\n"
			    "hands pm\n"
			    "share proctab ro\n"
			    "share cache rw 64M\n"
			    "preserved 4K\n"
			    "ports 0x3f8 8\n"
			    "irq 4 level low\n"
			    "msi 2\n"
			    "dma\n"
			    "root\n"
			    "quota\n"
			    "trace\n"
			    "file libposix.bin\n"
			    "device pci 1af4:1001 1AF4:1042\n"
			    "class blk\n"
			    "instance\n"
			    "node char 4 64 2 0620 ttyS0\n"
			    "node block 8 0 16 0660\n"
			    "arguments  rsdp=$rsdp  $cmdline\n"
			    "restart always delay 20 clean 3 limit 4\n"
			    "script /etc/died";

static void test_whole(void)
{
	REQUIRE(parse(whole) == 0);
	REQUIRE(!strcmp(m.name, "some_driver") && m.priority == 20);
	REQUIRE(m.uses_count == 3 && !strcmp(m.uses[2], "vfs"));
	REQUIRE(m.hands_count == 1 && m.shares_count == 2);
	REQUIRE(!m.shares[0].write && m.shares[1].write && m.shares[1].size == 64u << 20);
	REQUIRE(m.preserved_size == 4096);
	REQUIRE(m.ports[0].base == 0x3f8 && m.ports[0].count == 8);
	REQUIRE(m.irqs[0].line == 4 && m.irqs[0].level && m.irqs[0].low);
	REQUIRE(m.msi == 2 && m.dma && m.root && m.quota && m.trace && m.instance);
	REQUIRE(!m.restart.never && m.restart.delay_ms == 20 && m.restart.clean == 3 && m.restart.limit == 4);
	REQUIRE(!strcmp(m.script, "/etc/died"));
	REQUIRE(!strcmp(m.files[0], "libposix.bin"));
	REQUIRE(m.devices_count == 2 && m.devices[1].vendor == 0x1af4 && m.devices[1].device == 0x1042);
	REQUIRE(m.nodes_count == 2 && m.nodes[0].mode == 0620 && !strcmp(m.nodes[0].name, "ttyS0"));
	REQUIRE(m.nodes[1].block && m.nodes[1].count == 16 && !m.nodes[1].name[0]);
	REQUIRE(!strcmp(m.arguments, "rsdp=$rsdp  $cmdline"));
}

static void test_refusals(void)
{
	REQUIRE(parse("") == 1);
	REQUIRE(parse("priority 3\nservice a\n") == 1);
	REQUIRE(parse("service a\nservice b\n") == 2);
	REQUIRE(parse("service a\n\npriority 32\n") == 3);
	REQUIRE(parse("service a\npriority 24\n") == 2); /* RS has it */
	REQUIRE(parse("service a\npriority 23\n") == 0);
	REQUIRE(parse("service a\npreserved 99999999999999999999\n") == 2);
	REQUIRE(parse("service a\npreserved 65G\n") == 2);
	REQUIRE(parse("service a\nports 0xfff0 32\n") == 2);
	REQUIRE(parse("service a\nports 1 0\n") == 2);
	REQUIRE(parse("service a\ndevice pci 12345:1\n") == 2);
	REQUIRE(parse("service a\ndevice pci 1234\n") == 2);
	REQUIRE(parse("service a\nnode char 1 3 1 999 null\n") == 2);
	REQUIRE(parse("service a\nshare x rx\n") == 2);
	REQUIRE(parse("service a\nunknown\n") == 2);
	REQUIRE(parse("service a\nrestart\n") == 2);
	REQUIRE(parse("service a\nrestart sometimes\n") == 2);
	REQUIRE(parse("service a\nrestart never limit 3\n") == 2);
	REQUIRE(parse("service a\nrestart always limit\n") == 2);
	REQUIRE(parse("service a\nrestart always limit 0\n") == 2);
	REQUIRE(parse("service a\nrestart always delay 60001\n") == 2);
	REQUIRE(parse("service a\nscript relative\n") == 2);
	REQUIRE(parse("service a_name_that_is_much_too_long\n") == 1);
}

static void test_limits(void)
{
	char text[8192] = "service a\n";

	for (int i = 0; i < MANIFEST_USES; i++)
		strcat(text, "uses x\n");
	REQUIRE(parse(text) == 0 && m.uses_count == MANIFEST_USES);
	strcat(text, "uses x\n");
	REQUIRE(parse(text) == MANIFEST_USES + 2);
	memset(text, 'x', 600);
	REQUIRE(manifest_parse(text, 600, &m) == 1);
}

/* Whatever stands there, the parser stays inside its buffers. */
static void test_damaged(void)
{
	char text[sizeof whole];

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)rand() % sizeof whole;

		memcpy(text, whole, sizeof whole);
		for (int i = rand() % 8; i > 0; i--)
			text[(size_t)rand() % sizeof whole] = (char)rand();
		manifest_parse(text, length, &m);
	}
}

int main(void)
{
	test_whole();
	test_refusals();
	test_limits();
	test_damaged();
	return 0;
}
