/* SPDX-License-Identifier: MIT */
/* What generated protocol code (proto/gen.h) stands on. */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include <abi/errno.h>
#include <abi/ipc.h>
#include <abi/types.h>

/* Protocol numbers; 0 is the kernel's. One header and one .def file each. */
enum proto_id {
	PROTO_ID_KERNEL = 0,
	PROTO_ID_FILE = 1, /* an open file, at the server that holds it */
	PROTO_ID_VFS = 2,  /* processes to VFS: paths */
	PROTO_ID_FS = 3,   /* VFS to file servers: nodes */
	PROTO_ID_PM = 4,   /* processes to PM */
	PROTO_ID_RS = 5,   /* services to RS */
	PROTO_ID_BLK = 6,  /* block drivers */
	PROTO_ID_CHR = 7,  /* character drivers */
	PROTO_ID_PCI = 8,
	PROTO_ID_PIPE = 9,     /* processes to pipe: pipes, eventfd, timerfd, sockets */
	PROTO_ID_SESSION = 10, /* PM to VFS: fork, exit, exec of sessions */
	PROTO_ID_POWER = 11,
	PROTO_ID_SERVICE = 12, /* RS to every service: ping, shutdown */
	PROTO_ID_TTY = 13,     /* PM to tty: session leader gone, process-group queries */
	PROTO_ID_DEV = 14,     /* VFS to servers of special files */
	PROTO_ID_P9 = 15,      /* drivers that carry 9P messages to a host */
	PROTO_ID_SOCKET = 16,  /* a socket, at the server that holds it */
	PROTO_ID_NET = 17,     /* processes to net: making sockets; what /proc/net shows */
	PROTO_ID_NIC = 18,     /* network drivers */
	PROTO_ID_RNG = 19,     /* drivers of random number generators */
};

/* What an operation carries besides words. */
#define OP_IN 0x1u                        /* may have an in buffer */
#define OP_OUT 0x2u                       /* may have an out buffer */
#define OP_PARK 0x4u                      /* the server may hold it for any time */
#define OP_INTR 0x8u                      /* a signal may interrupt it */
#define OP_CAPS(n) ((unsigned)(n) << 8)   /* exactly n capabilities in the request */
#define OP_RCAPS(n) ((unsigned)(n) << 12) /* up to n in the reply; slots are reserved */
#define OP_CAPS_OPT 0x10u                 /* the request's capabilities are optional: 0 or n */
#define OP_VALUE 0x20u                    /* the status may be more than the bytes of the larger buffer */
#define OP_CAPS_OF(flags) ((flags) >> 8 & 0xf)
#define OP_RCAPS_OF(flags) ((flags) >> 12 & 0xf)

struct op_info {
	uint64_t op;
	uint32_t flags;
	const char *name, *request, *reply; /* fields as written: "W(offset) W(flags)" */
};

/* The other side of a synchronous call: buffers, capabilities, where received ones go. */
struct call_options {
	const void *in;
	size_t in_length;
	void *out;
	size_t out_length;
	uint32_t flags; /* IPC_RECV_FD, IPC_RECV_CLOEXEC */
	uint32_t recv_min;
	uint32_t caps_count;
	cap_t caps[IPC_MAX_CAPS]; /* sent, with all their rights */
};

/*
 * proto_call is implemented by lib/sys (services) and by libposix: moves the
 * words, sends, fills the answer if the status is not negative. Received capabilities stand
 * in ipc_page()->caps afterwards. proto_send is lib/sys's (sys/acall.h).
 */
struct ipc_page *ipc_page(void);
long proto_call(cap_t to, uint64_t op, uint32_t op_flags, const struct call_options *options,
		const void *request, size_t request_size, void *reply, size_t reply_size);
struct acall;
long proto_send(struct acall *call, cap_t to, uint64_t op, uint32_t op_flags, const void *request,
		size_t request_size);

/* The server's side: a request as the loop of lib/sys holds it (sys/server.h). */
struct request;
uint64_t request_op(const struct request *rq);
const void *request_words(const struct request *rq);
void *request_reply(struct request *rq);
bool request_well_formed(struct request *rq, uint32_t op_flags, size_t reply_size);
/* What a handler has answered; one that the protocol does not allow ends the incarnation before it is sent. */
long request_checked(struct request *rq, uint32_t op_flags, long status);

#endif
