/* SPDX-License-Identifier: MIT */
/* What lwIP asks of its port: time, random numbers, checksums, sequence numbers. */
#include <lwip/ip_addr.h>
#include <lwip/sys.h>
#include <util/chacha.h>

#include "net.h"

#define PORT_LEAST 32768u /* Linux's ip_local_port_range */
#define PORT_MOST 60999u
#define PORT_TRIES 200u

static PRESERVED struct {
	uint32_t key[8], count;
} generator;

static uint64_t cycles(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static uint64_t hardware_random(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;
	uint64_t value = 0;
	uint8_t carry;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (ecx >> 30 & 1)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(carry));
	return value;
}

/* Guessing ports and sequence numbers must be hard for those who see none of them: what differs from boot to boot. */
void random_start(void)
{
	uint64_t seed[4] = { cycles() ^ hardware_random(), clock_realtime_ns(), clock_monotonic_ns(),
			     hardware_random() };

	for (unsigned i = 0; i < 8; i++)
		generator.key[i] ^= (uint32_t)(seed[i / 2] >> i % 2 * 32);
	net_random();
}

static void block_of(const uint32_t *input, unsigned words, struct chacha *out)
{
	struct chacha in = { { CHACHA_CONSTANTS } };

	memcpy(in.word + 4, generator.key, sizeof(generator.key));
	memcpy(in.word + 12, input, 4ul * words);
	chacha_block(&in, out);
}

uint32_t net_random(void)
{
	uint32_t input[2] = { ++generator.count, (uint32_t)cycles() };
	struct chacha out;

	block_of(input, 2, &out);
	return out.word[0];
}

bool port_range_is_sane(uint32_t low_high)
{
	uint32_t low = low_high & 0xffff, high = low_high >> 16;

	return !low || !high || low <= high;
}

/* A bound that is 0, or not within what all sockets have, is theirs. */
struct ports ports_for(const struct sock *s)
{
	uint32_t given = (uint32_t)s->option[OPTION_LOCAL_PORT_RANGE], low = given & 0xffff,
		 high = given >> 16, count;

	if (low < PORT_LEAST || low > PORT_MOST)
		low = PORT_LEAST;
	if (high < PORT_LEAST || high > PORT_MOST)
		high = PORT_MOST;
	count = high - low + 1;
	return (struct ports){ low, count, net_random() % count, count < PORT_TRIES ? count : PORT_TRIES };
}

/* RFC 6056, 3.3.1. lwIP's own count begins anew in each incarnation, at ports that peers may still know. */
u16_t port_next(struct ports *ports)
{
	if (!ports->left)
		return 0;
	ports->left--;
	ports->at = ports->count > PORT_TRIES ? net_random() : ports->at + 1;
	return (u16_t)(ports->least + ports->at % ports->count);
}

/* RFC 6528: a clock of 4 us ticks, displaced by a secret of the connection's own. */
uint32_t net_sequence_number(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
			     uint16_t remote_port)
{
	uint32_t input[4] = { (uint32_t)local_port << 16 | remote_port };
	const uint32_t *from = (const uint32_t *)local, *to = (const uint32_t *)remote;
	struct chacha out;

	for (unsigned i = 0; i < (IP_IS_V6(remote) ? 4u : 1u); i++)
		input[1 + i % 3] = input[1 + i % 3] * 31 + from[i] * 17 + to[i];
	block_of(input, 4, &out);
	return out.word[0] + (uint32_t)(clock_monotonic_ns() >> 12);
}

/* DHCP and router advertisements tell; table.c shows them to who resolves names. */
PRESERVED ip_addr_t name_servers[NAME_SERVERS];

void dns_setserver(u8_t number, const ip_addr_t *address)
{
	if (number < NAME_SERVERS)
		name_servers[number] = address ? *address : *IP_ADDR_ANY;
}

const ip_addr_t *dns_getserver(u8_t number)
{
	return number < NAME_SERVERS ? &name_servers[number] : IP_ADDR_ANY;
}

u32_t sys_now(void)
{
	return (u32_t)(clock_monotonic_ns() / 1000000);
}

u32_t sys_jiffies(void)
{
	return sys_now();
}

int atoi(const char *text)
{
	int value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (*text - '0');
	return value;
}

/* RFC 1071, eight bytes at a time: the sum of 16-bit words is that of longer ones, folded. */
unsigned short net_checksum(const void *data, int length)
{
	const uint8_t *at = data;
	uint64_t sum = 0, rest = 0;

	for (; length >= 32; length -= 32, at += 32)
		__asm__("addq (%1), %0; adcq 8(%1), %0; adcq 16(%1), %0; adcq 24(%1), %0; adcq $0, %0"
			: "+r"(sum)
			: "r"(at), "m"(*(const uint8_t(*)[32])at));
	for (; length >= 8; length -= 8, at += 8)
		__asm__("addq (%1), %0; adcq $0, %0" : "+r"(sum) : "r"(at), "m"(*(const uint64_t *)at));
	if (length)
		memcpy(&rest, at, (size_t)length);
	__asm__("addq %1, %0; adcq $0, %0" : "+r"(sum) : "r"(rest));
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	return (unsigned short)sum;
}
