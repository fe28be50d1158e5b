/* SPDX-License-Identifier: MIT */
/*
 * From one definition to everything that speaks a protocol. A protocol's header
 * defines PROTO (its name), PROTO_ID and PROTO_DEF (the .def file) and includes
 * this file; the .def file holds one line per operation:
 *
 *     OP(number, name, flags, request fields, reply fields)
 *
 * Fields are W(name), an unsigned word, or S(name), a signed one; NONE where
 * there are none. All fields are 64-bit words, so a message has no padding that could
 * carry stack bytes out. Out come, for a protocol `file` and an operation `read`:
 *
 *     file_op_read                        operation word
 *     struct file_read_req, file_read_reply
 *     struct file_ops                     typed handlers of a server
 *     file_dispatch(ops, rq)              checks a request and calls its handler
 *     file_call_read(to, opt, req, reply) synchronous client stub (libposix, tests)
 *     file_send_read(acall, to, req)      asynchronous client stub (servers)
 *     file_operations[]                    names for traces
 *
 * A number given twice or a message over ten words does not compile.
 */
#include <proto/proto.h>

#define PROTO_PASTE3(a, b, c) a##b##c
#define PROTO_JOIN(a, b, c) PROTO_PASTE3(a, b, c)
#define PROTO_STRING2(x) #x
#define PROTO_STRING(x) PROTO_STRING2(x)

#define PROTO_OP(name) PROTO_JOIN(PROTO, _op_, name)
#define PROTO_REQ(name) PROTO_JOIN(PROTO, _##name, _req)
#define PROTO_REPLY(name) PROTO_JOIN(PROTO, _##name, _reply)

#define W(name) uint64_t name;
#define S(name) int64_t name;
#define NONE

enum {
#define OP(number, name, flags, req, reply) PROTO_OP(name) = IPC_OP(PROTO_ID, number),
#include PROTO_DEF
#undef OP
};

#define OP(number, name, flags, req, reply)                                                      \
	struct PROTO_REQ(name) {                                                                 \
		req                                                                              \
	};                                                                                       \
	struct PROTO_REPLY(name) {                                                               \
		reply                                                                            \
	};                                                                                       \
	_Static_assert(sizeof(struct PROTO_REQ(name)) <= 8 * IPC_ALL_WORDS, "request too long"); \
	_Static_assert(sizeof(struct PROTO_REPLY(name)) <= 8 * IPC_ALL_WORDS, "reply too long");
#include PROTO_DEF
#undef OP

/* Handlers answer the status (>= 0 or -errno), or PARK: see sys/server.h. */
struct PROTO_JOIN(PROTO, _ops, ) {
#define OP(number, name, flags, req, reply) \
	long (*name)(struct request *, const struct PROTO_REQ(name) *, struct PROTO_REPLY(name) *);
#include PROTO_DEF
#undef OP
};

static inline long PROTO_JOIN(PROTO, _dispatch, )(const struct PROTO_JOIN(PROTO, _ops, ) * ops,
						  struct request *rq)
{
	switch (request_op(rq)) {
#define OP(number, name, flags, req, reply)                                            \
	case PROTO_OP(name):                                                           \
		if (!ops->name)                                                        \
			return -ENOSYS;                                                \
		if (!request_well_formed(rq, flags, sizeof(struct PROTO_REPLY(name)))) \
			return -EINVAL;                                                \
		return request_checked(rq, flags, ops->name(rq, request_words(rq), request_reply(rq)));
#include PROTO_DEF
#undef OP
	}
	return -ENOSYS;
}

#define OP(number, name, flags, req, reply)                                                                  \
	static inline long PROTO_JOIN(PROTO, _call_, name)(cap_t to, const struct call_options *options,     \
							   const struct PROTO_REQ(name) * request,           \
							   struct PROTO_REPLY(name) * answer)                \
	{                                                                                                    \
		return proto_call(to, PROTO_OP(name), flags, options, request,                               \
				  sizeof(struct PROTO_REQ(name)), answer, sizeof(struct PROTO_REPLY(name))); \
	}                                                                                                    \
	static inline long PROTO_JOIN(PROTO, _send_, name)(struct acall * call, cap_t to,                    \
							   const struct PROTO_REQ(name) * request)           \
	{                                                                                                    \
		return proto_send(call, to, PROTO_OP(name), flags, request, sizeof(struct PROTO_REQ(name))); \
	}
#include PROTO_DEF
#undef OP

static const struct op_info PROTO_JOIN(PROTO, _operations, )[] __attribute__((unused)) = {
#define OP(number, name, flags, req, reply) \
	{ PROTO_OP(name), flags, PROTO_STRING(PROTO) "." #name, #req, #reply },
#include PROTO_DEF
#undef OP
};

#undef W
#undef S
#undef NONE
#undef PROTO_PASTE3
#undef PROTO_JOIN
#undef PROTO_STRING2
#undef PROTO_STRING
#undef PROTO_OP
#undef PROTO_REQ
#undef PROTO_REPLY
#undef PROTO
#undef PROTO_ID
#undef PROTO_DEF
