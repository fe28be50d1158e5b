# SPDX-License-Identifier: MIT
"""What is on the wire, read by tshark on the build machine: two cards, of QEMU's user network and of a peer made of frames."""
import os
import socket
import struct
import tempfile
import time

import capture
import wire
from session import Failed, main, same, test

PROGRAM = "/usr/lib/anole/tests/crowd"
PEER6, PREFIX = "fe80::99", "fd00:99::"
USER_MAC = "52:54:00:12:34:56"
WIRE_MAC = wire.GUEST_MAC.hex(":")
LONG = 60                       # seconds, after which something hangs
SYN_OPTIONS = b"\2\4\5\xb4\1\3\3\2\4\2\x08\x0a\0\0\0\1\0\0\0\0"     # MSS 1460, scale 2, SACK, timestamps
ZONE = b"\x04host\x04test\0"

directory = tempfile.TemporaryDirectory()
USER, WIRE = (os.path.join(directory.name, name) for name in ("user.pcap", "wire.pcap"))


class Peer(wire.Wire):
    """It also answers echo requests, names (every one is 192.0.2.7), and who asks for its address in IPv6."""

    def take(self, frame):
        super().take(frame)
        if frame[12:14] == b"\x08\x00" and frame[23] in (wire.ICMP, wire.UDP):
            self.take_four(frame[14:14 + struct.unpack("!H", frame[16:18])[0]])
        elif frame[12:14] == b"\x86\xdd" and frame[20] == wire.ICMP6:
            self.take_six(frame[14:])

    def take_four(self, packet):
        body, whole = packet[20:], not struct.unpack("!H", packet[6:8])[0] & 0x3fff
        if packet[9] == wire.ICMP and whole and body[0] == 8:
            message = b"\0\0\0\0" + body[4:]
            self.send(wire.ipv4(wire.ICMP, message[:2] + struct.pack("!H", wire.checksum(message)) + message[4:]))
        elif packet[9] == wire.UDP and body[2:4] == b"\0\x35":
            question = body[8 + 12:]
            answer = body[8:10] + struct.pack("!HHHHH", 0x8580, 1, int(question[-3:-2] == b"\1"), 0, 0) + question
            if question[-3:-2] == b"\1":
                answer += b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 60, 4) + socket.inet_aton("192.0.2.7")
            source_port = struct.unpack("!H", body[:2])[0]
            self.send(wire.udp(source_port, answer, source_port=53))

    def take_six(self, packet):
        sender, message = socket.inet_ntop(socket.AF_INET6, packet[8:24]), packet[40:]
        if message[0] == 135 and message[8:24] == socket.inet_pton(socket.AF_INET6, PEER6) and sender != "::":
            self.send(wire.icmp6(136, 0, b"\x60\0\0\0" + message[8:24] + b"\2\1" + wire.PEER_MAC, PEER6, sender))
        elif message[0] == 128:
            self.send(wire.icmp6(129, 0, message[4:], PEER6, sender))

    def router(self):
        """Advertise a prefix for who wants to make an address of it."""
        prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 1800, 0) + socket.inet_pton(socket.AF_INET6, PREFIX)
        self.send(wire.icmp6(134, 0, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\1\1" + wire.PEER_MAC + prefix, PEER6, "ff02::1",
                             mac=b"\x33\x33\0\0\0\1"))


class Connection:
    """A client's, to a port of the guest's. What it does not say is not said: nothing is acknowledged by itself."""

    def __init__(self, port, own, options=SYN_OPTIONS):
        self.port, self.own, self.sent = port, own, 1000
        self.say(wire.SYN, options=options)
        self.taken = self.hear(wire.SYN | wire.ACK)[0] + 1
        self.sent += 1
        self.say(wire.ACK)

    def say(self, flags, data=b"", at=None, **more):
        peer.send(wire.tcp(self.port, flags, self.sent if at is None else at, getattr(self, "taken", 0), data,
                           source_port=self.own, **more))

    def hear(self, flags, timeout=LONG):
        answer = peer.segment(self.own, flags, timeout)
        if not answer:
            raise Failed(f"no segment with {flags:#x} has come to port {self.own}")
        return answer

    def hear_data(self, at=None):
        """The next segment with data, or that at this number."""
        while True:
            sequence, _, data = self.hear(wire.ACK)
            if data and (at is None or sequence == at):
                return sequence, data

    def hear_all(self, count):
        """So many bytes, none acknowledged."""
        got, first = {}, self.taken
        while sum(map(len, got.values())) < count:
            sequence, data = self.hear_data()
            got[sequence] = data
        return b"".join(got[n] for n in sorted(got)), first

    def acknowledge(self, count, **more):
        self.taken += count
        self.say(wire.ACK, **more)

    def reset(self):
        self.say(wire.RST | wire.ACK)


peer = Peer()


def wired(wanted, *fields):
    return capture.packets(WIRE, wanted, *fields)


def stream(own):
    return f"eth.src == {WIRE_MAC} && tcp.dstport == {own}"


def some(rows, what):
    if not rows:
        raise Failed(f"there is no {what}")
    return rows


def until(found, what):
    """What is on the wire some time later."""
    for _ in range(LONG):
        rows = found()
        if rows:
            return rows
        time.sleep(1)
    raise Failed(f"there is no {what}")


@test("DHCP: discover, offer, request, acknowledgement; then who else has the address is asked, and the route used", linux=False)
def dhcp(s):
    s.must("until ip route | grep -q 'default via 10.0.2.2'; do sleep 0.1; done; ping -c 1 10.0.2.2")
    rows = capture.packets(USER, "dhcp", "dhcp.option.dhcp", "dhcp.hw.mac_addr", "dhcp.option.hostname",
                           "dhcp.option.requested_ip_address")
    same([row[0] for row in rows][-4:], ["1", "2", "3", "5"], "kinds")
    same({row[1] for row in rows}, {USER_MAC})
    same(rows[-2][2:], ("anole", "10.0.2.15"))
    some(capture.packets(USER, f"arp.isgratuitous && eth.src == {USER_MAC} && arp.src.proto_ipv4 == 10.0.2.15"), "announcement")
    some(capture.packets(USER, f"icmp.type == 8 && eth.src == {USER_MAC} && ip.dst == 10.0.2.2"), "echo request")


@test("ARP and ICMP: requests are answered, and an echo has what was sent", linux=False)
def echoes(s):
    peer.catch_up()
    for size in (0, 1, 56, 1472):
        peer.send(wire.icmp(8, data=os.urandom(size)))
    peer.send(wire.icmp(13, data=bytes(12)))
    s.must(f"ping -c 2 -s 1000 {wire.PEER}")
    peer.catch_up()
    fields = ("icmp.seq", "data.data")
    asked = wired(f"icmp.type == 8 && eth.dst == {WIRE_MAC}", *fields)
    same(wired(f"icmp.type == 0 && eth.src == {WIRE_MAC}", *fields), asked, "answers")
    same(len(asked), 4)
    same(len(wired(f"icmp.type == 0 && eth.dst == {WIRE_MAC} && icmp.resp_to")), 2, "answers to the guest")
    same(wired(f"arp.opcode == 2 && eth.src == {WIRE_MAC}", "arp.src.proto_ipv4", "arp.src.hw_mac", "arp.dst.proto_ipv4")[0],
         (wire.GUEST, WIRE_MAC, wire.PEER))
    some(wired(f"arp.isgratuitous && eth.src == {WIRE_MAC}"), "announcement")


@test("fragments: what is sent in pieces is whole, and so is what comes in the wrong order", linux=False)
def fragments(s):
    s.run(f"ping -c 1 -W 1 -s 4000 {wire.PEER}")
    rows = wired(f"ip.src == {wire.GUEST} && ip.proto == 1 && (ip.flags.mf == 1 || ip.frag_offset > 0)", "ip.frag_offset", "ip.flags.mf",
                 "ip.len")
    same(rows[:3], [("0", "1", "1500"), ("185", "1", "1500"), ("370", "0", "1068")])
    same(len(some(wired(f"icmp.type == 8 && ip.src == {wire.GUEST} && ip.reassembled.length == 4008"), "whole request")), 1)
    data = os.urandom(4000)
    message = b"\x08\0\0\0\0\x4d\0\x63" + data
    message = message[:2] + struct.pack("!H", wire.checksum(message)) + message[4:]
    for at in (2960, 0, 1480):
        more = 0x2000 if at != 2960 else 0
        peer.send(wire.ipv4(wire.ICMP, message[at:at + 1480], fragment=more | at // 8, identity=4711))
    peer.catch_up()
    same(wired(f"icmp.type == 0 && ip.src == {wire.GUEST} && icmp.seq == 99", "data.data"), [(data.hex(),)], "echo")


@test("UDP: a closed port is unreachable, with what was sent; names are asked for", linux=False)
def datagrams(s):
    peer.send(wire.udp(9, b"nobody is there", source_port=4242))
    peer.catch_up()
    row = some(wired(f"icmp.type == 3 && ip.src == {wire.GUEST}", "icmp.code", "udp.srcport", "udp.dstport"), "ICMP message")[0]
    same(row, ("3", "4242", "9"))
    s.must(f"nslookup host.test {wire.PEER} | grep -q 192.0.2.7")
    same(some(wired(f"dns.flags.response == 0 && ip.src == {wire.GUEST} && dns.qry.type == 1", "dns.qry.name"), "question")[0],
         ("host.test",))


@test("IPv6: addresses are tried before they are used, groups joined, a router asked for; neighbours find each other",
      linux=False)
def six(s):
    mine = f"eth.src == {WIRE_MAC} && "
    until(lambda: wired(mine + "icmpv6.type == 133 && ipv6.hlim == 255 && ipv6.dst == ff02::2"), "router solicitation")
    peer.router()
    s.must(f"until ip -6 addr show dev eth1 | grep fd00:99: | grep -qv tentative; do sleep 0.1; done; ping6 -c 2 {PEER6}%eth1",
           LONG)
    tried = {row[0].split("::")[0] for row in wired(mine + "icmpv6.type == 135 && ipv6.src == :: && ipv6.hlim == 255",
                                                    "icmpv6.nd.ns.target_address")}
    same({"fe80", "fd00:99"} <= {word[:7].rstrip(":") for word in tried}, True, f"what was tried, {tried},")
    joined = until(lambda: wired(mine + "(icmpv6.type == 131 || icmpv6.type == 143) && ipv6.hlim == 1", "ipv6.opt.router_alert"),
                   "report of a group")
    same(joined[0][0] != "", True, "router alert")
    own = some(wired(mine + "icmpv6.type == 128", "ipv6.src"), "echo request")[0][0]
    group = "ff02::1:ff" + socket.inet_pton(socket.AF_INET6, own).hex()[-6:][:2] + ":" + \
        socket.inet_pton(socket.AF_INET6, own).hex()[-4:]
    mac = b"\x33\x33\xff" + socket.inet_pton(socket.AF_INET6, own)[-3:]
    peer.send(wire.icmp6(135, 0, bytes(4) + socket.inet_pton(socket.AF_INET6, own) + b"\1\1" + wire.PEER_MAC, PEER6, group, mac=mac))
    peer.send(wire.icmp6(128, 0, b"\0\x4d\0\1hello", PEER6, own, hops=64))
    peer.catch_up()
    same(some(wired(mine + "icmpv6.type == 136 && icmpv6.nd.na.flag.s == 1", "icmpv6.nd.na.target_address", "ipv6.hlim",
                    "icmpv6.opt.linkaddr"), "advertisement")[0], (own, "255", WIRE_MAC))
    same(some(wired(mine + "icmpv6.type == 129", "data.data", "ipv6.dst"), "echo")[0], (b"hello".hex(), PEER6))


@test("TCP: what the handshake says, both ways; FIN from either side, RST for what is not there", linux=False)
def handshakes(s):
    fields = ("tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm", "tcp.options.timestamp.tsval")
    full, plain = Connection(7007, 2001), Connection(7007, 2002, b"")
    answers = [wired(f"{stream(own)} && tcp.flags.syn == 1", *fields)[0] for own in (2001, 2002)]
    same([bool(word) for word in answers[0]], [True, True, True, False], f"options {answers[0]}")
    same((answers[0][:2], answers[1]), (("1460", "3"), ("1460", "", "", "")))
    s.run(f"timeout 1 nc {wire.PEER} 3000 </dev/null")
    row = some(wired(f"eth.src == {WIRE_MAC} && tcp.dstport == 3000 && tcp.flags == 2", *fields), "request")[0]
    same((row[0], row[1], bool(row[2])), ("1460", "3", True))
    full.say(wire.FIN | wire.ACK)           # we end it: the guest does the same
    full.sent += 1
    while full.hear(wire.ACK)[1] != full.sent:
        pass
    some(until(lambda: wired(f"{stream(2001)} && tcp.flags.fin == 1"), "FIN"), "FIN")
    full.acknowledge(1)
    plain.reset()
    peer.send(wire.tcp(7999, wire.SYN, 500, source_port=2003))
    peer.send(wire.tcp(7007, wire.ACK, 500, 777, source_port=2004))
    peer.catch_up()
    plain_reset = wired(f"{stream(2003)} && tcp.flags.reset == 1", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags.ack")
    same(plain_reset, [("0", "501", "1")], "answer to a request")
    same(wired(f"{stream(2004)} && tcp.flags.reset == 1", "tcp.seq_raw"), [("777",)], "answer to an acknowledgement")


@test("TCP: what is not acknowledged is sent again, later and later, and by three duplicates at once", linux=False)
def sent_again(_):
    c = Connection(7007, 2011)
    c.say(wire.ACK | wire.PUSH, b"x" * 100)
    c.sent += 100
    first, data = c.hear_data()
    for _ in range(3):
        same(c.hear_data(first), (first, data), "what is sent again")
    times = [float(row[0]) for row in wired(f"{stream(2011)} && tcp.len > 0", "frame.time_epoch")]
    same(len(some(wired(f"{stream(2011)} && tcp.analysis.retransmission"), "retransmission")) >= 3, True, "retransmissions")
    if times[3] - times[2] < 1.5 or times[3] - times[0] < 3:
        raise Failed(f"it is sent again at {[round(t - times[0], 1) for t in times]}")
    c.reset()
    if not any(quickly(2012 + n) for n in range(5)):
        raise Failed("duplicates of an acknowledgement do not make it sent again at once")


def quickly(own):
    """Whether it comes long before its time is over; a busy machine may need that long itself."""
    c = Connection(7007, own)
    c.say(wire.ACK | wire.PUSH, b"y" * 1000)
    c.sent += 1000
    c.hear_all(1000)
    c.acknowledge(1000)
    for _ in range(4):
        c.say(wire.ACK | wire.PUSH, b"z" * 1000)
        c.sent += 1000
    first = c.hear_all(2920)[1]
    for _ in range(3):
        c.say(wire.ACK)
    same(c.hear_data(first)[0], first, "what is sent again")
    c.reset()
    duplicate = wired(f"tcp.srcport == {own} && tcp.analysis.duplicate_ack_num == 3", "frame.time_epoch")
    again = wired(f"{stream(own)} && tcp.seq_raw == {first} && tcp.analysis.retransmission", "frame.time_epoch")
    return bool(duplicate and again) and float(again[0][0]) - float(duplicate[0][0]) < 0.5


@test("TCP: a window of nothing is asked for by probes; a hole is told of by SACK", linux=False)
def windows(_):
    c = Connection(7007, 2021)
    c.say(wire.ACK | wire.PUSH, b"open")
    c.sent += 4
    c.hear_all(4)
    c.acknowledge(4, window=0)
    c.say(wire.ACK | wire.PUSH, b"0123456789", window=0)
    c.sent += 10
    for _ in range(2):
        c.hear_data()
        c.say(wire.ACK, window=0)
    some(wired(f"{stream(2021)} && tcp.analysis.zero_window_probe"), "probe")
    c.say(wire.ACK, window=8192)
    same(c.hear_all(10)[0][-9:], b"123456789")
    c.reset()
    c = Connection(7007, 2022)
    c.say(wire.ACK | wire.PUSH, b"later", at=c.sent + 5)
    peer.catch_up()
    rows = wired(f"{stream(2022)} && tcp.options.sack_le", "tcp.ack_raw", "tcp.options.sack_le", "tcp.options.sack_re")
    c.say(wire.ACK | wire.PUSH, b"first")
    c.sent += 10
    same(c.hear_all(10)[0], b"firstlater")
    c.reset()
    same(len(some(rows, "SACK")), 1)


@test("nothing that the guest sends is malformed, an error to tshark, or has a checksum that is not right", linux=False)
def sound(s):
    peer.catch_up()
    for path, mac in ((USER, USER_MAC), (WIRE, WIRE_MAC)):
        sent = f"eth.src == {mac} && "
        same(capture.packets(path, sent + f"(_ws.malformed || _ws.expert.severity == {capture.ERROR})", "_ws.expert.message"), [])
        bad = " || ".join(f"{p}.checksum.status == 0" for p in ("ip", "tcp", "udp", "icmp", "icmpv6"))
        same(capture.packets(path, sent + f"({bad})"), [], "wrong checksums")
    for protocol in ("ip", "tcp", "udp", "icmp", "icmpv6"):
        some(wired(f"eth.src == {WIRE_MAC} && {protocol}.checksum.status == 1"), f"checksum of {protocol}")


def extra():
    user = ("-netdev", "user,id=user", "-device", f"virtio-net-pci,netdev=user,mac={USER_MAC}")
    return (*user, *peer.options(), *capture.dump("user", USER), *capture.dump("wire", WIRE))


main(f"until ip link show dev eth1; do sleep 0.1; done; ip addr add {wire.NET} dev eth1; "
     f"{PROGRAM} serve 7007 & until netstat -ltn | grep -q :7007; do sleep 0.1; done", extra=extra())
