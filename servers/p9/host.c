/* SPDX-License-Identifier: MIT */
/* The drivers there are, and the sessions with what they lead to. */
#include <proto/p9.h>
#include <proto/rs.h>

#include "p9.h"

#define CLASS "p9"
#define MESSAGE_SIZE (TRANSFER_MAX + 4096u)
#define TRANSFER_MIN 4096u
#define ROOT_FID 0u

static PRESERVED struct host hosts[HOSTS_MAX];
static PRESERVED struct {
	cap_t scratch; /* the class, then the tags */
	uint64_t next; /* driver to ask for */
	bool asking;
} finder;
PRESERVED struct waitq hosts_changed;
static char *scratch;

static void ask_driver(void);
static void open_session(struct host *host);

static uint64_t tag_at(const struct host *host)
{
	return TAG_LENGTH * (uint64_t)(1 + (host - hosts));
}

static struct host *host_of(uint64_t number)
{
	struct host *unused = NULL;

	for (struct host *host = hosts; host < hosts + HOSTS_MAX; host++) {
		if (host->used && host->number == number)
			return host;
		if (!host->used && !unused)
			unused = host;
	}
	return unused;
}

/* The same driver again is what a crash in between leads to. */
static void driver_found(struct acall *call)
{
	const struct rs_next_driver_reply *reply = acall_reply(call);
	struct host *host;

	finder.asking = false;
	if (call->status == -ERESTART) {
		ask_driver();
		return;
	}
	host = call->status >= 0 && call->received_count ? host_of(reply->number) : NULL;
	if (!host)
		return;
	if (host->used) {
		kcall(cap_close, call->received[0].slot);
	} else {
		*host =
		    (struct host){ .used = true, .driver = call->received[0].slot, .number = reply->number };
		open_session(host);
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
	memcpy(scratch, CLASS, strlen(CLASS));
	call->in = (struct call_buffer){ finder.scratch, 0, 0, strlen(CLASS) };
	finder.asking = rs_send_next_driver(call, SLOT_RS, &request) == 0;
}

struct host *host_find(const char *tag)
{
	for (struct host *host = hosts; host < hosts + HOSTS_MAX; host++)
		if (host->used && host->epoch && !strcmp(host->tag, tag))
			return host;
	return NULL;
}

/* --- a session: what the driver is, which version we speak, the root --------------------------------- */

static void opened(struct host *host, long error)
{
	host->opening = false;
	host->ready = !error;
	host->error = error;
	if (!error) {
		host->epoch++;
		host->next_fid = ROOT_FID + 1;
	}
	waitq_wake(&host->waiting);
	waitq_wake(&hosts_changed);
}

/* What fails because the driver has been restarted is tried again with the next. */
static bool failed(struct host *host, long status)
{
	if (status >= 0)
		return false;
	if (status == -ESTALE || status == -ERESTART)
		open_session(host);
	else
		opened(host, status);
	return true;
}

static void attached(struct host *host, long status, struct message *answer)
{
	(void)answer;
	if (!failed(host, status))
		opened(host, 0);
}

static void version_agreed(struct host *host, long status, struct message *answer)
{
	char version[sizeof P9_VERSION + 1];
	uint64_t size;

	if (failed(host, status))
		return;
	size = message_get(answer, 4);
	message_get_string(answer, version, sizeof version);
	if (answer->bad || strcmp(version, P9_VERSION) || size < TRANSFER_MIN + P9_DATA_HEADER) {
		opened(host, -EPROTONOSUPPORT);
		return;
	}
	host->transfer = size - P9_DATA_HEADER < TRANSFER_MAX ? size - P9_DATA_HEADER : TRANSFER_MAX;
	failed(host, exchange_alone(host, P9_ATTACH, attached, "ddssd", ROOT_FID, P9_NO_FID, "root",
				    (size_t)4, "", (size_t)0, 0u));
}

static void informed(struct acall *call)
{
	const struct p9_info_reply *reply = acall_reply(call);
	struct host *host = call->owner;

	if (failed(host, call->status))
		return;
	if (call->status >= (long)TAG_LENGTH) {
		opened(host, -EIO);
		return;
	}
	memcpy(host->tag, scratch + tag_at(host), (size_t)call->status);
	host->tag[call->status] = 0;
	host->session = reply->session;
	failed(host, exchange_alone(host, P9_VERSION_TYPE, version_agreed, "ds", MESSAGE_SIZE, P9_VERSION,
				    strlen(P9_VERSION)));
}

static void open_session(struct host *host)
{
	struct p9_info_req request;
	struct acall *call = acall_new(informed, host);

	host->opening = true;
	if (!call) {
		opened(host, -ENOMEM);
		return;
	}
	call->out = (struct call_buffer){ finder.scratch, 0, tag_at(host), TAG_LENGTH };
	p9_send_info(call, host->driver, &request);
}

void host_lost(struct host *host)
{
	host->ready = false;
}

long host_ready(struct request *rq, struct host *host)
{
	if (!host->ready) {
		if (!host->opening && host->error) {
			long error = host->error;

			host->error = 0; /* the next one tries again */
			return error;
		}
		if (!host->opening)
			open_session(host);
		return request_park(rq, &host->waiting);
	}
	if (rq->progress[6] != host->epoch) {
		if (rq->progress[6]) {
			talk_forget(rq);
			rq->progress[0] = rq->progress[4] = rq->progress[5] = 0;
			rq->progress[7] = 1;
		}
		rq->progress[6] = host->epoch;
	}
	return 0;
}

uint32_t fid_new(struct host *host)
{
	if (host->next_fid == P9_NO_FID)
		host->next_fid = ROOT_FID + 1;
	return host->next_fid++;
}

/* Everything begins a new session: what the last incarnation had on its way is not known. */
long hosts_start(bool restarted)
{
	long slot = finder.scratch ? (long)finder.scratch : kcall(mo_create, 4096ul, 0ul);

	if (slot < 0)
		return slot;
	finder.scratch = (cap_t)slot;
	scratch = map_memory(finder.scratch, 0, 4096, VM_R | VM_W | VM_SHARED);
	if (!scratch)
		return -ENOMEM;
	for (struct host *host = hosts; restarted && host < hosts + HOSTS_MAX; host++) {
		host->ready = host->opening = false;
		if (host->used)
			open_session(host);
	}
	if (!finder.asking)
		ask_driver();
	return 0;
}
