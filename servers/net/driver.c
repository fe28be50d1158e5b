/* SPDX-License-Identifier: MIT */
/* Which drivers there are, and how each comes to serve us, again after it has lost what it knew. */
#include <lwip/timeouts.h>
#include <proto/nic.h>
#include <proto/rs.h>
#include <util/string.h>

#include "net.h"

#define CLASS "net"
#define AGAIN_MS 1000u /* until a driver that was not there is asked again */

static PRESERVED struct {
	cap_t memory; /* the class's name, to ask RS with */
	uint64_t next;
	bool asking;
} finder;

static void ask_driver(void);
static void attach(void *of);

/* --- one driver ------------------------------------------------------------------------------------------------ */

/* It has been stopped, or given up, and may be started again. */
static void later(void (*then)(void *card), struct card *card)
{
	net_need();
	sys_timeout(AGAIN_MS, then, card);
	net_settle();
}

static void watch(void *of);

/* Where another is served, that one has the card. */
static void watched(struct acall *call)
{
	struct card *card = call->owner;

	if (call->tag[0] != card->owner)
		return;
	if (!call->status)
		attach(card);
	else if (call->status != -ESTALE)
		later(watch, card);
}

static void watch(void *of)
{
	struct card *card = of;
	struct nic_watch_req request = { card->owner };
	struct acall *call = acall_new(watched, card);

	if (!call)
		return;
	call->tag[0] = card->owner;
	nic_send_watch(call, card->driver, &request);
}

static void attached(struct acall *call)
{
	struct card *card = call->owner;

	if (call->status == -EIO) {
		later(attach, card);
		return;
	}
	if (call->status < 0 || call->received_count != 2) {
		slog("a driver does not let us attach: error %ld", -call->status);
		return;
	}
	card_begin(card, acall_reply(call), call->received[0].slot, call->received[1].slot);
	watch(card);
	net_settle();
}

static void attach(void *of)
{
	struct card *card = of;
	uint64_t bit = CARD_FIRST + (uint64_t)(card - cards);
	struct nic_attach_req request = { bit, NIC_SEND_CHECKSUM | NIC_RECEIVE_LARGE };
	struct acall *call = acall_new(attached, card);

	if (!call)
		return;
	call->caps[0] = (struct ipc_cap){ .slot = SLOT_NOTIFY, .rights = CAP_W };
	call->caps_count = 1;
	nic_send_attach(call, card->driver, &request);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static struct card *card_for(uint64_t number)
{
	for (struct card *card = cards; card < cards + CARDS_MAX; card++)
		if (!card->used || card->number == number)
			return card;
	return NULL;
}

static void driver_found(struct acall *call)
{
	const struct rs_next_driver_reply *reply = acall_reply(call);
	struct card *card;

	finder.asking = false;
	if (call->status == -ERESTART) {
		ask_driver();
		return;
	}
	card = call->status >= 0 && call->received_count ? card_for(reply->number) : NULL;
	if (!card)
		return;
	if (card->used) {
		/* The same driver again is what a crash in between leads to. */
		kcall(cap_close, call->received[0].slot);
	} else {
		card->used = true;
		card->driver = call->received[0].slot;
		card->number = reply->number;
		attach(card);
	}
	finder.next = reply->number + 1;
	ask_driver();
}

static void ask_driver(void)
{
	struct rs_next_driver_req request = { finder.next };
	struct acall *call = acall_new(driver_found, NULL);

	if (!call)
		return;
	call->in = (struct call_buffer){ finder.memory, 0, 0, strlen(CLASS) };
	finder.asking = rs_send_next_driver(call, SLOT_RS, &request) == 0;
}

void cards_find(void)
{
	long slot;

	if (!finder.memory) {
		slot = kcall(mo_create, ANOLE_PAGE_SIZE, 0);
		if (slot < 0)
			return;
		finder.memory = (cap_t)slot;
		kcall(mo_write, finder.memory, 0, CLASS, strlen(CLASS));
	}
	if (!finder.asking)
		ask_driver();
}
