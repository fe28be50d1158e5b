/* SPDX-License-Identifier: MIT */
#include <drv/below.h>
#include <proto/rs.h>
#include <sys/server.h>
#include <util/string.h>

long below_find(const char *class, const char *own, cap_t *driver)
{
	struct rs_next_driver_req request = { (uint64_t)(startup->arguments[0] - '0') };
	struct rs_next_driver_reply reply;
	char name[32] = "";
	struct call_options options = {
		.in = class, .in_length = strlen(class), .out = name, .out_length = sizeof name - 1
	};
	long status = rs_call_next_driver(SLOT_RS, &options, &request, &reply);

	if (status < 0)
		return status;
	if (!strncmp(name, own, strlen(own)) || reply.number != request.from) {
		kcall(cap_close, ipc_page()->caps[0].slot);
		return -ENODEV;
	}
	*driver = ipc_page()->caps[0].slot;
	return 0;
}
