/* SPDX-License-Identifier: MIT */
#ifndef CROWD_CROWD_H
#define CROWD_CROWD_H

#include <arpa/inet.h>
#include <stdint.h>

void fail(const char *what, long n) __attribute__((noreturn));
struct sockaddr_in address_of(const char *host, const char *port);
int connection_to(const struct sockaddr_in *address, long n);
int listen_at(uint16_t port);
int serve(uint16_t port);
/* The source sends the words 0, 1, 2, ... of 8 bytes, lowest first, each multiplied by the factor, and again from 0. */
#define DRAIN_FACTOR 0x9e3779b97f4a7c15ull
#define DRAIN_WORDS 65521u
int drain(const struct sockaddr_in *from, uint64_t bytes, const char *service, uint64_t ms);

#endif
