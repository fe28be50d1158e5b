/* SPDX-License-Identifier: MIT */
/* The files of the whole system. */
#include "procfs.h"

#include <util/string.h>

#define SECOND 1000000000ul
#define TICK_NS 10000000ul
#define KIB_PER_PAGE 4ul

static struct system_info system_now(void)
{
	struct system_info info = { 0 };

	kcall(system_info, &info);
	return info;
}

/* Of programs and services; paged objects, page tables and what the kernel keeps apart. */
static uint64_t pages_anonymous(const struct system_info *s)
{
	return s->pages_total - s->pages_free - s->pages_kernel - s->pages_cache - s->pages_table -
	       s->tables_spare;
}

static void render_meminfo(struct text *t, struct node node, struct gather *g)
{
	struct system_info s = system_now();
	uint64_t available = s.pages_free + s.pages_cache;

	(void)node, (void)g;
	if (available > s.pages_total)
		available = s.pages_total;
	put(t, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n",
	    s.pages_total * KIB_PER_PAGE, s.pages_free * KIB_PER_PAGE, available * KIB_PER_PAGE);
	/* Pages of block devices are among the cached ones. */
	put(t, "Buffers:        %8u kB\nCached:         %8lu kB\nSwapCached:     %8u kB\n", 0,
	    s.pages_cache * KIB_PER_PAGE, 0);
	put(t,
	    "AnonPages:      %8lu kB\nSlab:           %8lu kB\nSReclaimable:   %8lu kB\nSUnreclaim:     %8lu "
	    "kB\n",
	    pages_anonymous(&s) * KIB_PER_PAGE, s.pages_kernel * KIB_PER_PAGE, s.blocks_spare * KIB_PER_PAGE,
	    (s.pages_kernel - s.blocks_spare) * KIB_PER_PAGE);
	put(t, "PageTables:     %8lu kB\n", (s.pages_table + s.tables_spare) * KIB_PER_PAGE);
	put(t, "SwapTotal:      %8u kB\nSwapFree:       %8u kB\n", 0, 0);
}

static void render_vmstat(struct text *t, struct node node, struct gather *g)
{
	struct system_info s = system_now();

	(void)node, (void)g;
	put(t, "nr_free_pages %lu\nnr_anon_pages %lu\nnr_file_pages %lu\nnr_page_table_pages %lu\n",
	    s.pages_free, pages_anonymous(&s), s.pages_cache, s.pages_table + s.tables_spare);
	put(t, "nr_slab_reclaimable %lu\nnr_slab_unreclaimable %lu\npgfault %lu\n", s.blocks_spare,
	    s.pages_kernel - s.blocks_spare, s.page_faults);
}

/* What the kernel holds: counts that are back where they were when nothing has leaked. */
static void render_objects(struct text *t, struct node node, struct gather *g)
{
	static const char *const names[CAPT_TYPES] = {
		[CAPT_SPACE] = "spaces",         [CAPT_TABLE] = "tables",  [CAPT_THREAD] = "threads",
		[CAPT_ENDPOINT] = "endpoints",   [CAPT_BADGE] = "badges",  [CAPT_CALL] = "calls",
		[CAPT_NOTIFY] = "notifications", [CAPT_WATCH] = "watches", [CAPT_MEMORY] = "memory objects",
		[CAPT_IRQ] = "interrupts",       [CAPT_PORTS] = "ports",   [CAPT_QUOTA] = "quotas",
	};
	struct system_info s = system_now();

	(void)node, (void)g;
	for (unsigned type = 0; type < CAPT_TYPES; type++)
		if (names[type])
			put(t, "%-16s%lu\n", names[type], s.objects[type]);
	put(t, "%-16s%lu\n", "dead watches", s.watches_dead);
	put(t, "%-16s%lu\n%-16s%lu\n", "capabilities", s.capabilities, "kernel bytes", s.kernel_bytes);
	put(t, "%-16s%lu\n%-16s%lu\n", "anonymous pages", pages_anonymous(&s), "table pages", s.pages_table);
	put(t, "%-16s%lu\n%-16s%lu\n", "cached pages", s.pages_cache, "kernel pages", s.pages_kernel);
	put(t, "%-16s%lu\n%-16s%lu\n", "spare pages", s.tables_spare + s.blocks_spare, "free pages",
	    s.pages_free);
}

static void put_hundredths(struct text *t, uint64_t ns)
{
	put(t, "%lu.%02lu", ns / SECOND, ns % SECOND / TICK_NS);
}

static void render_uptime(struct text *t, struct node node, struct gather *g)
{
	struct system_info s = system_now();

	(void)node, (void)g;
	put_hundredths(t, s.uptime_ns);
	put(t, " ");
	put_hundredths(t, s.idle_ns);
	put(t, "\n");
}

static void render_loadavg(struct text *t, struct node node, struct gather *g)
{
	struct system_info s = system_now();

	(void)node;
	for (int i = 0; i < 3; i++)
		put(t, "%lu.%02lu ", g->loads[i] >> 16, (g->loads[i] & 0xffff) * 100 >> 16);
	put(t, "%lu/%lu %lu\n", s.threads_running, s.threads, g->last_pid);
}

static uint64_t boot_seconds(void)
{
	return (clock_realtime_ns() - clock_monotonic_ns()) / SECOND;
}

/* The kernel keeps one count of idle time: each processor is shown with its share. */
static void put_processor(struct text *t, const char *name, uint64_t user, uint64_t system, uint64_t idle)
{
	put(t, "%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name, user / TICK_NS, system / TICK_NS, idle / TICK_NS);
}

static void render_stat(struct text *t, struct node node, struct gather *g)
{
	struct system_info s = system_now();
	uint64_t processors = s.processors ? s.processors : 1, total = s.uptime_ns * processors;
	uint64_t others = s.idle_ns + s.system_ns, user = total > others ? total - others : 0;
	char name[16];

	(void)node;
	put_processor(t, "cpu ", user, s.system_ns, s.idle_ns);
	for (uint64_t i = 0; i < processors && i < 64; i++) {
		snprintf(name, sizeof name, "cpu%lu", i);
		put_processor(t, name, user / processors, s.system_ns / processors, s.idle_ns / processors);
	}
	put(t, "intr %lu\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running %lu\nprocs_blocked 0\n",
	    s.interrupts, s.context_switches, boot_seconds(), g->forks, s.threads_running);
}

static void render_version(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "Linux version 6.1.0-anole (Anole)\n");
}

static void render_cmdline(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "%s\n", startup->arguments);
}

static void render_filesystems(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\n\text2\n");
}

static void render_devices(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n 10 misc\n136 pts\n\nBlock "
	       "devices:\n254 vd\n");
}

static void render_partitions(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put(t, "major minor  #blocks  name\n\n");
	put_bytes(t, g->text, g->text_length);
}

static void render_text(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put_bytes(t, g->text, g->text_length);
}

static void cpuid(uint32_t leaf, uint32_t out[4])
{
	__asm__("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

static void put_flags(struct text *t)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} low[] = { { "fpu", 0 },   { "tsc", 4 },  { "msr", 5 },   { "pae", 6 },
		    { "cx8", 8 },   { "apic", 9 }, { "cmov", 15 }, { "mmx", 23 },
		    { "fxsr", 24 }, { "sse", 25 }, { "sse2", 26 } };
	uint32_t r[4];

	cpuid(1, r);
	put(t, "flags\t\t:");
	for (uint32_t i = 0; i < sizeof low / sizeof *low; i++)
		if (r[3] >> low[i].bit & 1)
			put(t, " %s", low[i].name);
	put(t, " syscall nx lm\n");
}

static void render_cpuinfo(struct text *t, struct node node, struct gather *g)
{
	struct system_info s = system_now();
	uint32_t vendor[4], brand[13] = { 0 }, signature[4];

	(void)node, (void)g;
	cpuid(0, vendor);
	cpuid(1, signature);
	for (uint32_t i = 0; i < 3; i++)
		cpuid(0x80000002u + i, brand + 4 * i);
	for (uint64_t i = 0; i < s.processors && i < 64; i++) {
		put(t, "processor\t: %lu\nvendor_id\t: %.*s%.*s%.*s\n", i, 4, (char *)&vendor[1], 4,
		    (char *)&vendor[3], 4, (char *)&vendor[2]);
		put(t, "cpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
		    signature[0] >> 8 & 15, (signature[0] >> 4 & 15) | (signature[0] >> 12 & 0xf0),
		    (char *)brand, signature[0] & 15);
		put_flags(t);
		put(t, "\n");
	}
}

/* The whole log; unlike Linux's it ends. */
static void render_kmsg(struct text *t, struct node node, struct gather *g)
{
	struct klog_read read = { 0, 0, 0 };

	(void)node, (void)g;
	while (t->used < t->size) {
		read.buffer = (uint64_t)(t->at + t->used);
		read.length = t->size - t->used;
		long n = kcall(klog_read, &read);

		if (n <= 0)
			return;
		t->used += (size_t)n;
	}
}

static void render_nothing(struct text *t, struct node node, struct gather *g)
{
	(void)t, (void)node, (void)g;
}

static void render_hostname(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put(t, "%s\n", g->host.host);
}

static void render_domainname(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put(t, "%s\n", g->host.domain[0] ? g->host.domain : "(none)");
}

static void render_ostype(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "Linux\n");
}

static void render_osrelease(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "6.1.0-anole\n");
}

static void render_osversion(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "Anole\n");
}

/* RFC 4122, version 4 */
static void put_uuid(struct text *t, const uint8_t bytes[16])
{
	for (int i = 0; i < 16; i++) {
		uint8_t byte = bytes[i];

		if (i == 6)
			byte = (byte & 0x0f) | 0x40;
		if (i == 8)
			byte = (byte & 0x3f) | 0x80;
		put(t, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", byte);
	}
	put(t, "\n");
}

static void render_uuid(struct text *t, struct node node, struct gather *g)
{
	(void)node;
	put_uuid(t, g->random);
}

/* The first that is asked for. */
static void render_boot_id(struct text *t, struct node node, struct gather *g)
{
	static PRESERVED uint8_t id[16];
	static PRESERVED bool made;

	(void)node;
	if (!made)
		memcpy(id, g->random, sizeof id);
	made = true;
	put_uuid(t, id);
}

static void render_pid_max(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "%d\n", PID_MAX);
}

static void render_ngroups_max(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "%d\n", PROCESS_GROUPS);
}

static void render_zero(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "0\n");
}

static void render_one(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "1\n");
}

static void render_pipe_size(struct text *t, struct node node, struct gather *g)
{
	(void)node, (void)g;
	put(t, "1048576\n");
}

/* `parent` is an index of this array. */
enum { DIR_ROOT, DIR_SYS, DIR_KERNEL, DIR_VM, DIR_FS, DIR_RANDOM, DIR_NET };
_Static_assert(DIR_NET + 1 == SYSTEM_NET, "its files stand behind it");
#define NET(name, table) \
	[SYSTEM_NET + NET_TABLE_##table] = { name, 0444, TYPE_FILE, DIR_NET, NEED_NET, render_text, NULL }
const struct file_kind system_files[] = {
	[DIR_ROOT] = { "", 0555, TYPE_DIRECTORY, DIR_ROOT, 0, NULL, NULL },
	[DIR_SYS] = { "sys", 0555, TYPE_DIRECTORY, DIR_ROOT, 0, NULL, NULL },
	[DIR_KERNEL] = { "kernel", 0555, TYPE_DIRECTORY, DIR_SYS, 0, NULL, NULL },
	[DIR_VM] = { "vm", 0555, TYPE_DIRECTORY, DIR_SYS, 0, NULL, NULL },
	[DIR_FS] = { "fs", 0555, TYPE_DIRECTORY, DIR_SYS, 0, NULL, NULL },
	[DIR_RANDOM] = { "random", 0555, TYPE_DIRECTORY, DIR_KERNEL, 0, NULL, NULL },
	[DIR_NET] = { "net", 0555, TYPE_DIRECTORY, DIR_ROOT, 0, NULL, NULL },
	NET("dev", DEV),
	NET("tcp", TCP),
	NET("tcp6", TCP6),
	NET("udp", UDP),
	NET("udp6", UDP6),
	NET("raw", RAW),
	NET("raw6", RAW6),
	NET("route", ROUTE),
	NET("ipv6_route", ROUTE6),
	NET("arp", ARP),
	NET("if_inet6", ADDRESSES6),
	NET("pnp", NAME_SERVERS),
	NET("snmp", SNMP),
	NET("sockstat", SOCKSTAT),
	NET("packet", PACKET),
	NET("unix", UNIX),
	{ "self", 0777, TYPE_LINK, DIR_ROOT, 0, NULL, NULL },
	{ "thread-self", 0777, TYPE_LINK, DIR_ROOT, 0, NULL, NULL },
	{ "meminfo", 0444, TYPE_FILE, DIR_ROOT, 0, render_meminfo, NULL },
	{ "vmstat", 0444, TYPE_FILE, DIR_ROOT, 0, render_vmstat, NULL },
	{ "uptime", 0444, TYPE_FILE, DIR_ROOT, 0, render_uptime, NULL },
	{ "loadavg", 0444, TYPE_FILE, DIR_ROOT, NEED_COUNTS, render_loadavg, NULL },
	{ "stat", 0444, TYPE_FILE, DIR_ROOT, NEED_COUNTS, render_stat, NULL },
	{ "version", 0444, TYPE_FILE, DIR_ROOT, 0, render_version, NULL },
	{ "cmdline", 0444, TYPE_FILE, DIR_ROOT, 0, render_cmdline, NULL },
	{ "cpuinfo", 0444, TYPE_FILE, DIR_ROOT, 0, render_cpuinfo, NULL },
	{ "filesystems", 0444, TYPE_FILE, DIR_ROOT, 0, render_filesystems, NULL },
	{ "devices", 0444, TYPE_FILE, DIR_ROOT, 0, render_devices, NULL },
	{ "partitions", 0444, TYPE_FILE, DIR_ROOT, NEED_DISKS, render_partitions, NULL },
	{ "mounts", 0444, TYPE_FILE, DIR_ROOT, NEED_MOUNTS, render_text, NULL },
	{ "swaps", 0444, TYPE_FILE, DIR_ROOT, 0, render_nothing, NULL },
	{ "kmsg", 0400, TYPE_FILE, DIR_ROOT, 0, render_kmsg, NULL },
	{ "trace", 0400, TYPE_TRACE, DIR_ROOT, 0, render_nothing, NULL },
	{ "crashes", 0400, TYPE_CRASHES, DIR_ROOT, 0, render_nothing, NULL },
	{ "services", 0444, TYPE_FILE, DIR_ROOT, NEED_SERVICES, render_text, NULL },
	{ "service_points", 0400, TYPE_FILE, DIR_ROOT, NEED_POINTS, render_text, NULL },
	{ "service_control", 0600, TYPE_FILE, DIR_ROOT, 0, render_nothing, control_write },
	{ "objects", 0444, TYPE_FILE, DIR_ROOT, 0, render_objects, NULL },
	{ "hostname", 0444, TYPE_FILE, DIR_KERNEL, NEED_HOST, render_hostname, NULL },
	{ "domainname", 0444, TYPE_FILE, DIR_KERNEL, NEED_HOST, render_domainname, NULL },
	{ "ostype", 0444, TYPE_FILE, DIR_KERNEL, 0, render_ostype, NULL },
	{ "osrelease", 0444, TYPE_FILE, DIR_KERNEL, 0, render_osrelease, NULL },
	{ "version", 0444, TYPE_FILE, DIR_KERNEL, 0, render_osversion, NULL },
	{ "pid_max", 0444, TYPE_FILE, DIR_KERNEL, 0, render_pid_max, NULL },
	{ "uuid", 0444, TYPE_FILE, DIR_RANDOM, NEED_RANDOM, render_uuid, NULL },
	{ "boot_id", 0444, TYPE_FILE, DIR_RANDOM, NEED_RANDOM, render_boot_id, NULL },
	{ "ngroups_max", 0444, TYPE_FILE, DIR_KERNEL, 0, render_ngroups_max, NULL },
	{ "drop_caches", 0200, TYPE_FILE, DIR_VM, 0, render_nothing, drop_caches_write },
	{ "overcommit_memory", 0444, TYPE_FILE, DIR_VM, 0, render_zero, NULL },
	{ "protected_hardlinks", 0400, TYPE_FILE, DIR_FS, 0, render_one, NULL },
	{ "pipe-max-size", 0444, TYPE_FILE, DIR_FS, 0, render_pipe_size, NULL },
};
const uint32_t system_files_count = sizeof system_files / sizeof *system_files;
