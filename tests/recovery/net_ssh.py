# SPDX-License-Identifier: MIT
"""A person at a shell by ssh, and downloads, while the network server and the card's driver die: TEST: timeout=1500

Nothing that is typed or printed is lost, comes twice or in another order, and every byte that is fetched is right. With --full
for longer, and at every labelled point instead of some. SEED=N for other moments and points.
"""
import os
import random
import select
import sys
import time

from remote import TIMEOUT, guest, start
from session import Failed, main_alone, same, test
from web import random_file, serve

FULL = "--full" in sys.argv
SEED = int(os.environ.get("SEED", "1"))
SERVICES = ("net", "virtio_net")
DEATHS, POINTS, LINES = (300, None, 100) if FULL else (40, 8, 100)
STEPS = {"net": 60000, "virtio_net": 3000}
PROMPT = "> "


class Typist:
    """An interactive shell at the other end: what has appeared has to be what was to appear, all of it."""

    def __init__(self, port, env):
        self.client = start(port, env, f"PS1='{PROMPT}' exec dash -i", flags=["-tt"])
        self.seen, self.wanted, self.rounds = b"", b"", 0
        self.appears(PROMPT)

    def appears(self, text):
        self.wanted += text.encode()
        output, end = self.client.stdout.fileno(), time.monotonic() + TIMEOUT
        while len(self.seen) < len(self.wanted) and select.select([output], [], [], max(0, end - time.monotonic()))[0]:
            part = os.read(output, 65536)
            if not part:
                break
            self.seen += part
        at = len(self.wanted) - len(text)
        same(self.seen[at:].decode(errors="replace"), text, "what appeared")

    def type(self, line, answer):
        self.client.stdin.write(line + "\n")
        self.client.stdin.flush()
        self.appears(f"{line}\n{answer}{PROMPT}".replace("\n", "\r\n"))

    def ask(self):
        """A line, and an answer of many."""
        self.rounds += 1
        n = self.rounds
        self.type(f"echo $(({n} * {n})); seq {n} {n + LINES}",
                  f"{n * n}\n" + "".join(f"{i}\n" for i in range(n, n + LINES + 1)))

    def leave(self):
        self.client.stdin.write("exit 7\n")
        self.client.stdin.flush()
        self.appears("exit 7\r\n")
        same(self.client.wait(TIMEOUT), 7)


class Downloads:
    """One after the other in the guest, each compared there."""

    def __init__(self, s, directory, size):
        self.s = s
        self.url = f"http://10.0.2.2:{serve(directory)}/whole"
        self.sum = random_file(directory, "whole", size)

    def begin(self):
        self.s.must(f"rm -f /tmp/over /tmp/bad; : >/tmp/good; while [ ! -e /tmp/over ]; do "
                    f"rm -f /tmp/got; wget -O /tmp/got {self.url} 2>/tmp/said; "
                    f"if [ $? = 0 -a \"$(md5sum </tmp/got)\" = '{self.sum}  -' ]; then echo >>/tmp/good; "
                    "else cat /tmp/said >>/tmp/bad; md5sum /tmp/got >>/tmp/bad; fi; done >/dev/null 2>&1 &")

    def look(self):
        same(self.s.run("cat /tmp/bad 2>/dev/null")[1], "", "what went wrong")

    def one_more(self):
        """The one that is under way is done, and one after it."""
        self.s.must("n=$(($(wc -l </tmp/good) + 2)); while [ ! -e /tmp/bad ] && [ $(wc -l </tmp/good) -lt $n ]; do "
                    "sleep 0.05; done", TIMEOUT)
        self.look()

    def end(self):
        self.s.must("touch /tmp/over; wait", TIMEOUT)
        self.look()


def incarnations(s):
    return [int(s.must(f"service status {name}").split("running")[1].split()[0]) for name in SERVICES]


def deaths(rng):
    """Lines for a shell: one after the other, most in the middle of something."""
    for _ in range(DEATHS):
        service = rng.choice(SERVICES)
        way = rng.choice([f"step {service} {rng.randint(1, STEPS[service])}"] * 3 + [f"kill {service}"])
        yield f"echo {way} >/proc/service_control; sleep 0.{rng.randint(1, 4)}"


@test("at random moments", linux=False)
def random_moments(directory):
    rng = random.Random(SEED)
    s, port, env = guest(directory)
    typist, downloads = Typist(port, env), Downloads(s, directory, 2 << 20)
    downloads.begin()
    s.must(f"rm -f /tmp/died; ({'; '.join(deaths(rng))}; touch /tmp/died) >/dev/null 2>&1 &")
    while s.run("[ -e /tmp/died ]")[0]:
        typist.ask()
    downloads.one_more()
    typist.ask()
    downloads.end()
    typist.leave()
    print(f"  {typist.rounds} lines were typed; incarnations {incarnations(s)}", flush=True)
    if min(incarnations(s)) < DEATHS // 8:
        raise Failed("they were hardly killed")
    s.guest.close()


def labelled(s, rng):
    """(service, label), some of them."""
    lines = [line.split(" ", 1) for line in s.must("cat /proc/service_points").splitlines()]
    points = [(name, label) for name, label in lines if name in SERVICES]
    return points if POINTS is None else rng.sample(points, POINTS)


@test("at labelled points", linux=False)
def points(directory):
    rng = random.Random(SEED)
    s, port, env = guest(directory)
    typist, downloads = Typist(port, env), Downloads(s, directory, 256 << 10)
    downloads.begin()
    for service, label in labelled(s, rng):
        s.must(f"echo 'inject {service} segfault {rng.randint(0, 3)} {label}' >/proc/service_control")
        typist.ask()
        downloads.one_more()
    downloads.end()
    typist.leave()
    print(f"  incarnations {incarnations(s)}", flush=True)
    if sum(incarnations(s)) < 4:
        raise Failed("they were hardly killed")
    s.guest.close()


main_alone()
