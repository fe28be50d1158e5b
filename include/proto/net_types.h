/* SPDX-License-Identifier: MIT */
/* What the network server can be asked about itself: the files of /proc/net. */
#ifndef PROTO_NET_TYPES_H
#define PROTO_NET_TYPES_H

enum net_table {
	NET_TABLE_DEV,
	NET_TABLE_TCP,
	NET_TABLE_TCP6,
	NET_TABLE_UDP,
	NET_TABLE_UDP6,
	NET_TABLE_RAW,
	NET_TABLE_RAW6,
	NET_TABLE_ROUTE,
	NET_TABLE_ROUTE6,
	NET_TABLE_ARP,
	NET_TABLE_ADDRESSES6,
	NET_TABLE_NAME_SERVERS, /* as resolv.conf has them */
	NET_TABLE_SNMP,
	NET_TABLE_SOCKSTAT,
	NET_TABLE_PACKET,
	NET_TABLE_UNIX, /* which the pipe server has */
	NET_TABLES,
};

#endif
