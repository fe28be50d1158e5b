# SPDX-License-Identifier: MIT
"""A hostile network: TEST: timeout=1500

A card whose cable ends in this test, which floods the guest with requests for connections, and sends it what no sane
machine would. Nobody dies of it, memory stays bounded, a connection by another card goes on, and new ones come about.
With --full more of it; SEED=N for other nonsense.
"""
import os
import random
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import leaks  # noqa: E402
import wire  # noqa: E402
from guest import free_port, network  # noqa: E402
from session import Failed, Session, boot, counts_before, main_alone, same, test  # noqa: E402

FULL = "--full" in sys.argv
FLOOD, NONSENSE = (100000, 100000) if FULL else (4000, 4000)
PROGRAM = "/usr/lib/anole/tests/crowd"
MEMORY_KIB = 56 << 10       # lwIP's bound, and what else net keeps
SEED = int(os.environ.get("SEED", "1"))


class Victim:
    """A guest with a server that is reached by both cards."""

    def __init__(self):
        self.port, self.wire = free_port(), wire.Wire()
        self.s = Session(boot(extra=(*network((self.port, 6000)), *self.wire.options())))
        self.s.must("until ip addr | grep -q 10.0.2.15; do sleep 0.1; done; "
                    f"ip addr add {wire.NET} dev $(ip -o link | grep '{wire.GUEST_MAC.hex(':')}' | cut -d: -f2)")
        self.before = counts_before(self.s)
        self.s.must(f"{PROGRAM} serve 6000 & until netstat -ltn | grep -q :6000; do sleep 0.1; done")
        self.peer = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self.restarts = self.deaths()
        self.echo()
        if not self.wire.say_hello(6000, 1025, 20, 1):
            raise Failed("there is no way to the guest")

    def deaths(self):
        return re.findall(r"^(\w+) +running +(\d+)", self.s.must("service"), re.M)

    def echo(self):
        self.peer.sendall(b"still there?")
        same(self.peer.recv(100), b"still there?")

    def attack(self, frames, every):
        """They are sent as fast as the guest takes them up; the echo goes on meanwhile."""
        before, n = self.received(), 0
        for n, frame in enumerate(frames):
            self.wire.send(frame)
            if n % 64 == 63:
                self.wire.catch_up()
            if n % every == every - 1:
                self.echo()
        if self.received() - before < n * 9 // 10:
            raise Failed(f"only {self.received() - before} of {n} frames have arrived")

    def received(self):
        return int(re.search(r"eth1: +\d+ +(\d+)", self.s.must("cat /proc/net/dev")).group(1))

    def survived(self):
        self.echo()
        same(self.deaths(), self.restarts, "incarnations")
        used = int(re.search(r"^net .* (\d+)K", self.s.must("service"), re.M).group(1))
        print(f"  net has {used} KiB", flush=True)
        if used > MEMORY_KIB:
            raise Failed(f"net has {used} KiB")

    def end(self):
        self.peer.close()
        self.s.must("killall crowd; until ! netstat -tn | grep -q 'ESTABLISHED\\|CLOSE_WAIT'; do sleep 0.2; done", 60)
        same(leaks.settled(self.s.guest, self.before, 30)[1], "", "what has leaked")
        self.s.guest.close()


def requests(rng, count):
    """For connections that nobody means, from all over the net."""
    for _ in range(count):
        source = f"172.{rng.randint(17, 31)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
        yield wire.tcp(6000, wire.SYN, rng.getrandbits(32), source=source, source_port=rng.randint(1024, 65535),
                       options=rng.choice([b"", b"\2\4\5\xb4", b"\2\4\0\0", b"\3\3\x0e", b"\1\3\3\xff\4\2"]))


@test(f"{FLOOD} requests for connections that nobody means", linux=False)
def flood(_):
    victim, rng = Victim(), random.Random(SEED)
    victim.attack(requests(rng, FLOOD), FLOOD // 4)
    # In between, somebody who means it: such a request may have to be made again.
    for n in range(3):
        victim.attack(requests(rng, 300), 300)
        if not victim.wire.say_hello(6000, 1030 + n, 60, 1):
            raise Failed("no connection comes about")
    victim.survived()
    victim.end()


def sane(rng):
    """One of each kind, which is then spoiled, or not."""
    port, data = rng.choice([6000, 6001, 68, 7]), rng.randbytes(rng.choice([0, 1, 8, 100, 1400]))
    options = rng.choice([b"", b"", b"\x01\x01", b"\x02\x04\x05\xb4", b"\x02\x00", b"\x03\x03", b"\x05\x0a" + bytes(8), b"\xfe\xff",
                          rng.randbytes(rng.randint(1, 40))])[:40]
    ip_options = rng.choice([b"", b"", b"", b"\x07\x07\x04" + bytes(5), b"\x83\x03\xff\x00", rng.randbytes(4 * rng.randint(1, 10))])
    source = f"172.{rng.randint(16, 31)}.{rng.randint(0, 3)}.{rng.randint(2, 254)}"
    six = struct.pack("!IHBB", 6 << 28, rng.randint(0, 200), rng.choice([0, 6, 17, 43, 44, 58, 59, 60]), 255) + \
        b"\xfe\x80" + bytes(13) + b"\x02" + rng.choice([b"\xff\x02" + bytes(13) + b"\x01", b"\xfe\x80" + bytes(13) + b"\x01"])
    return rng.choice([
        lambda: wire.tcp(port, rng.getrandbits(6), rng.getrandbits(32), rng.getrandbits(32), data, source,
                         rng.randint(1, 65535), options, rng.choice([0, 1, 8192, 65535])),
        lambda: wire.udp(port, data, source, options=ip_options),
        lambda: wire.icmp(rng.choice([0, 3, 4, 5, 8, 11, 12, 13, 17]), rng.randint(0, 4), data, source=source),
        lambda: wire.ipv4(rng.choice([1, 2, 6, 17, 50, 255]), data, source, options=ip_options, identity=rng.randint(0, 9),
                          fragment=rng.choice([0x2000, 0x2001, 1, 2, 0x20b9, 0x1fff, 0x3fff, 0x4000])),
        lambda: wire.ipv4(2, rng.choice([b"\x11", b"\x16", b"\x12"]) + rng.randbytes(7), source, "224.0.0.1"),
        lambda: wire.ethernet(wire.ARP, b"\0\1\x08\0\6\4\0" + rng.choice([b"\1", b"\2", b"\7"]) + rng.randbytes(6) +
                              socket.inet_aton(source) + rng.randbytes(6) + socket.inet_aton(rng.choice([wire.GUEST, source]))),
        lambda: wire.ethernet(wire.IPV6, six + rng.choice([bytes([kind]) for kind in (1, 2, 128, 130, 134, 135, 136, 137)] + [b""]) +
                              data[:200], rng.choice([wire.GUEST_MAC, b"\x33\x33\0\0\0\1"])),
        lambda: wire.ethernet(rng.choice([0x8100, 0x8863, 0x0101, rng.getrandbits(16)]), data),
    ])()


def make(rng):
    frame = sane(rng) if rng.random() < 0.98 else rng.randbytes(rng.randint(14, 1514))
    how = rng.randint(0, 5)
    if how == 0:
        frame = frame[:rng.randint(14, max(14, len(frame)))]
    elif how == 1:
        at = rng.randrange(14, len(frame)) if len(frame) > 14 else 13
        frame = frame[:at] + rng.randbytes(1) + frame[at + 1:]
    elif how == 2:
        frame += rng.randbytes(rng.randint(1, 100))
    return frame[:1514]


def found():
    """The frames among the fuzzer's inputs (tests/fuzz/net.c)."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "net.seeds"), encoding="ascii") as f:
        for line in f:
            rest = b"" if line.startswith("#") else bytes.fromhex(line)
            while len(rest) > 17 and rest[0] < 64:
                length = rest[1] | rest[2] << 8
                yield rest[3:3 + length]
                rest = rest[3 + length:]


@test(f"{NONSENSE} frames that are truncated, spoiled, fragments, or have options that cannot be", linux=False)
def nonsense(_):
    victim, rng = Victim(), random.Random(SEED)
    victim.attack(found(), 64)
    victim.attack((make(rng) for _ in range(NONSENSE)), NONSENSE // 8)
    if not victim.wire.say_hello(6000, 1030, 60, 1):
        raise Failed("no connection comes about")
    victim.survived()
    victim.end()


main_alone()
