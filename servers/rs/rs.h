/* SPDX-License-Identifier: MIT */
/* What the files of rs know of each other: children, and what is made for them. */
#ifndef RS_RS_H
#define RS_RS_H

#include "archive.h"
#include "elf.h"
#include "manifest.h"

#include <sys/server.h>
#include <util/string.h>

#define CHILDREN 64
#define MANIFESTS 64
#define TABLE_SLOTS 65536u /* of a lent table; it grows as it is used */
#define NO_NUMBER UINT32_MAX

/* A service's number is its place in the table of children plus this: the first is RS itself. */
#define FIRST_NUMBER 1u
#define RS_RECORD (&children[0])
_Static_assert(FIRST_NUMBER + CHILDREN <= SERVICES_MAX, "numbers have pids");
/* Badges at RS's endpoint: BADGE_SERVICE | number calls, this plus number has faulted. */
#define BADGE_FAULT BADGE_FIRST_OWN

#define RS_PRESERVED_SIZE (64ul << 20)
#define RS_PRIORITY (PRIORITY_MAX + 1)

#define MILLISECONDS 1000000ul
#define SECONDS 1000000000ul

enum child_state {
	CHILD_FREE = 0,
	CHILD_MADE, /* has everything that outlives incarnations, never started */
	CHILD_RUNNING,
	CHILD_ENDING,  /* no thread any more; its device is being quiesced */
	CHILD_WAITING, /* for the end of its back-off */
	CHILD_STOPPED, /* by request */
	CHILD_FAILED,  /* given up */
};

/* A binary of the archive as a memory object, shared by all incarnations and instances. */
struct image {
	char name[MANIFEST_NAME];
	struct elf_image elf;
	const char *data;
	size_t size;
	cap_t memory;
};

struct child {
	char name[32];
	const struct manifest *manifest;
	struct image *image;
	enum child_state state;
	uint32_t number;
	uint32_t incarnation; /* what the service sees: back to 1 when it is started clean */
	uint32_t restarts;
	uint32_t crashes;      /* in quick succession */
	uint32_t class_number; /* among the drivers of its class */
	bool ready, crashed, is_device;
	bool injected;  /* a fault was asked for: its end says nothing about the service */
	uint32_t steps; /* instructions to go until it is taken for crashed; 0: not counted */
	uint64_t started_ns;
	char reason[80];
	uint64_t deadline_ns;               /* of the back-off, or of the patience with an orderly end */
	void (*ended)(struct child *child); /* once it is quiesced */
	void (*after_shut_down)(struct child *child); /* set while it is asked to end */
	cap_t endpoint, notify, table, preserved;
	cap_t control; /* send right with BADGE_RS */
	cap_t fault;   /* RS's endpoint, badge BADGE_FAULT + number */
	cap_t space, thread;
	uint64_t address; /* of its PCI function */
	uint32_t entry_count;
	uint32_t next_slot;
	struct startup_entry entries[STARTUP_ENTRIES];
};

/* Where the boot capabilities stand, and what the kernel told. */
extern cap_t root_cap, root_quota;
extern struct archive boot_archive;
extern const struct boot_info *const boot_info;
extern struct child children[CHILDREN];

/* standby.c: RS's program with RS for its only child. */
bool is_standby(void);
#define STANDBYS 2u
void standby_make(void);
struct child *standby_number(unsigned n); /* NULL: there is none */
uint32_t standby_next_incarnation(void);  /* of RS, by whichever of them */
bool standby_look(void);                  /* every second; whether this one also looks for hangs */
long standby_grant(struct child *standby);
void standby_main(void) __attribute__((noreturn));
void own_record(bool restarted); /* RS's own: RS_RECORD */
/* A request to do something to RS itself: the standby does it. */
long standby_asked(struct request *rq, const char *line);

/* world.c: what the kernel gave, in slots and at addresses that every incarnation finds again. */
void world_first(void); /* by the kernel's first program */
void world_again(void); /* by any other */
extern cap_t archive_memory, info_memory, own_table;

/* main.c */
bool word_of_command_line(const char *key, char *value, size_t size); /* key "root=" */

/* manifests.c */
void manifests_load(void);
const struct manifest *manifest_of(const char *service);
const struct manifest *manifest_next(unsigned *index); /* NULL at the end */
struct image *image_of(const char *name);
/* Memory shared between services; SIZE_MAX in *index if no manifest creates it. */
cap_t share_memory(const char *name, size_t *index, uint64_t *size);

/* child.c */
struct child *child_find(const char *name);
struct child *child_of_badge(uint64_t badge); /* BADGE_SERVICE | number or a fault's */
/* A record with endpoint, table and preserved memory; NULL if something is exhausted. */
struct child *child_new(const struct manifest *manifest);
/* A driver gets its number in its class when it is first to run. */
void child_enter_class(struct child *child);
void child_free(struct child *child);
/* Memory for what the incarnations of a child hand down: its preserved memory, and behind that its message page. */
long child_memory(const struct child *child);
uint64_t page_up(uint64_t value);
/* A send right in RS's table at a child's endpoint, made or copied. */
long child_right(const struct child *child, uint64_t badge);
long rs_right(uint64_t badge); /* the same at RS's own endpoint */
/* Put a capability of RS into the lent table and name it in the startup page; closes it if `close`. */
long child_give(struct child *child, enum startup_kind kind, const char *name, cap_t cap, uint32_t rights,
		uint64_t address, uint64_t size, bool close);

/* grants.c: what the manifest says, put into the lent table. Endpoints of all that it names exist. */
long child_grant(struct child *child);

/* launch.c */
long child_launch(struct child *child);  /* the next incarnation */
void child_destroy(struct child *child); /* thread and address space */

/* restart.c */
void child_start(struct child *child);
void children_go_on(void); /* what the last incarnation of RS had begun, and whoever has ended meanwhile */
void child_crashed(struct child *child, const char *reason);
void child_kill(struct child *child, const char *reason);
/* End it without a successor: `ended` is called when its device is quiet. */
void child_end(struct child *child, const char *reason, void (*ended)(struct child *));
/* Ask it to end; `then` runs when it has answered or its patience is over. */
void child_shut_down(struct child *child, uint64_t patience_ns, void (*then)(struct child *));
void child_shut_down_over(struct child *child);
void child_stopped(struct child *child);
void child_timer_stop(struct child *child);
/* What follows on the crash that has just been counted, and after which delay. */
enum crash_action restart_action(const struct child *child, uint64_t *delay_ns);
long fault_taken(struct request *rq);

/* crash.c: the child dies of itself; it has not been destroyed yet. */
void crash_note(const struct child *child, const char *reason);
long crash_give(struct request *rq, uint64_t after, uint64_t *number);
/* RS, once: from now on the standbys' reports of RS's deaths are among its own. */
void crash_ask_own(void);

/* control.c */
struct rs_control_req;
struct rs_control_reply;
long control(struct request *rq, const struct rs_control_req *request, struct rs_control_reply *reply);
char *next_word(char *line);
long control_wait(struct request *rq, struct child *child);
void control_answer(struct child *child, long status);

/* inject.c: commands; a debug fault of a child: whether it goes on; labels of all services' points */
long inject(struct request *rq, char *words);
long step(struct request *rq, char *words);
bool step_taken(struct child *child);
long points_give(struct request *rq, uint64_t offset);

/* drivers.c */
void drivers_enumerate(void); /* once pci is ready */
struct child *driver_next(const char *class, uint64_t from);
extern struct waitq driver_waiters;

/* watchdog.c, boot.c, shutdown.c, operations.c */
void watchdog_start(void);
void boot_services(void);
void boot_go_on(void); /* timers of the last incarnation */
void shutdown_go_on(void);
void boot_ready(struct child *child);
void boot_add_nodes(const struct child *child); /* tell VFS what it serves */
void shutdown_begin(uint64_t how);
struct rs_ops;
bool asked_by(const struct request *rq, const char *name); /* an instance of that service */
extern const struct rs_ops operations;
long list_text(char *to, size_t size);

#endif
