/* SPDX-License-Identifier: MIT */
/*
 * A network driver on another one that is not to be relied upon. To the driver below it is the server; to the server it
 * is a driver, with rings of its own, so every packet is copied from the one's buffer into the other's.
 */
#include <drv/below.h>
#include <proto/nic.h>
#include <util/string.h>

#include "lossy.h"

#define BELOW_BIT 0u    /* signalled by the driver below; the server signals NIC_BIT */
#define HELD_MAX 64u    /* packets that are late */
#define AGAIN_MS 1000u  /* until a driver below that was not there is asked again */
#define OVERTAKE_MS 20u /* who should be overtaken waits no longer for somebody to do it */

PRESERVED struct schedule schedule;
PRESERVED struct lossy_counts counts;

static PRESERVED struct below {
	cap_t driver, memory, notify;
	struct nic_attach_reply told;
	uint32_t consumed, produced; /* this side's counters of its rings */
} below;
static PRESERVED cap_t memory;
static PRESERVED uint32_t received, sent; /* this side's counters of our own rings */
static PRESERVED struct {
	cap_t notify;
	uint64_t bits;
	uint32_t owner;
} peer;
static PRESERVED struct waitq watchers;
static PRESERVED struct acall *watch; /* of the driver below */

static struct nic_area *area, *area_below;

/* What is late goes with the incarnation. */
static struct held {
	bool used, overtaken;
	enum way way;
	uint32_t length;
	uint64_t due;
	uint8_t bytes[NIC_PACKET_MAX];
} held[HELD_MAX];
static struct timer timer, again;

/* --- passing on --------------------------------------------------------------------------------------------- */

static struct nic_ring *ring_to(enum way way)
{
	return way == LOSSY_SEND ? &area_below->sent : &area->received;
}

static bool has_room(enum way way)
{
	uint32_t produced = way == LOSSY_SEND ? below.produced : received;

	return nic_between(ring_to(way)->consumed, produced) < NIC_ENTRIES;
}

/* Buffer n of `received` is used for entry n, and free again once that is consumed. */
static void pass_on(enum way way, const uint8_t *bytes, uint32_t length)
{
	struct nic_area *to = way == LOSSY_SEND ? area_below : area;
	uint32_t *produced = way == LOSSY_SEND ? &below.produced : &received, at = *produced % NIC_ENTRIES;

	if (!has_room(way))
		return;
	memcpy(to->buffers[(way == LOSSY_SEND ? NIC_ENTRIES : 0) + at] + NIC_HEADROOM, bytes, length);
	ring_to(way)->entry[at] = (struct nic_entry){ .buffer = at, .length = length, .begin = NIC_HEADROOM };
	++*produced;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	ring_to(way)->produced = *produced;
}

static void run(void);

static void time_is_up(struct timer *late)
{
	(void)late;
	run();
}

static void set_timer(void)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < HELD_MAX; i++)
		if (held[i].used && (!first || held[i].due < first))
			first = held[i].due;
	if (first)
		timer_start(&timer, first, time_is_up);
	else
		timer_stop(&timer);
}

/* False: there is no place for one more. */
static bool hold(enum way way, const uint8_t *bytes, uint32_t length, bool overtaken, uint64_t ms)
{
	struct held *one = held;

	while (one < held + HELD_MAX && one->used)
		one++;
	if (one == held + HELD_MAX)
		return false;
	one->used = true;
	one->overtaken = overtaken;
	one->way = way;
	one->length = length;
	one->due = clock_monotonic_ns() + ms * 1000000;
	memcpy(one->bytes, bytes, length);
	return true;
}

static void release_held(struct held *one)
{
	one->used = false;
	pass_on(one->way, one->bytes, one->length);
}

/* A packet has been passed on: those that were to come behind one do so. */
static void overtake(enum way way)
{
	for (struct held *one = held; one < held + HELD_MAX; one++)
		if (one->used && one->overtaken && one->way == way)
			release_held(one);
}

static void release_late(void)
{
	uint64_t now = clock_monotonic_ns();

	for (struct held *one = held; one < held + HELD_MAX; one++)
		if (one->used && one->due <= now)
			release_held(one);
}

/* --- accidents ---------------------------------------------------------------------------------------------- */

static void take(enum way way, const uint8_t *bytes, uint32_t length)
{
	const struct rule *rule;
	enum accident accident;

	if (length > NIC_PACKET_MAX)
		return;
	counts.packets[way]++;
	rule = schedule_next(&schedule, way, length);
	accident = rule ? rule->accident : LOSSY_NONE;
	counts.accidents[accident]++;
	switch (accident) {
	case LOSSY_DROP: return;
	case LOSSY_REORDER:
		if (hold(way, bytes, length, true, OVERTAKE_MS))
			return;
		break;
	case LOSSY_DELAY:
		if (hold(way, bytes, length, false, rule->ms))
			return;
		break;
	case LOSSY_DUPLICATE: pass_on(way, bytes, length); break;
	default: break;
	}
	pass_on(way, bytes, length);
	overtake(way);
}

/* What the driver below has received. Counters that cannot be are not followed. */
static void take_received(void)
{
	struct nic_ring *ring = &area_below->received;
	uint32_t produced = ring->produced;

	if (nic_between(below.consumed, produced) > NIC_ENTRIES)
		below.consumed = produced;
	while (below.consumed != produced && has_room(LOSSY_RECEIVE)) {
		struct nic_entry entry = ring->entry[below.consumed % NIC_ENTRIES];

		/* What is not a whole packet was meant for whom the driver served before. */
		if (nic_is_sane(&entry) && !(entry.flags & (NIC_PARTIAL | NIC_CONTINUED)))
			take(LOSSY_RECEIVE, area_below->buffers[entry.buffer] + entry.begin, entry.length);
		below.consumed++;
	}
	ring->consumed = below.consumed;
}

/* What the server sends; a packet is begun only if there is room for it below. */
static void take_sent(void)
{
	uint32_t produced = area->sent.produced;

	if (nic_between(sent, produced) > NIC_ENTRIES)
		return;
	for (; sent != produced && has_room(LOSSY_SEND); sent++) {
		uint32_t at = sent % NIC_ENTRIES;

		take(LOSSY_SEND, area->buffers[NIC_ENTRIES + at] + NIC_HEADROOM, area->sent.entry[at].length);
	}
	area->sent.consumed = sent;
}

static void run(void)
{
	uint32_t link = area->status, up = received, down = below.produced, taken = below.consumed;
	bool full = nic_between(sent, area->sent.produced) >= NIC_ENTRIES;
	uint32_t before = sent;

	area->status = area_below->owner == (uint32_t)below.told.owner ? area_below->status : 0;
	release_late();
	take_received();
	take_sent();
	set_timer();
	if (down != below.produced || taken != below.consumed)
		kcall(notify_signal, below.notify, NIC_BIT);
	if (peer.notify && (up != received || link != area->status || (full && sent != before)))
		kcall(notify_signal, peer.notify, peer.bits);
}

/* --- the driver below ----------------------------------------------------------------------------------------- */

/* What is between the counters is nobody's any more: the server that was served before has it, or it is lost. */
static void begin_at(const struct nic_attach_reply *told)
{
	below.told = *told;
	below.consumed = area_below->received.consumed;
	below.produced = area_below->sent.produced;
}

/* The memory that was mapped before goes. */
static long map_below(cap_t shared)
{
	struct nic_area *mapped = map_memory(shared, 0, sizeof(*mapped), VM_R | VM_W | VM_SHARED);

	if (!mapped)
		return -ENOMEM;
	if (area_below)
		kcall(vm_unmap, CAP_SELF_SPACE, area_below, sizeof(*area_below));
	area_below = mapped;
	return 0;
}

static long attach_below(void)
{
	struct nic_attach_req request = { .bit = BELOW_BIT }; /* whole packets only */
	struct nic_attach_reply reply;
	struct call_options options = { .caps = { SLOT_NOTIFY }, .caps_count = 1, .recv_min = 0 };
	cap_t slot;
	long status = nic_call_attach(below.driver, &options, &request, &reply);

	if (status < 0)
		return status;
	below.notify = ipc_page()->caps[1].slot;
	slot = ipc_page()->caps[0].slot;
	status = map_below(slot);
	if (status)
		return status;
	begin_at(&reply);
	below.memory = slot;
	return 0;
}

static void send_watch(void)
{
	struct nic_watch_req request = { below.told.owner };

	watch->tag[0] = below.told.owner;
	nic_send_watch(watch, below.driver, &request);
}

static void watched(struct acall *call);

static void watch_below(void)
{
	struct acall *call = watch;

	if (!call) {
		call = acall_new(watched, NULL);
		if (!call)
			return;
		call->keep = true;
		watch = call;
	}
	if (!acall_is_out(call))
		send_watch();
}

static void time_to_watch(struct timer *timer)
{
	(void)timer;
	watch_below();
}

static void watch_later(void)
{
	timer_start(&again, clock_monotonic_ns() + AGAIN_MS * 1000000ull, time_to_watch);
}

/* The same answer comes a second time after a crash: what it brought is not closed then. */
static void replace(cap_t *kept, cap_t fresh)
{
	cap_t before = *kept;

	*kept = fresh;
	if (before != fresh)
		kcall(cap_close, before);
}

static void attached_again(struct acall *call)
{
	if (call->status < 0 || call->received_count != 2 || map_below(call->received[0].slot)) {
		watch_later();
		return;
	}
	replace(&below.memory, call->received[0].slot);
	replace(&below.notify, call->received[1].slot);
	begin_at(acall_reply(call));
	watch_below();
	run();
}

static void attach_again(void)
{
	struct nic_attach_req request = { .bit = BELOW_BIT }; /* whole packets only */
	struct acall *call = acall_new(attached_again, NULL);

	if (!call)
		return;
	call->caps[0] = (struct ipc_cap){ .slot = SLOT_NOTIFY, .rights = CAP_W };
	call->caps_count = 1;
	nic_send_attach(call, below.driver, &request);
}

/* One that has lost what it knew is attached to again. A server that was served instead comes to us too, later. */
static void watched(struct acall *call)
{
	if (call->tag[0] != below.told.owner) {
		send_watch();
	} else if (!call->status) {
		attach_again();
	} else if (call->status == -ESTALE) {
		below.told.owner = 0;
		run();
	} else {
		watch_later();
	}
}

/* --- the server ------------------------------------------------------------------------------------------------- */

static long nic_attach(struct request *rq, const struct nic_attach_req *in, struct nic_attach_reply *out)
{
	long status;

	if (rq->caps[0].rights != CAPT_NOTIFY || in->bit > 61)
		return -EINVAL;
	status = request_give(rq, memory, CAP_R | CAP_W, false);
	if (!status)
		status = request_give(rq, SLOT_NOTIFY, CAP_W, false);
	if (status)
		return status;
	area->owner = ++peer.owner;
	if (peer.notify) {
		kcall(notify_signal, peer.notify, peer.bits);
		kcall(cap_close, peer.notify);
	}
	peer.notify = request_take(rq, 0);
	peer.bits = 1ull << in->bit;
	*out = below.told;
	out->owner = peer.owner;
	waitq_wake(&watchers);
	/* A server that finds its drivers anew has attached to the one below as well, and has taken it from us. */
	if (area_below->owner != (uint32_t)below.told.owner)
		attach_again();
	return 0;
}

static long nic_watch(struct request *rq, const struct nic_watch_req *in, struct nic_watch_reply *out)
{
	(void)out;
	if (!peer.notify)
		return 0;
	return in->owner == peer.owner ? request_park(rq, &watchers) : -ESTALE;
}

static long dispatch(struct request *rq)
{
	static const struct nic_ops operations = { .attach = nic_attach, .watch = nic_watch };

	if (IPC_OP_PROTO(rq->op) == PROTO_ID_NIC)
		return rq->badge & BADGE_SERVICE ? nic_dispatch(&operations, rq) : -EPERM;
	if (IPC_OP_PROTO(rq->op) == PROTO_ID_FILE || IPC_OP_PROTO(rq->op) == PROTO_ID_DEV)
		return control_dispatch(rq);
	return -ENOSYS;
}

static void notify(uint64_t bits)
{
	(void)bits;
	run();
}

static long open_memory(void)
{
	long slot = memory ? (long)memory : kcall(mo_create, sizeof(struct nic_area), 0ul);

	if (slot < 0)
		return slot;
	memory = (cap_t)slot;
	area = map_memory(memory, 0, sizeof(*area), VM_R | VM_W | VM_SHARED);
	return area ? 0 : -ENOMEM;
}

static long start(bool restarted)
{
	long status = below.driver ? 0 : below_find("net", "lossy", &below.driver);

	(void)restarted;
	if (!status)
		status = open_memory();
	if (!status)
		status = below.memory ? map_below(below.memory) : attach_below();
	if (status)
		return status;
	watch_below();
	area->received.produced = received;
	run();
	return 0;
}

int main(void)
{
	/* Without transactions: it keeps nothing, packets may get lost. */
	static const struct service service = {
		.name = "lossy",
		.dispatch = dispatch,
		.start = start,
		.notify = notify,
		.release = control_release,
	};

	service_main(&service);
}
