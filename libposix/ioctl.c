/* SPDX-License-Identifier: MIT */
/* ioctl: which requests read or write memory at the argument, and how much. */
#include "files.h"

#define FIONBIO 0x5421u
#define FIONCLEX 0x5450u
#define FIOCLEX 0x5451u
#define FIOASYNC 0x5452u
#define TERMIOS_SIZE 36u
#define SIOCADDRT 0x890bu
#define SIOCDELRT 0x890cu
#define SIOCGIFCONF 0x8912u
#define SIOC_FIRST 0x8910u /* SIOCGIFNAME to SIOCGIFMAP: struct ifreq */
#define SIOC_LAST 0x8970u
#define IFREQ_SIZE 40u
#define ARPREQ_SIZE 68u
#define RTENTRY_SIZE 120u
#define RTENTRY_DEVICE 88u /* where the pointer to the interface's name is */
#define INTERFACE_NAME 16u

#define IN(bytes) ((uint32_t)(bytes))
#define OUT(bytes) ((uint32_t)(bytes) << 16)

/* Requests from the time before sizes were part of the number. */
static uint32_t old_style(uint32_t request)
{
	switch (request) {
	case 0x5401: /* TCGETS */ return OUT(TERMIOS_SIZE);
	case 0x5402: /* TCSETS, TCSETSW, TCSETSF */
	case 0x5403:
	case 0x5404: return IN(TERMIOS_SIZE);
	case 0x5405: /* TCGETA */ return OUT(18);
	case 0x5406: /* TCSETA, TCSETAW, TCSETAF */
	case 0x5407:
	case 0x5408: return IN(18);
	case 0x5412: /* TIOCSTI */ return IN(1);
	case 0x5413: /* TIOCGWINSZ */ return OUT(8);
	case 0x5414: /* TIOCSWINSZ */ return IN(8);
	case 0x540f: /* TIOCGPGRP */
	case 0x5411: /* TIOCOUTQ */
	case 0x5415: /* TIOCMGET */
	case 0x5419: /* TIOCGSOFTCAR */
	case 0x541b: /* FIONREAD */
	case 0x5424: /* TIOCGETD */
	case 0x5429: /* TIOCGSID */
	case 0x4b3b: /* KDGETMODE */
	case 0x125e: /* BLKROGET */
	case 0x1268: /* BLKSSZGET */
	case 0x1278: /* BLKIOMIN */
	case 0x1279: /* BLKIOOPT */
	case 0x127a: /* BLKALIGNOFF */
	case 0x127b: /* BLKPBSZGET */ return OUT(4);
	case 0x5410: /* TIOCSPGRP */
	case 0x5416: /* TIOCMBIS, TIOCMBIC, TIOCMSET */
	case 0x5417:
	case 0x5418:
	case 0x541a: /* TIOCSSOFTCAR */
	case 0x5420: /* TIOCPKT */
	case 0x5423: /* TIOCSETD */
	case 0x125d: /* BLKROSET */ return IN(4);
	case 0x4b33: /* KDGKBTYPE */ return OUT(1);
	case 0x1260: /* BLKGETSIZE */
	case 0x1263: /* BLKRAGET */ return OUT(8);
	case 0x1277: /* BLKDISCARD */ return IN(16);
	case 0x0301: /* HDIO_GETGEO */ return OUT(16);
	case 0x8905: /* SIOCATMARK */ return OUT(4);
	case 0x8953: /* SIOCDARP, SIOCGARP, SIOCSARP */
	case 0x8954:
	case 0x8955: return IN(ARPREQ_SIZE) | OUT(ARPREQ_SIZE);
	}
	if (request >= SIOC_FIRST && request <= SIOC_LAST)
		return IN(IFREQ_SIZE) | OUT(IFREQ_SIZE);
	return 0;
}

/* Of interfaces, which any socket can be asked for: a server without them does not know the request. */
static long socket_ioctl(cap_t fd, const struct call_options *options, uint32_t number)
{
	struct net_ioctl_req request = { number };
	long status = file_call_ioctl(fd, options, &(struct file_ioctl_req){ number, 0 }, NULL);

	if (status != -ENOTTY)
		return status;
	if (file_call_identify(fd, NULL, &(struct file_identify_req){}, &(struct file_identify_reply){}) !=
	    S_IFSOCK)
		return -ENOTTY;
	return net_call_ioctl(PROC_SLOT_NET, options, &request, NULL);
}

/* struct ifconf: a length, and where the list of interfaces is to be. */
static long interfaces(cap_t fd, uint64_t at)
{
	struct {
		int32_t length, pad;
		void *list;
	} *wanted = (void *)at;
	struct call_options options = { .out = wanted->list };
	long status;

	if (wanted->list && wanted->length > 0)
		options.out_length = (size_t)wanted->length;
	status = socket_ioctl(fd, &options, SIOCGIFCONF);
	if (status < 0)
		return status;
	wanted->length = (int32_t)status;
	return 0;
}

/* struct rtentry: the interface's name goes along behind it. */
static long route(cap_t fd, uint32_t number, uint64_t at)
{
	char route[RTENTRY_SIZE + INTERFACE_NAME] = {};
	struct call_options options = { .in = route, .in_length = sizeof(route) };
	const char *name;

	memcpy(route, (const void *)at, RTENTRY_SIZE);
	memcpy(&name, route + RTENTRY_DEVICE, sizeof(name));
	for (unsigned i = 0; name && i + 1 < INTERFACE_NAME && name[i]; i++)
		route[RTENTRY_SIZE + i] = name[i];
	return socket_ioctl(fd, &options, number);
}

/* _IOC: direction in bits 30 and 31 (1 written to the driver, 2 read from it), size in 16 to 29. */
static uint32_t sizes(uint32_t request)
{
	uint32_t size = request >> 16 & 0x3fff;

	if (request == 0x80081270) /* BLKBSZGET says size_t and means int */
		return OUT(4);
	if (!(request >> 30))
		return old_style(request);
	return (request >> 30 & 1 ? IN(size) : 0) | (request >> 31 ? OUT(size) : 0);
}

static long set_nonblocking(cap_t fd, bool on)
{
	long flags = file_call_get_flags(fd, NULL, &(struct file_get_flags_req){}, NULL), status;
	struct file_set_flags_req request;

	if (flags < 0)
		return flags;
	request.flags = on ? (uint64_t)flags | O_NONBLOCK : (uint64_t)flags & ~(uint64_t)O_NONBLOCK;
	status = file_call_set_flags(fd, NULL, &request, NULL);
	return status < 0 ? status : 0;
}

static long set_cloexec(cap_t fd, uint64_t on)
{
	long status = kcall(fd_flags, fd, 1, on);

	return status < 0 ? status : 0;
}

long lp_ioctl(uint64_t a, uint64_t b, uint64_t c)
{
	uint32_t number = (uint32_t)b, size = sizes(number);
	struct file_ioctl_req request = { number, c };
	struct call_options options = {
		.in = (void *)c,
		.in_length = size & 0xffff,
		.out = (void *)c,
		.out_length = size >> 16,
	};

	switch (number) {
	case FIONBIO: return set_nonblocking(fd_cap(a), *(const int32_t *)c != 0);
	case SIOCGIFCONF: return interfaces(fd_cap(a), c);
	case SIOCADDRT:
	case SIOCDELRT: return route(fd_cap(a), number, c);
	case FIOCLEX:
	case FIONCLEX: return set_cloexec(fd_cap(a), number == FIOCLEX);
	case FIOASYNC:
		return kcall(fd_flags, fd_cap(a), 0, 0) < 0 ? -EBADF : *(const int32_t *)c ? -ENOTTY : 0;
	}
	if (number >= SIOC_FIRST && number <= SIOC_LAST)
		return socket_ioctl(fd_cap(a), &options, number);
	return file_call_ioctl(fd_cap(a), &options, &request, NULL);
}
