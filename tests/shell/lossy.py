# SPDX-License-Identifier: MIT
"""A network that is not to be relied upon: drivers/net/lossy below the network server."""
import hashlib
import os
import socket
import threading

import accidents
from guest import free_port, network
from session import Failed, Session, boot, holds, main_alone, same, test
from web import random_file, serve


def guest(*forwards):
    s = Session(boot(extra=network(*forwards)))
    s.must("until ip route | grep -q default; do sleep 0.1; done")
    return s


def fetched(s, port, whole):
    same(s.must(f"wget -q -O - http://10.0.2.2:{port}/whole | md5sum", 300), f"{whole}  -\n")


def listen(s, command, port=5000):
    s.must(f"({command}) & until netstat -ltn | grep -q :{port}; do sleep 0.1; done")


def send(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=300) as peer:
        peer.sendall(data)


def struck(counts, *accidents):
    for accident in accidents:
        if not counts[accident]:
            raise Failed(f"no packet was {accident}: {counts}")


@test("without rules it is a card like others, also when it dies; open connections stay", linux=False)
def sound(directory):
    whole, forward = random_file(directory, "whole", 1 << 20), free_port()
    port, s = serve(directory), guest((forward, 5000))
    listen(s, "nc -l -p 5000 >/tmp/heard")
    with socket.create_connection(("127.0.0.1", forward), timeout=60) as peer:
        peer.sendall(b"before\n")
        s.must("until grep -q before /tmp/heard; do sleep 0.1; done")
        accidents.start(s)
        fetched(s, port, whole)
        s.must("service kill lossy; service kill virtio_net; service kill net")
        fetched(s, port, whole)
        peer.sendall(b"after\n")
        s.must("until grep -q after /tmp/heard; do sleep 0.1; done")
    same(s.must("wait; cat /tmp/heard"), "before\nafter\n")
    holds("eth0: <NO-CARRIER,", s.must("ip link"))
    s.guest.close()


@test("a schedule that is none is refused; only root reads and writes it", linux=False)
def refused(_):
    s = guest()
    accidents.start(s, "any drop 1000000", "send explode 3", "drop", seed=9)
    same([accidents.counts(s)[name] for name in ("seed", "rules")], [9, 1])
    holds("Invalid argument", s.run("echo nonsense >/dev/lossy")[1])
    same(accidents.counts(s)["seed"], 9, "seed")
    holds("denied", s.run("su user -c 'cat /dev/lossy'")[1])
    s.guest.close()


@test("packets are dropped, duplicated, late and in the wrong order; what arrives is right both ways", linux=False)
def transfers(directory):
    whole, forward = random_file(directory, "whole", 1 << 20), free_port()
    port, s = serve(directory), guest((forward, 5000))
    accidents.start(s, "any drop 300", "any duplicate 40", "any reorder 60", "any delay 40 0 0 20")
    fetched(s, port, whole)
    data = os.urandom(1 << 20)
    listen(s, "nc -l -p 5000 | md5sum >/tmp/sum")
    sender = threading.Thread(target=send, args=(forward, data), daemon=True)
    sender.start()
    s.must("until [ -s /tmp/sum ]; do sleep 0.1; done", 300)
    same(s.must("cat /tmp/sum"), hashlib.md5(data).hexdigest() + "  -\n")
    listen(s, f"wget -q -O /tmp/whole http://10.0.2.2:{port}/whole; nc -l -p 5000 </tmp/whole")
    with socket.create_connection(("127.0.0.1", forward), timeout=300) as peer:
        got = b"".join(iter(lambda: peer.recv(65536), b""))
    same(hashlib.md5(got).hexdigest(), whole)
    struck(accidents.counts(s), "dropped", "duplicated", "reordered", "delayed")
    s.guest.close()


@test("datagrams: every third is lost, and the resolver and ping get through", linux=False)
def datagrams(_):
    s = guest()
    accidents.start(s, "send drop 3")
    holds(r"(?!20)\d+ packets received", s.run("ping -c 20 -i 0.1 10.0.2.2", 60)[1])
    struck(accidents.counts(s), "dropped")
    accidents.schedule(s, "receive duplicate 1")
    holds("duplicates", s.must("ping -c 3 10.0.2.2"))
    s.guest.close()


main_alone()
