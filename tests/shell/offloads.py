# SPDX-License-Identifier: MIT
"""What a card's device does for the guest: checksums, and packets larger than the wire's, in all combinations that matter.

Only a tap of the build machine's offers that; where there can be none the tests say so and are left out.
"""
import contextlib
import os
import socket

import taps
from duplex import transfer
from guest import network
from session import Session, boot, main_alone, same, test

SIZE = 4 << 20
NO_TAP = taps.enter()


@contextlib.contextmanager
def guest(*features):
    """The tap is one guest's at a time."""
    with boot(extra=taps.card(*features)) as machine:
        s = Session(machine)
        set_up(s)
        yield s


def set_up(s):
    s.must(f"until ip link show dev eth0; do sleep 0.1; done; ip addr add {taps.NET} dev eth0; "
           f"ip addr add {taps.GUEST6}/64 dev eth0; "
           f"until ping -c 1 -W 1 {taps.HOST}; do :; done; until ping6 -c 1 -W 1 {taps.HOST6}; do :; done")
    return s


def agreed(s):
    found = [line for line in s.must("dmesg").splitlines() if "offloads:" in line]
    return found[-1].split("offloads:")[1].split() if found else []


def datagrams(s):
    """UDP of one packet and of fragments, there and back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(60)
        peer.bind((taps.HOST, 0))
        s.must("(udpsvd 0.0.0.0 7778 cat & echo $! >/tmp/pid); until netstat -lun | grep -q :7778; do sleep 0.1; done")
        for size in (1, 100, 1000):
            data = os.urandom(size)
            peer.sendto(data, (taps.GUEST, 7778))
            same(peer.recv(65536), data)
        s.must("kill $(cat /tmp/pid)")
    s.must(f"ping -c 1 -s 5000 {taps.HOST}")


def all_ways(s):
    for address in (taps.HOST, taps.HOST6):
        transfer(s, address, SIZE)
    datagrams(s)


def tap_test(name):
    def register(function):
        if NO_TAP:
            test(f"{name} (skipped, there is no tap: {NO_TAP})", linux=False)(lambda directory: None)
        else:
            test(name, linux=False)(function)
        return function
    return register


@tap_test("with all offloads: data is right both ways, IPv4 and IPv6; and when driver and server die")
def everything(_):
    with guest() as s:
        same(agreed(s), ["send-checksum", "receive-large"])
        all_ways(s)
        s.must("for i in 1 2 3 4 5 6; do sleep 0.2; service kill virtio_net; sleep 0.1; service kill net; done >/dev/null 2>&1 &")
        for _ in range(3):
            transfer(s, taps.HOST, SIZE)
        s.must("wait")
        same(agreed(s), ["send-checksum", "receive-large"])


@tap_test("with some of them, and with none")
def some_of_them(_):
    for features, wanted in ((("csum=off",), ["receive-large"]), (("guest_csum=off",), ["send-checksum"]),
                             (("mrg_rxbuf=off",), ["send-checksum"]), (("guest_tso4=off", "guest_tso6=off"),
                                                                       ["send-checksum", "receive-large"])):
        with guest(*features) as s:
            same(agreed(s), wanted, f"{features}")
            transfer(s, taps.HOST, SIZE)


@tap_test("who reads packets as they are gets whole checksums; and so does a driver on top, which is given whole packets")
def readers(_):
    with guest() as s:
        s.must("(timeout 600 arping -I eth0 -c 100000 172.30.0.9 >/dev/null & echo $! >/tmp/pid)")
        transfer(s, taps.HOST, SIZE)
        s.must("kill $(cat /tmp/pid)")
        s.must("service start lossy; until ip addr show dev eth1 2>/dev/null | grep -q inet6; do sleep 0.1; done")
        s.must(f"ip addr del {taps.NET} dev eth0; ip addr add {taps.NET} dev eth1; until ping -c 1 -W 1 {taps.HOST}; do :; done")
        same(agreed(s), [])
        transfer(s, taps.HOST, SIZE)


@test("QEMU's user network has none to offer, and nothing is agreed on", linux=False)
def none(_):
    s = Session(boot(extra=network()))
    s.must("until ip route | grep -q default; do sleep 0.1; done; ping -c 1 10.0.2.2")
    same(agreed(s), [])
    s.guest.close()


main_alone()
