# SPDX-License-Identifier: MIT
"""TEST: slow timeout=1500

The network server dies at random instructions, and at its labelled points, under a transfer both ways, with a
connection that waits and one that listens: nothing is lost."""
import os
import random
import socket

from guest import free_port, network
from session import Failed, Session, boot, main_alone, same, test
from web import random_file, serve

SEED = int(os.environ.get("SEED", "1"))


def die_at_random(rng):
    """A line for a shell: many deaths, one every while, most in the middle of something."""
    ends = []
    for _ in range(40):
        way = rng.choice([f"step net {rng.randint(1, 60000)}"] * 3 + ["kill net", "kill virtio_net"])
        ends.append(f"echo {way} >/proc/service_control; sleep 0.{rng.randint(1, 4)}")
    return "; ".join(ends)


def labelled(s):
    """The points of the server's own code, and of the library's."""
    lines = [line.split(" ", 1) for line in s.must("cat /proc/service_points").splitlines()]
    return [label for name, label in lines if name == "net"]


def long_connection(s, port):
    """An echo in the guest that the host is connected to."""
    s.must("rm -f /tmp/there; mkfifo /tmp/there; (nc -l -p 5000 </tmp/there | cat >/tmp/there) & "
           "until netstat -ltn | grep -q :5000; do sleep 0.1; done")
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def echo(peer, text):
    peer.sendall(text)
    got = b""
    while len(got) < len(text):
        part = peer.recv(len(text) - len(got))
        if not part:
            break
        got += part
    same(got, text)


def incarnation(s):
    return int(s.must("service status net").split("running")[1].split()[0])


@test("it dies at random instructions while the loopback and the host send")
def random_moments(directory):
    rng = random.Random(SEED)
    whole = random_file(directory, "whole", 4 << 20)
    web, port = serve(directory), free_port()
    s = Session(boot(extra=network((port, 5000))))
    s.must("until ip route | grep -q default; do sleep 0.1; done")
    s.must(f"wget -q -O /tmp/whole http://10.0.2.2:{web}/whole; nc -l -p 6000 </tmp/whole >/dev/null & "
           "until netstat -ltn | grep -q :6000; do sleep 0.1; done")
    peer = long_connection(s, port)
    echo(peer, b"before")
    s.must(f"({die_at_random(rng)}; touch /tmp/survived) >/dev/null 2>&1 &")
    for n in range(3):
        same(s.must(f"wget -q -O - http://10.0.2.2:{web}/whole | md5sum", 240), f"{whole}  -\n")
        s.must("nc -l -p 7000 </tmp/whole & until netstat -ltn | grep -q :7000; do sleep 0.1; done")
        same(s.must("nc 127.0.0.1 7000 </dev/null | md5sum", 240), f"{whole}  -\n")
        echo(peer, b"meanwhile %d" % n)
    s.must("until [ -e /tmp/survived ]; do sleep 0.2; done", 120)
    same(s.must("nc 127.0.0.1 6000 </dev/null | md5sum", 240), f"{whole}  -\n")
    echo(peer, b"after" * 1000)
    if incarnation(s) < 5:
        raise Failed("it was hardly killed")
    s.guest.close()


@test("it dies at each of its labelled points")
def points(directory):
    whole = random_file(directory, "whole", 1 << 20)
    web, port = serve(directory), free_port()
    s = Session(boot(extra=network((port, 5000))))
    s.must("until ip route | grep -q default; do sleep 0.1; done")
    peer = long_connection(s, port)
    for label in labelled(s):
        s.must(f"echo 'inject net segfault 3 {label}' >/proc/service_control")
        same(s.must(f"wget -q -O - http://10.0.2.2:{web}/whole | md5sum", 240), f"{whole}  -\n")
        echo(peer, label.encode())
    s.guest.close()


main_alone()
