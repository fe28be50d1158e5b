# SPDX-License-Identifier: MIT
"""Many connections at once, and many one after the other: TEST: timeout=1500

All of them work, others go on, and nothing is left of them. With --full a thousand at once, and twenty thousand in a row.
"""
import os
import re
import resource
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import leaks  # noqa: E402
from guest import free_port, network  # noqa: E402
from session import Failed, Session, boot, counts_before, main_alone, same, test  # noqa: E402

FULL = "--full" in sys.argv
CROWD, CHURN = (1000, 10000) if FULL else (150, 400)
PROGRAM = "/usr/lib/anole/tests/crowd"
GROWTH_KIB = 256            # of what net keeps, between one churn and the next


def guest(*forwards):
    """QEMU has a descriptor for each connection that it forwards."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    s = Session(boot(extra=network(*forwards)))
    s.must("until ip route | grep -q default; do sleep 0.1; done")
    return s


def serve(s, port):
    s.must(f"{PROGRAM} serve {port} >/dev/null 2>&1 & until netstat -ltn | grep -q :{port}; do sleep 0.1; done")


def memory(s):
    return int(re.search(r"^net .* (\d+)K", s.must("service"), re.M).group(1))


def nothing_left(s, before):
    s.must("killall crowd; until ! netstat -tn | grep -q 'ESTABLISHED\\|CLOSE_WAIT'; do sleep 0.2; done", 120)
    same(leaks.settled(s.guest, before)[1], "", "what has leaked")
    same(s.must("service status net | grep -c 'running  *1 '"), "1\n", "incarnation")


@test(f"{CROWD} connections at once inside, and half as many from outside", linux=False)
def at_once(_):
    port = free_port()
    s = guest((port, 6000))
    before = counts_before(s)
    serve(s, 6000)
    s.must(f"({PROGRAM} hold 127.0.0.1 6000 {CROWD} >/tmp/held 2>&1; echo status $? >>/tmp/held) &")
    peers = [socket.create_connection(("127.0.0.1", port), timeout=300) for _ in range(CROWD // 2)]
    for n, peer in enumerate(peers):
        peer.sendall(b"peer %d" % n)
    for n, peer in enumerate(peers):
        same(peer.recv(100), b"peer %d" % n)
    same(s.must("until grep -q status /tmp/held; do sleep 0.5; done; cat /tmp/held", 600),
         f"connected\nheld {CROWD}\nstatus 0\n")
    print(f"  net has {memory(s)} KiB", flush=True)
    for peer in peers:
        peer.close()
    nothing_left(s, before)
    s.guest.close()


@test(f"{CHURN} connections one after the other, twice, ended in all ways; no more memory the second time", linux=False)
def churn(_):
    s = guest()
    before = counts_before(s)
    serve(s, 6000)
    used = []
    for _ in range(2):
        s.must(f"{PROGRAM} churn 127.0.0.1 6000 {CHURN}", 1200)
        used.append(memory(s))
    print(f"  net has {used[0]}, then {used[1]} KiB", flush=True)
    if FULL and used[1] > used[0] + GROWTH_KIB:
        raise Failed(f"{used} KiB")
    nothing_left(s, before)
    s.guest.close()


@test("a listener that is closed with all its connections unaccepted, and an address that goes with all of its", linux=False)
def dropped(_):
    s = guest()
    before = counts_before(s)
    s.must(f"{PROGRAM} idle 6000 >/dev/null & until netstat -ltn | grep -q :6000; do sleep 0.1; done")
    status, output = s.run(f"{PROGRAM} fill 127.0.0.1 6000 200; killall crowd; sleep 0.5", 120)
    same((status, output), (0, "filled 200\n"))
    serve(s, 6001)
    address = "10.0.2.15"
    s.must(f"{PROGRAM} fill {address} 6001 100 >/tmp/filled & until [ -s /tmp/filled ]; do sleep 0.2; done; "
           "ip addr add 10.0.2.16/24 dev eth0; wait", 120)
    nothing_left(s, before)
    s.guest.close()


main_alone()
