# SPDX-License-Identifier: MIT
"""How fast data comes and goes through a virtio card, beside Linux in the same QEMU: in QEMU's user network, which has no
offloads, and through a tap, which has all of them, if there can be one.

By wall clock, so only the ratio says something. Both guests run at once and take turns; the median of the rounds counts.
"""
import socket
import statistics
import threading
import time

import linux
import taps
from guest import Guest, GuestError, network

MEBIBYTES = {"user": 16, "tap": 64}
ROUNDS = 3
PROGRAM = "stream"
SYSTEMS = ("Anole", "Linux")


class Link:
    """A guest's card: what QEMU is told, what the guest's shell is, and this machine's address, here and there."""

    def __init__(self, kind, system):
        number = SYSTEMS.index(system)
        if kind == "user":
            self.options, self.here, self.there = network(), "127.0.0.1", "10.0.2.2"
            own = "10.0.2.15"
        else:
            self.options = taps.card(number=number)
            self.here = self.there = (taps.HOST, taps.SECOND_HOST)[number]
            own = (taps.GUEST, taps.SECOND_GUEST)[number]
        self.up = (f"until ip link show dev eth0 >/dev/null 2>&1; do sleep 0.1; done; ifconfig eth0 {own} netmask 255.255.255.0 up; "
                   f"until ping -c 1 -W 1 {self.there}; do :; done")


class Peer:
    """This machine's end: each connection is one transfer, and `seconds` how long the last one took."""

    def __init__(self, direction, size, address):
        self.direction = direction
        self.size = size
        self.address = address
        self.seconds = None
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            started = time.monotonic()
            with connection:
                if self.direction == "in":
                    connection.sendall(bytes(self.size << 20))
                    connection.shutdown(socket.SHUT_WR)
                buffer = bytearray(1 << 20)
                while connection.recv_into(buffer):
                    pass
            self.seconds = time.monotonic() - started


def transfer(guest, program, link, peer):
    peer.seconds = None
    status, output = guest.run(f"{program} {link.there} {peer.port} {peer.direction} {peer.size}", 300)
    if status:
        raise GuestError(f"{program}: status {status}: {output}")
    while peer.seconds is None:
        time.sleep(0.01)
    return peer.size * 1.048576 / peer.seconds


def boot(system, programs, link):
    if system == "Linux":
        guest = linux.Linux(initrd=linux.initramfs(programs), cpu="max", extra=link.options)
    else:
        guest = Guest(cpu="max", extra=link.options)
    guest.run(link.up)
    return guest


def figures(kind, directory, programs):
    """{(direction, system): median MB/s}."""
    where = {"Anole": f"{directory}/{PROGRAM}.stock", "Linux": f"/bench/{PROGRAM}.stock"}
    links = {system: Link(kind, system) for system in SYSTEMS}
    guests = {}
    rates = {}
    try:
        for system, link in links.items():
            guests[system] = boot(system, programs, link)
        for direction in ("in", "out"):
            peers = {system: Peer(direction, MEBIBYTES[kind], link.here) for system, link in links.items()}
            for _ in range(ROUNDS):
                for system, guest in guests.items():
                    rate = transfer(guest, where[system], links[system], peers[system])
                    rates.setdefault((direction, system), []).append(rate)
    finally:
        for guest in guests.values():
            guest.close()
    return {key: statistics.median(values) for key, values in rates.items()}


def table(directory, programs, kinds):
    print(f"Network, MB/s by wall clock (virtio-net, median of {ROUNDS})\n")
    print(f"{'direction':32}{'Anole':>12}{'Linux':>12}{'ratio':>8}")
    for kind in kinds:
        found = figures(kind, directory, programs)
        for direction, name in (("in", "host to guest"), ("out", "guest to host")):
            ours, theirs = found[direction, "Anole"], found[direction, "Linux"]
            print(f"{f'{kind}: {name}':32}{ours:>12.1f}{theirs:>12.1f}{ours / theirs:>8.2f}", flush=True)
