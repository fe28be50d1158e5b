# SPDX-License-Identifier: MIT
"""One run of the fuzzer (tests/fuzz/guest) in a guest, and what has to be as it was before.

The fuzzer itself checks that a shell of root's answers and that no right is gained. Here: no panic, no service
restarted, nothing of root's changed, memory and the kernel's objects given back, the terminal answers, the disk is clean.
"""
import re
import time

import leaks
from session import Failed, Session, boot, copy_of_disk, counts_before, fsck, holds, same

# The guest counts instructions, 8 ns each: as much work on every machine, and the load of the host is nobody's delay. An
# idle guest waits as long as the host does (no sleep=off, with which its clock leaps to the next timer while a disk is
# still at work, and drivers take that for a device that does not answer).
CLOCK = ("-icount", "shift=3")
PROGRAM = "/usr/lib/anole/tests/fuzz"
SERVICES = "service | awk 'NR > 1 { print $1, $3 }'"
# Type, mode, owner and, of files, contents; /dev/console belongs to who is logged in.
OURS = r"""
cd /; find bin sbin boot etc lib root usr/bin usr/sbin dev ! -name fuzz.secret | sort | while read f; do
	echo $f $(stat -c '%f %u %g' $f 2>/dev/null)
done
find bin sbin boot etc lib root usr/bin usr/sbin -type f ! -name fuzz.secret ! -name .ash_history | xargs md5sum | sort
"""
CLEAN = "find / -xdev -user user -exec rm -rf {} + 2>/dev/null; find /tmp /dev/shm -user user -exec rm -rf {} +; rm -rf /tmp/fuzz /home/fuzz"
TERMINAL_SECONDS = 10       # of the host, which may be busy: the fuzzer measures by the guest's own clock
LEAK_KIB = 8192


def memory_used(session):
    """KiB that are neither free nor cache."""
    text = session.must("cat /proc/meminfo")
    size = {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}
    return size["MemTotal"] - size["MemFree"] - size.get("Cached", 0) - size.get("Buffers", 0)


def by_service(session):
    """KiB of each service."""
    text = session.must("for f in /proc/3276[89]/status /proc/327[789]?/status /proc/328??/status; do "
                        "awk '/^Name/ { n = $2 } /^VmRSS/ { print n, $2 }' $f 2>/dev/null; done; true")
    return {name: int(kib) for name, kib in re.findall(r"^(\S+) (\d+)$", text, re.M)}


def state(session):
    return session.must(SERVICES), session.must(OURS, 300)


def difference(before, after):
    old, new = set(before.splitlines()), set(after.splitlines())
    return "; ".join([f"-{line}" for line in sorted(old - new)] + [f"+{line}" for line in sorted(new - old)])[:1000]


def run(session, arguments, seconds):
    """In the background, while somebody types; its report."""
    session.line(f"{PROGRAM} --seconds {seconds} {arguments} >/tmp/fuzz.out 2>&1; echo status $? >>/tmp/fuzz.out) &"
                 .replace(PROGRAM, "(" + PROGRAM, 1))
    worst, end = 0.0, time.monotonic() + 60 + 30 * seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        session.line("echo $((6 * 7))", 60)
        worst = max(worst, time.monotonic() - begin)
        if "status" in session.line("tail -n 1 /tmp/fuzz.out", 60):
            break
        time.sleep(0.5)
    report = session.must("cat /tmp/fuzz.out", 60)
    print(f"# {arguments}: the terminal took {worst:.2f} s at worst")
    print("".join(line + "\n" for line in report.splitlines() if line.startswith("# ")), end="", flush=True)
    if worst > TERMINAL_SECONDS:
        raise Failed(f"the terminal took {worst:.1f} s to answer")
    return report


def campaign(directory, runs, seconds, **options):
    """Runs with each of the arguments, in one guest of its own."""
    disk = copy_of_disk(directory)
    with boot(disk, snapshot=False, log=options.pop("log", None), **options) as machine:
        session = Session(machine)
        services, ours = state(session)
        run(session, runs[0], 2)         # what is allocated once and kept
        session.must(CLEAN, 120)
        objects = counts_before(session)
        used, services_used = memory_used(session), by_service(session)
        for arguments in runs:
            holds(r"^status 0$", run(session, arguments, seconds))
            session.must(CLEAN, 120)
            now = state(session)
            if now[0] != services:
                print(session.must("dmesg | tail -n 30"), flush=True)
            same(difference(services, now[0]), "", f"services after {arguments}")
            same(difference(ours, now[1]), "", f"root's files after {arguments}")
        grown = memory_used(session) - used
        print(f"# {grown} KiB more in use than before", flush=True)
        if grown > LEAK_KIB:
            now = by_service(session)
            where = {name: now[name] - services_used.get(name, 0) for name in now}
            raise Failed(f"{grown} KiB are missing: " + ", ".join(f"{name} {kib:+}" for name, kib in where.items() if kib))
        same(leaks.settled(session.guest, objects)[1], "", "what has leaked")
        same(session.must("dmesg | grep -i panic || true"), "", "the log")
        machine.poweroff()
    fsck(disk)
