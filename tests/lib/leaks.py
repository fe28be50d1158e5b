# SPDX-License-Identifier: MIT
"""Whether what was there before a test is all that is there after it: the counts of /proc/objects.

Kernel objects and capabilities are compared exactly. Call objects are not, nor the quotas of users: services keep
those that they have needed for the next time, as they do with memory. A watch that a poll has left behind, dead, may
stay with the description until that is polled again.
"""
import re
import time

LINE = re.compile(r"^(.{16})(\d+)$", re.M)
OBJECTS = ("spaces", "tables", "threads", "endpoints", "badges", "notifications", "watches", "memory objects",
           "interrupts", "ports")
COMMAND = "cd / && rm -rf /tmp/* && sync && echo 3 >/proc/sys/vm/drop_caches && cat /proc/objects"


def counts(guest):
    """With files of tests, clean caches and names gone; {} if the guest does not tell."""
    status, output = guest.run(COMMAND, 60)
    found = {name.strip(): int(value) for name, value in LINE.findall(output)}
    if status or not found:
        return {}
    kept = {name: found[name] for name in OBJECTS}
    kept["watches"] -= found["dead watches"]
    kept["other capabilities"] = found["capabilities"] - sum(found[name] for name in ("calls", "quotas", "dead watches"))
    return kept


def steady(guest, patience=10):
    """The counts once they are the same twice in a row: what the boot has begun may end only after the prompt is there, later
    on a large machine."""
    deadline = time.monotonic() + patience
    found = counts(guest)
    while time.monotonic() < deadline:
        time.sleep(0.3)
        last, found = found, counts(guest)
        if found == last:
            break
    return found


def beginning(guest):
    """The counts before tests. The shell keeps the notification that its first poll() makes; it polls when a key's bytes come
    apart."""
    guest.run("true", 60)
    guest.sendline("read -t 1 x </dev/null")
    guest.wait_for_prompt(60)
    return steady(guest)


def leaked(before, after):
    """In words, '' if nothing has."""
    return ", ".join(f"{after[name] - before[name]:+} {name}" for name in before if after[name] != before[name])


def settled(guest, before, patience=5):
    """The counts after a test, once what ends by itself has ended, and what has leaked."""
    deadline = time.monotonic() + patience
    while True:
        after = counts(guest)
        why = leaked(before, after) if before and after else ""
        if not why or time.monotonic() > deadline:
            return after, why
        time.sleep(0.2)


def verdict(guest, before):
    """The counts, and a test's result."""
    after, why = settled(guest, before)
    return after, f"not ok nothing has leaked: {why}" if why else "ok nothing has leaked"
