# SPDX-License-Identifier: MIT
"""The card's driver is stopped and started, and dies so often that it is started without what it had preserved.

TEST: timeout=600

Open connections, who listens and downloads go on, also where the driver lossy stands between."""
import socket

import accidents
from guest import free_port, network
from session import Session, boot, holds, main_alone, same, test
from web import random_file, serve

SIZE = 8 << 20
CLEAN = 6       # deaths in succession: docs/manifest.md
# How often it is passed before, and which. The answers are those to the watch and to attaching.
POINTS = ["0 call: before its answer is looked at", "1 call: before its answer is looked at", "0 call: its answer was looked at",
          "1 call: its answer was looked at", "0 call: before it is sent", "1 call: before it is sent"]
PROGRAM = "/usr/lib/anole/tests/crowd"


class Traffic:
    """A guest that serves echoes, a connection to it that is open all the while, and a file to fetch."""

    def __init__(self, directory):
        self.whole, self.web, self.port = random_file(directory, "whole", SIZE), serve(directory), free_port()
        self.s = Session(boot(extra=network((self.port, 6000))))
        self.s.must("until ip route | grep -q default; do sleep 0.1; done")
        self.s.must(f"{PROGRAM} serve 6000 & until netstat -ltn | grep -q :6000; do sleep 0.1; done")
        self.peer, self.rounds = self.connect(), 0

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=120)

    def echo(self, peer):
        self.rounds += 1
        text = b"round %d " % self.rounds * 100
        peer.sendall(text)
        got = b""
        while len(got) < len(text):
            got += peer.recv(len(text)) or b"the end" * len(text)
        same(got, text)

    def during(self, *commands):
        """A download begins, the commands run, and everything goes on."""
        self.s.must(f"rm -f /tmp/sum; (wget -q -O - http://10.0.2.2:{self.web}/whole | md5sum >/tmp/sum) & "
                    "until netstat -tn | grep -q 10.0.2.2; do :; done")
        for command in commands:
            self.s.must(command)
        self.echo(self.peer)
        with self.connect() as other:
            self.echo(other)
        self.s.must("while pidof wget >/dev/null; do sleep 0.1; done; until [ -s /tmp/sum ]; do sleep 0.1; done", 240)
        same(self.s.must("cat /tmp/sum"), f"{self.whole}  -\n")

    def stopped(self, service):
        self.during(f"service stop {service}", "sleep 1.5", f"service start {service}")

    def started_clean(self, service):
        crash = f"until service crash {service} 2>/dev/null; do sleep 0.05; done; "
        self.during(crash * CLEAN + f"until service status {service} | grep -q 'running  *1 '; do sleep 0.1; done")
        holds(f"{service}: started clean", self.s.must("dmesg"))


@test("it is stopped and started", linux=False)
def stopped(directory):
    traffic = Traffic(directory)
    traffic.stopped("virtio_net")
    traffic.stopped("virtio_net")
    traffic.s.guest.close()


@test("it is started clean, stopped and started, and the server dies", linux=False)
def clean(directory):
    traffic = Traffic(directory)
    traffic.started_clean("virtio_net")
    traffic.stopped("virtio_net")
    traffic.during("service kill net; service kill virtio_net; service kill net")
    same(traffic.s.must("ip link | grep -c 'eth0: <.*LOWER_UP'"), "1\n")
    traffic.s.guest.close()


@test("the server dies at labelled points while it attaches again", linux=False)
def attaching(directory):
    traffic = Traffic(directory)
    for count, point in enumerate(POINTS, 1):
        traffic.s.must(f"service kill virtio_net; echo 'inject net segfault {point}' >/proc/service_control")
        traffic.started_clean("virtio_net")
        holds(rf"^net +running +{count + 1} ", traffic.s.must("service"))
    traffic.s.guest.close()


@test("below lossy, and lossy itself", linux=False)
def stacked(directory):
    traffic = Traffic(directory)
    accidents.start(traffic.s)
    for service in ("virtio_net", "lossy"):
        traffic.stopped(service)
        traffic.started_clean(service)
        traffic.stopped(service)
    traffic.during("service kill net; service kill virtio_net; service kill lossy; service kill net")
    holds("eth0: <NO-CARRIER,", traffic.s.must("ip link"))
    traffic.s.guest.close()


main_alone()
