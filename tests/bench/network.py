# SPDX-License-Identifier: MIT
"""How fast data comes and goes through a virtio card in QEMU's user network, beside Linux in the same QEMU.

By wall clock, so only the ratio says something. Both guests run at once and take turns; the median of the rounds counts.
"""
import socket
import statistics
import threading
import time

import linux
from guest import Guest, GuestError, network

MEBIBYTES = 16
ROUNDS = 3
PROGRAM = "stream"
UP = {"Anole": "until ip route | grep -q default; do sleep 0.1; done",
      "Linux": "ifconfig eth0 10.0.2.15 up; route add default gw 10.0.2.2"}


class Peer:
    """This machine's end: each connection is one transfer, and `seconds` how long the last one took."""

    def __init__(self, direction):
        self.direction = direction
        self.seconds = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            started = time.monotonic()
            with connection:
                if self.direction == "in":
                    connection.sendall(bytes(MEBIBYTES << 20))
                    connection.shutdown(socket.SHUT_WR)
                buffer = bytearray(1 << 20)
                while connection.recv_into(buffer):
                    pass
            self.seconds = time.monotonic() - started


def transfer(guest, program, peer):
    peer.seconds = None
    status, output = guest.run(f"{program} 10.0.2.2 {peer.port} {peer.direction} {MEBIBYTES}", 300)
    if status:
        raise GuestError(f"{program}: status {status}: {output}")
    while peer.seconds is None:
        time.sleep(0.01)
    return MEBIBYTES * 1.048576 / peer.seconds


def boot(system, programs):
    if system == "Linux":
        return linux.Linux(initrd=linux.initramfs(programs), cpu="max", extra=network())
    return Guest(cpu="max", extra=network())


def figures(directory, programs):
    """{(direction, system): median MB/s}."""
    where = {"Anole": f"{directory}/{PROGRAM}.stock", "Linux": f"/bench/{PROGRAM}.stock"}
    guests = {}
    rates = {}
    try:
        for system, up in UP.items():
            guests[system] = boot(system, programs)
            guests[system].run(up)
        for direction in ("in", "out"):
            peer = Peer(direction)
            for _ in range(ROUNDS):
                for system, guest in guests.items():
                    rates.setdefault((direction, system), []).append(transfer(guest, where[system], peer))
    finally:
        for guest in guests.values():
            guest.close()
    return {key: statistics.median(values) for key, values in rates.items()}


def table(directory, programs):
    print(f"Network, MB/s by wall clock (virtio-net, QEMU's user network, {MEBIBYTES} MiB, median of {ROUNDS})\n")
    print(f"{'direction':24}{'Anole':>12}{'Linux':>12}{'ratio':>8}")
    found = figures(directory, programs)
    for direction, name in (("in", "host to guest"), ("out", "guest to host")):
        ours, theirs = found[direction, "Anole"], found[direction, "Linux"]
        print(f"{name:24}{ours:>12.1f}{theirs:>12.1f}{ours / theirs:>8.2f}")
