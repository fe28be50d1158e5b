# SPDX-License-Identifier: MIT
"""TEST: timeout=600

What a service's death leaves behind: nothing. Kernel objects and capabilities are counted before and after.
"""
import leaks
from session import Failed, Session, boot, extra_disk, holds, main_alone, same, test

EFFECTS = "/usr/lib/anole/tests/effects"
WORK = ("mkdir -p /tmp/w && cd /tmp/w && for i in 1 2 3; do echo $i >f$i; cat f$i | grep -q $i || exit 1; ln f$i l$i; mv l$i m$i; "
        "done; ls -l >/dev/null; ps >/dev/null; (flock 9; echo x >&9) 9>f1; echo x >/root/w; sync; rm -r /tmp/w /root/w; ")


REPORTED = "service crash rtc; until ls /var/log/crash | grep -q rtc; do sleep 0.1; done; "


def running(s):
    return [line.split()[0] for line in s.must("service").splitlines()[1:] if " running " in line]


def restarts(s, name):
    rows = [line.split() for line in s.must("service").splitlines()]
    return int(next(row for row in rows if row[0] == name)[rows[0].index("restarts")])


def nothing_left(s, before):
    _, why = leaks.settled(s.guest, before, 15)
    same(why, "", "what was left behind")


def warm(s, names):
    """Some things are made when they are first needed, and then kept."""
    s.must(f"for n in {' '.join(names)}; do service kill $n; done; {REPORTED} {WORK}", 120)
    return leaks.steady(s.guest)


@test("two hundred services are killed while programs work, RS and its standbys among them")
def killed(_):
    s = Session(boot())
    names = running(s)
    before, rounds = warm(s, names), 200 // len(names) + 1
    s.must(f"cd /; (for k in $(seq {rounds}); do for n in {' '.join(names)}; do service kill $n || echo no $n; done; done >/tmp/said 2>&1; "
           f"touch /tmp/over) & while [ ! -e /tmp/over ]; do {WORK} done; wait; [ ! -s /tmp/said ]", 300)
    for name in names:
        if restarts(s, name) < rounds:
            raise Failed(f"{name} was started again {restarts(s, name)} times, not {rounds}")
    nothing_left(s, before)
    s.guest.close()


@test("servers end at random instructions of their handlers")
def ended_anywhere(_):
    s = Session(boot())
    names = ["tmpfs", "tty", "procfs", "rs"]
    before = warm(s, running(s))
    holds("each once$", s.must(f"{EFFECTS} constant 8 4711 {' '.join(names)}", 120).strip())
    nothing_left(s, before)
    s.guest.close()


@test("what is started clean has nothing of the incarnations before in its table, nor has its device")
def clean(directory):
    s = Session(boot(disks=[extra_disk(directory, "disk", "16M")]))
    use = "dd if=/dev/vdb of=/dev/null bs=64k count=4 2>/dev/null"
    before = {}
    for number in (1, 2):
        s.must(f"{use}; {REPORTED} {use}")
        # The first time makes what is then kept; a crash after ten seconds is the first of a new series.
        before = leaks.steady(s.guest)
        s.must(f"until [ $(dmesg | grep -c 'virtio_blk1: started clean') = {number} ]; do service crash virtio_blk1; done; {use}; "
               "sleep 11", 90)
    nothing_left(s, before)
    s.guest.close()


main_alone()
