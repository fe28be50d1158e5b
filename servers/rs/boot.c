/* SPDX-License-Identifier: MIT */
/*
 * Bringing the system up: every endpoint is made before any service starts, so services may call
 * each other in any order. Then VFS learns the device numbers, mounts the root, and PM starts init.
 */
#include "rs.h"

#include <proto/file_types.h>
#include <proto/pm.h>
#include <proto/vfs.h>

#define CONSOLE_TO_DRIVER 2 /* system_reset */
#define ROOT_DEFAULT "vda3"
#define ROOT_TYPE_DEFAULT "ext2"
#define PATIENCE_NS (10 * SECONDS)

static PRESERVED unsigned devices_left; /* add_device calls that are out, and one while they are being sent */
static PRESERVED cap_t text_memory;
static PRESERVED uint64_t text_used;
static PRESERVED const char *waiting_for; /* NULL: for nothing */
static struct timer patience;

/* Text for the in buffer of an asynchronous call; the object is kept for all of them. */
static struct call_buffer text_buffer(const char *text, size_t length)
{
	struct call_buffer buffer = { .memory = text_memory, .offset = text_used, .length = length };

	if (kcall(mo_write, text_memory, text_used, text, length) != (long)length)
		buffer.length = 0;
	text_used += length;
	return buffer;
}

/* Who does not wait for work is likely the cause. */
static void log_busy(const struct child *child)
{
	struct thread_info info;

	if (child->state != CHILD_RUNNING)
		slog("%s is not running: %s", child->name, child->reason);
	else if (kcall(thread_info, child->thread, &info) == 0 && info.state != THREAD_WAITING)
		slog("%s: thread state %lu at %lx, calls operation %lx", child->name, info.state, info.rip,
		     info.calling_op);
}

static void patience_over(struct timer *timer)
{
	slog("still waiting for %s", waiting_for);
	for (unsigned i = 0; i < CHILDREN; i++)
		if (children[i].state != CHILD_FREE)
			log_busy(&children[i]);
	timer_start(timer, clock_monotonic_ns() + PATIENCE_NS, patience_over);
}

static void wait_for(const char *what)
{
	waiting_for = what;
	timer_start(&patience, clock_monotonic_ns() + PATIENCE_NS, patience_over);
}

static void wait_no_more(void)
{
	waiting_for = NULL;
	timer_stop(&patience);
}

void boot_go_on(void)
{
	if (waiting_for)
		wait_for(waiting_for);
}

static void init_started(struct acall *call)
{
	uint64_t now = clock_monotonic_ns() - boot_info->kernel_entry_ns;

	wait_no_more();
	if (call->status < 0)
		slog("cannot start init: error %ld", -call->status);
	else
		slog("up %lu.%03lu s after the kernel was entered", now / SECONDS,
		     now % SECONDS / MILLISECONDS);
}

/* From here on the console is the terminal's, unless `log=console` wants to see both. */
static void start_init(void)
{
	struct child *pm = child_find("pm");
	struct pm_start_init_req request = {};
	struct acall *call = pm ? acall_new(init_started, NULL) : NULL;
	char log[16];

	wait_for("pm to start init");
	if (!word_of_command_line("log=", log, sizeof log) || strcmp(log, "console"))
		kcall(system_reset, root_cap, CONSOLE_TO_DRIVER);
	if (call)
		pm_send_start_init(call, pm->control, &request);
}

static void root_mounted(struct acall *call)
{
	if (call->status < 0 && call->status != -ERESTART) {
		slog("cannot mount the root file system: error %ld", -call->status);
		wait_no_more();
		return;
	}
	start_init();
}

static void mount_root(void)
{
	struct child *vfs = child_find("vfs");
	struct vfs_mount_root_req request = { 0 };
	char source[64] = ROOT_DEFAULT, type[32] = ROOT_TYPE_DEFAULT, text[96], *name = source;
	struct acall *call = vfs ? acall_new(root_mounted, NULL) : NULL;

	if (!call)
		return;
	word_of_command_line("root=", source, sizeof source);
	word_of_command_line("rootfstype=", type, sizeof type);
	if (!strncmp(source, "/dev/", 5))
		name += 5;
	request.source_length = strlen(name);
	call->in = text_buffer(text, (size_t)snprintf(text, sizeof text, "%s%s", name, type));
	wait_for("the root file system");
	vfs_send_mount_root(call, vfs->control, &request);
}

static void device_settled(void)
{
	static PRESERVED bool mounting;

	devices_left--;
	if (devices_left || mounting)
		return;
	mounting = true;
	mount_root();
}

/* Only now is the right closed that went with the call: it may have gone out after the commit. */
static void device_added(struct acall *call)
{
	tx_close(call->caps[0].slot);
	if (call->status < 0 && call->status != -ERESTART)
		slog("vfs does not take device %lu:%lu: error %ld", call->tag[0], call->tag[1],
		     -call->status);
	device_settled();
}

static void add_node(struct child *vfs, const struct child *child, const struct manifest_node *node)
{
	struct vfs_add_device_req request = {
		node->block ? S_IFBLK : S_IFCHR, node->major, node->minor, node->count, node->mode,
	};
	struct acall *call = acall_new(device_added, NULL);
	long right = child_right(child, BADGE_SERVICE | vfs->number);

	if (!call || right < 0) {
		slog("%s: no memory to tell vfs of its devices", child->name);
		return;
	}
	call->tag[0] = node->major;
	call->tag[1] = node->minor;
	call->in = text_buffer(node->name, strlen(node->name));
	call->caps_count = 1;
	call->caps[0] = (struct ipc_cap){ (cap_t)right, CAP_ALL, 0 };
	devices_left++;
	vfs_send_add_device(call, vfs->control, &request);
}

void boot_add_nodes(const struct child *child)
{
	struct child *vfs = child_find("vfs");

	for (unsigned n = 0; vfs && n < child->manifest->nodes_count; n++)
		add_node(vfs, child, &child->manifest->nodes[n]);
}

/* The root is mounted when VFS knows all that are there now. */
static void add_all_nodes(void)
{
	devices_left = 1;
	wait_for("vfs to take the device numbers");
	for (unsigned i = 0; i < CHILDREN; i++)
		if (children[i].state != CHILD_FREE)
			boot_add_nodes(&children[i]);
	device_settled();
}

static void start_all(void)
{
	for (unsigned i = 0; i < CHILDREN; i++) {
		struct child *child = &children[i];

		if (child->state != CHILD_MADE)
			continue;
		if (child_grant(child))
			child->state = CHILD_FAILED;
		else if (child->manifest->manual)
			child_stopped(child);
		else if (child_launch(child))
			child->state = CHILD_FAILED;
	}
}

void boot_services(void)
{
	const struct manifest *manifest;
	unsigned index = 0;

	text_memory = (cap_t)kcall(mo_create, 64ul << 10, 0);
	while ((manifest = manifest_next(&index)))
		if (!manifest->instance && !manifest->devices_count)
			child_new(manifest);
	standby_make();
	start_all();
	add_all_nodes();
}

void boot_ready(struct child *child)
{
	if (!strcmp(child->name, "pci"))
		drivers_enumerate();
}
