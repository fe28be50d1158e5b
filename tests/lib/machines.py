# SPDX-License-Identifier: MIT
"""What the tests of tests/machines share."""
import os

import guest
from guest import Guest, GuestError
from programs import RESULT


def describe(options, log=False):
    """What the machine is called in a test's name; with log, where its console is kept."""
    firmware = "uefi" if options["uefi"] else "bios"
    name = f"{options['machine']} {firmware} smp{options['smp']} {options['cpu']} {options['mem']}M"
    if not log:
        return name
    os.makedirs(os.path.join(guest.BUILD, "log"), exist_ok=True)
    return os.path.join(guest.BUILD, "log", "machine-" + name.replace(" ", "-"))


def stress(seconds):
    """Everything at once on two and on four processors; whether it failed."""
    failed = False
    for smp in (2, 4):
        log = os.path.join(guest.BUILD, "log", f"stress-smp{smp}")
        os.makedirs(os.path.dirname(log), exist_ok=True)
        try:
            with Guest(timeout=120, smp=smp, log=log) as machine:
                status, output = machine.run(f"cd /tmp && /usr/lib/anole/tests/stress {seconds}", seconds + 150)
            bad = [f"{test}: {why}" for verdict, test, why in RESULT.findall(output) if verdict != "ok"]
            if status and not bad:
                bad = [f"status {status}"]
        except GuestError as error:
            bad, output = [str(error).split("\n", 1)[0]], str(error)
        failed |= bool(bad)
        print(f"not ok smp{smp}: {'; '.join(bad)}\n{output}" if bad else f"ok smp{smp}", flush=True)
    return failed
