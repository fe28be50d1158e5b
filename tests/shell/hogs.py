# SPDX-License-Identifier: MIT
# TEST: timeout=600
"""What an ordinary user takes too much of hurts that user: root's shell goes on, and kill -9 ends it."""
import re
import time

from session import Failed, holds, main, same, test

# Seconds are the guest's, which counts instructions: the same on every machine.
CLOCK = ("-icount", "shift=3")      # 8 ns each
QUICK = 1.0                         # the requirement; alone it takes some hundredths
GONE = 30.0                         # until all that has been killed has been waited for
AS_USER = "su -s /bin/sh user -c "


def hog(s, script):
    s.must("cat >/tmp/hog.sh <<'END'\n" + script + "\nEND")
    s.must(f"(cd /; exec {AS_USER}'ulimit -c 0; . /tmp/hog.sh') </dev/null >/dev/null 2>&1 &")


def free_kib(s):
    return int(re.search(r"^MemFree: +(\d+)", s.must("cat /proc/meminfo"), re.M).group(1))


def processes(s):
    return int(s.must("set -- /proc/[0-9]*; echo $#", 120))


def goes_on(s):
    """At the prompt, as a person would: each answer in time, for some seconds."""
    worst = 0.0
    for i in range(8):
        text = s.must("read from rest </proc/uptime; "
                      f"echo $(ls /etc/passwd) $(({i} + 1)) | cat; read to rest </proc/uptime; echo $from $to", 120)
        answer, times = text.splitlines()
        same(answer, f"/etc/passwd {i + 1}")
        took = float(times.split()[1]) - float(times.split()[0])
        worst = max(worst, took)
        if took > QUICK:
            raise Failed(f"root's shell took {took:.2f} s")
        time.sleep(0.2)
    print(f"# root's shell took {worst:.2f} s at worst", flush=True)
    holds("^user ", s.must("ps -o user,comm", 120))


def end_all(s):
    took = s.kill_all_of("user")
    same(s.must("ps -o user,pid,stat,time,comm | grep ^user || true", 120), "")
    print(f"# all were gone after {took:.2f} s", flush=True)
    if took > GONE:
        raise Failed(f"its processes were gone only after {took:.1f} s")


def beside(s, script):
    before = processes(s), free_kib(s)
    hog(s, script)
    time.sleep(1)
    goes_on(s)
    end_all(s)
    s.must("rm -rf /tmp/hogged; wait", 120)
    for _ in range(50):
        after = processes(s), free_kib(s)
        if after[0] <= before[0] and after[1] + 12288 >= before[1]:
            return
        time.sleep(0.1)
    raise Failed(f"processes and KiB free: {before} before, {after} after")


@test("a fork bomb")
def forks(s):
    beside(s, "trap 'exec sh /tmp/hog.sh' EXIT\nwhile :; do sh /tmp/hog.sh & done")


@test("busy loops")
def loops(s):
    beside(s, "for i in 1 2 3 4 5 6 7 8 9 10; do while :; do :; done & done; wait")


@test("all memory, again and again")
def memory(s):
    beside(s, "while :; do for i in 1 2 3; do dd if=/dev/zero of=/dev/null bs=300M & done; wait; done")


@test("reads of more than there is room for, at once")
def reads(s):
    """A page that a server finds absent is as one that the program touches: somebody is killed, and the others go on."""
    hog(s, "for i in 1 2 3 4; do (dd if=/dev/zero of=/dev/null bs=200M count=1; echo $? >/tmp/read.$i) & done; wait")
    for _ in range(300):
        ends = s.must("cat /tmp/read.* 2>/dev/null || true", 120).split()
        if len(ends) == 4:
            break
        time.sleep(0.2)
    if sorted(set(ends)) != ["0", "137"] or len(ends) != 4:
        raise Failed(f"they ended with {ends}")
    s.must("rm /tmp/read.*")


@test("all of /tmp")
def files(s):
    beside(s, "mkdir /tmp/hogged; while :; do dd if=/dev/zero of=/tmp/hogged/$RANDOM bs=1M count=1000; done")


@test("programs without end")
def programs(s):
    beside(s, "for i in 1 2 3 4 5; do while :; do ls -R /etc | cat; done & done; wait")


@test("all at once")
def everything(s):
    beside(s, "mkdir /tmp/hogged\n"
              "while :; do ls -R / | cat; done &\nwhile :; do :; done &\n"
              "while :; do dd if=/dev/zero of=/dev/null bs=300M; done &\n"
              "while :; do dd if=/dev/zero of=/tmp/hogged/$RANDOM bs=1M count=1000; done &\n"
              "trap 'exec sh /tmp/hog.sh' EXIT\nwhile :; do sh /tmp/hog.sh & done")


main(extra=CLOCK)
