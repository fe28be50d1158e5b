# SPDX-License-Identifier: MIT
"""A user can do nothing to a service: not end it, not have it fail, not learn what it was doing, not stand in for it."""
from session import Failed, holds, lacks, main, same, test


def as_user(s, command):
    """What a user's shell says; it must not have been killed for it."""
    return s.must(f"su user -c 'cd /; {command}' 2>&1; true")


def restarts(s):
    """name -> how often each has been started."""
    rows = [line.split() for line in s.must("service").splitlines()]
    at = rows[0].index("restarts")
    return {row[0]: (row[1], row[at]) for row in rows[1:]}


@test("no command of service is a user's")
def commands(s):
    before = restarts(s)
    for command in ("kill pm", "restart vfs", "stop tty", "start rtc", "crash pipe", "inject vfs segfault", "step pm 10",
                    "dump", "panic"):
        holds("/proc/service_control: Permission denied", as_user(s, f"service {command}"))
    same(restarts(s), before)


@test("the files behind it are root's, whatever their names")
def files(s):
    for file in ("service_control", "service_points", "crashes", "trace"):
        holds("Permission denied", as_user(s, f"cat /proc/{file}"))
        holds("Permission denied", as_user(s, f"echo kill vfs >/proc/{file}"))
    holds("not permitted|denied|Read-only", as_user(s, "chmod 666 /proc/service_control"))
    holds("denied", as_user(s, "ls /var/log/crash"))
    holds("--w-------|-rw-------", s.must("ls -l /proc/service_control"))


@test("signals do not reach services, not even root's")
def signals(s):
    before = restarts(s)
    pids = s.must("ps | awk '$NF ~ /^\\[/ {print $1}'").split()
    if len(pids) < 10:
        raise Failed(f"ps shows {len(pids)} services")
    for signal in ("KILL", "SEGV", "STOP"):
        for who in (as_user, lambda s, command: s.must(command + " 2>&1; true")):
            output = who(s, f"kill -{signal} {' '.join(pids)}")
            same(output.count("not permitted"), len(pids), f"refusals of SIG{signal}")
    same(restarts(s), before)
    same(as_user(s, "kill -9 -1; echo done").count("restarted"), 0)
    same(restarts(s), before)


@test("a service's memory and descriptors are nobody's to look at")
def inside(s):
    pid = s.must("ps | awk '$NF == \"[pm]\" {print $1}'").strip()
    for who in (as_user, lambda s, command: s.must(command + " 2>&1; true")):
        lacks(r"^[0-9a-f]+-[0-9a-f]+ ", who(s, f"cat /proc/{pid}/mem /proc/{pid}/maps"))
        lacks(r"->", who(s, f"ls -l /proc/{pid}/fd"))


main()
