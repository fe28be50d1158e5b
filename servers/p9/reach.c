/* SPDX-License-Identifier: MIT */
/* Fids that the host has forgotten are made valid again, each with one message beside the steps of the request. */
#include "p9.h"

#define KEPT_FLAGS (O_ACCMODE | O_APPEND)

/* What stands at the end of a walk of one name is the node, not another file that has its name by now. */
static bool is_same(struct message *answer, const struct node *node)
{
	uint64_t count = message_get(answer, 2);
	struct p9_qid qid;

	message_get_qid(answer, &qid);
	return !answer->bad && count == 1 && qid.path == node->path;
}

/* One request at a time walks to a node; the others wait with it. */
static long walk_to(struct request *rq, struct node *node)
{
	struct host *host = node->mount->host;
	struct message answer;
	long status;

	if (node->reaching == host->epoch && rq->progress[4] != node->number)
		return request_park(rq, &host->waiting);
	if (node->reaching != host->epoch)
		node->fid = fid_new(host);
	node->reaching = host->epoch;
	rq->progress[4] = node->number;
	status = talk_aside(rq, host, &answer, P9_WALK, "ddws", node->parent->fid, node->fid, 1, node->name,
			    strlen(node->name));
	if (status == PARK)
		return PARK;
	node->reaching = 0;
	rq->progress[4] = 0;
	waitq_wake(&host->waiting);
	if (status != 1)
		return status;
	if (!is_same(&answer, node)) {
		clunk(host, node->fid);
		return -ESTALE;
	}
	node->epoch = host->epoch;
	return 0;
}

long reach(struct request *rq, struct node *node)
{
	struct host *host = node->mount->host;
	struct node *first;
	long status = host_ready(rq, host);

	while (!status && node->epoch != host->epoch) {
		first = node;
		while (first->parent && first->parent->epoch != host->epoch)
			first = first->parent;
		if (first->parent)
			status = walk_to(rq, first);
		else
			first->epoch = host->epoch; /* the root: fid 0 */
	}
	return status == -ENOENT ? -ESTALE : status;
}

/* A copy of the node's fid, opened. *fid is valid if *epoch is the host's; until then the walk is done if it is not
 * zero. */
static long open_copy(struct request *rq, struct node *node, uint32_t flags, uint32_t *fid, uint64_t *epoch,
		      uint64_t *busy)
{
	struct host *host = node->mount->host;
	struct message answer;
	uint64_t *walked = &rq->progress[5];
	long status = reach(rq, node);

	if (status || *epoch == host->epoch)
		return status;
	if (*busy == host->epoch && !*walked)
		return request_park(rq, &host->waiting);
	if (*busy != host->epoch)
		*walked = (uint64_t)fid_new(host) << 1;
	*busy = host->epoch;
	if (!(*walked & 1)) {
		status =
		    talk_aside(rq, host, &answer, P9_WALK, "ddw", node->fid, (uint32_t)(*walked >> 1), 0);
		if (status == 1)
			*walked |= 1;
		else if (status != PARK)
			goto over;
		else
			return PARK;
	}
	status = talk_aside(rq, host, &answer, P9_LOPEN, "dd", (uint32_t)(*walked >> 1), flags);
	if (status == PARK)
		return PARK;
	if (status == 1) {
		*fid = (uint32_t)(*walked >> 1);
		*epoch = host->epoch;
		status = 0;
	} else {
		clunk(host, (uint32_t)(*walked >> 1));
	}
over:
	*walked = 0;
	*busy = 0;
	waitq_wake(&host->waiting);
	return status;
}

long reach_list(struct request *rq, struct node *node)
{
	return open_copy(rq, node, O_RDONLY | O_DIRECTORY, &node->list_fid, &node->list_epoch,
			 &node->reaching_list);
}

long reach_open(struct request *rq, struct opened *file)
{
	return open_copy(rq, file->node, file->exec ? O_RDONLY : file->d.flags & KEPT_FLAGS, &file->fid,
			 &file->epoch, &file->reaching);
}
