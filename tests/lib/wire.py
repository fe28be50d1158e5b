# SPDX-License-Identifier: MIT
"""The other end of a guest's card: frames by QEMU's `-netdev dgram`, over this machine's loopback only."""
import os
import socket
import struct
import threading
import time

GUEST_MAC, PEER_MAC = b"\x52\x54\x00\x12\x34\x99", b"\x52\x54\x00\x99\x99\x01"
GUEST, PEER = "172.16.0.1", "172.16.0.2"
NET = "172.16.0.1/12"
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16
ARP, IPV4, IPV6 = 0x806, 0x800, 0x86dd
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(kind, payload, to=GUEST_MAC):
    return to + PEER_MAC + struct.pack("!H", kind) + payload


def ipv4(protocol, payload, source=PEER, to=GUEST, options=b"", fragment=0, identity=1, length=None, ttl=64):
    size = 20 + len(options)
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | size // 4, 0, size + len(payload) if length is None else length, identity,
                       fragment, ttl, protocol, 0, socket.inet_aton(source), socket.inet_aton(to)) + options
    return ethernet(IPV4, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload)


def transport(protocol, segment, at, source, to):
    """With the checksum at its place."""
    pseudo = socket.inet_aton(source) + socket.inet_aton(to) + struct.pack("!BBH", 0, protocol, len(segment))
    return segment[:at] + struct.pack("!H", checksum(pseudo + segment)) + segment[at + 2:]


def tcp(port, flags, sequence=0, acknowledged=0, data=b"", source=PEER, source_port=1024, options=b"", window=8192, **ip):
    options += b"\0" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", source_port, port, sequence & 0xffffffff, acknowledged & 0xffffffff,
                       (5 + len(options) // 4) % 16 << 4, flags, window, 0, 0)
    return ipv4(TCP, transport(TCP, head + options + data, 16, source, GUEST), source, **ip)


def udp(port, data, source=PEER, source_port=1024, **ip):
    head = struct.pack("!HHHH", source_port, port, 8 + len(data), 0)
    return ipv4(UDP, transport(UDP, head + data, 6, source, GUEST), source, **ip)


def icmp(kind, code=0, data=b"", **ip):
    body = struct.pack("!BBHI", kind, code, 0, 1) + data
    return ipv4(ICMP, body[:2] + struct.pack("!H", checksum(body)) + body[4:], **ip)


def ipv6(protocol, payload, source, to, hops=64, mac=GUEST_MAC):
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops)
    return ethernet(IPV6, head + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to) + payload, mac)


def icmp6(kind, code, body, source, to, hops=255, mac=GUEST_MAC):
    """body: behind the checksum."""
    message = struct.pack("!BBH", kind, code, 0) + body
    pseudo = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to) + \
        struct.pack("!II", len(message), ICMP6)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    return ipv6(ICMP6, message, source, to, hops, mac)


class Wire:
    """Answers the guest's ARP requests for every address but its own; keeps the TCP segments that come."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            self.to = other.getsockname()
        self.frames, self.news = [], threading.Condition()
        self.replies = 0
        threading.Thread(target=self.receive, daemon=True).start()

    def options(self, identity="wire"):
        """For QEMU: a card whose cable ends here."""
        ours = self.socket.getsockname()
        return ("-netdev", f"dgram,id={identity},local.type=inet,local.host={self.to[0]},local.port={self.to[1]},"
                           f"remote.type=inet,remote.host={ours[0]},remote.port={ours[1]}",
                "-device", f"virtio-net-pci,netdev={identity},mac={GUEST_MAC.hex(':')}")

    def send(self, frame):
        try:
            self.socket.sendto(frame, self.to)
        except ConnectionError:
            pass            # QEMU is not there yet, or not any more

    def receive(self):
        while True:
            try:
                frame = self.socket.recv(65536)
            except ConnectionError:
                continue
            self.take(frame)

    def take(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] != socket.inet_aton(GUEST):
            self.send(ethernet(ARP, frame[14:20] + b"\0\2" + PEER_MAC + frame[38:42] + frame[22:32]))
        elif kind == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[:6] == PEER_MAC:
            with self.news:
                self.replies += 1
                self.news.notify_all()
        elif kind == b"\x08\x00" and frame[23] == TCP:
            with self.news:
                self.frames.append(frame)
                self.news.notify_all()

    def catch_up(self, tries=120):
        """Until the guest has looked at all that was sent: it answers one request more."""
        request = b"\0\1\x08\0\6\4\0\1" + PEER_MAC + socket.inet_aton(PEER) + bytes(6) + socket.inet_aton(GUEST)
        before = self.replies
        for _ in range(tries):
            self.send(ethernet(ARP, request))
            with self.news:
                if self.news.wait_for(lambda: self.replies != before, 1):
                    return
        raise TimeoutError("the guest does not answer")

    def segment(self, source_port, flags, timeout):
        """The next one to that port of ours with these flags: (sequence, acknowledged, data), or None. Others are dropped."""
        deadline = time.monotonic() + timeout
        with self.news:
            while True:
                while self.frames:
                    ip = self.frames.pop(0)[14:]
                    ip = ip[:struct.unpack("!H", ip[2:4])[0]]
                    segment = ip[(ip[0] & 15) * 4:]
                    _, to, sequence, acknowledged, offset, got = struct.unpack("!HHIIBB", segment[:14])
                    if to == source_port and got & flags == flags:
                        return sequence, acknowledged, segment[(offset >> 4) * 4:]
                if time.monotonic() > deadline:
                    return None
                self.news.wait(deadline - time.monotonic())

    def say_hello(self, port, source_port, tries, each):
        """A connection from here, with a line there and back. Whether it came about."""
        first = int.from_bytes(os.urandom(3), "big")
        for _ in range(tries):
            self.send(tcp(port, SYN, first, source_port=source_port))
            answer = self.segment(source_port, SYN | ACK, each)
            if not answer:
                continue
            theirs = answer[0] + 1
            for _ in range(tries):
                self.send(tcp(port, ACK | PUSH, first + 1, theirs, b"hello\n", source_port=source_port))
                while (answer := self.segment(source_port, ACK, each)) and not answer[2]:
                    pass
                if answer and answer[2] == b"hello\n":
                    self.send(tcp(port, RST | ACK, first + 7, answer[0] + 6, source_port=source_port))
                    return True
        return False
