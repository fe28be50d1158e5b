#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same image on different machines: each value of each dimension at least once, with a short load.

TEST: timeout=600
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from guest import Guest, GuestError  # noqa: E402
from machines import describe  # noqa: E402
from programs import RESULT  # noqa: E402

BOOTS = [
    dict(machine="pc", smp=1, cpu="qemu64", mem=128, uefi=False),
    dict(machine="q35", smp=4, cpu="max", mem=8192, uefi=False),
    dict(machine="pc", smp=2, cpu="max", mem=128, uefi=True),
    dict(machine="q35", smp=4, cpu="qemu64", mem=512, uefi=True),
    dict(machine="pc", smp=4, cpu="qemu64", mem=8192, uefi=False),
]
PROGRAMS = ["clocks", "fork", "threads"]
SEVERAL = ["processors"]        # on the larger of those with several

# Files on both file systems, pipes, processes at the same time, /proc.
LOAD = """
[ $(grep -c ^processor /proc/cpuinfo) = SMP ] || { echo "processors: $(grep -c ^processor /proc/cpuinfo)"; exit 1; }
kb=$(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)
[ $kb -gt $((MEM * 920)) ] && [ $kb -le $((MEM * 1024)) ] || { echo "memory: $kb kB"; exit 1; }
dd if=/dev/urandom of=/root/data bs=16k count=16 2>/dev/null && sum=$(md5sum </root/data) || exit 1
for i in 1 2 3 4; do
  (cp /root/data /tmp/data.$i && cat /tmp/data.$i | gzip | gunzip | md5sum >/tmp/sum.$i) &
done
wait
for i in 1 2 3 4; do [ "$(cat /tmp/sum.$i)" = "$sum" ] || { echo "wrong sum"; exit 1; }; done
rm /root/data /tmp/data.* /tmp/sum.* && sync
"""


def load(guest, options):
    text = LOAD.replace("SMP", str(options["smp"])).replace("MEM", str(options["mem"]))
    status, output = guest.run(text.strip(), 60)
    if status:
        raise GuestError(f"the load ends with status {status}: {output.strip()[-300:]}")


def programs(guest, options):
    for name in PROGRAMS + (SEVERAL if options["smp"] > 1 and options["cpu"] == "max" else []):
        status, output = guest.run(f"cd /tmp && /usr/lib/anole/tests/{name}", 120)
        bad = [f"{test}: {why}" for verdict, test, why in RESULT.findall(output) if verdict != "ok"]
        if status or bad:
            raise GuestError(f"{name} ends with status {status}: {'; '.join(bad) or output.strip()[-300:]}")


def attempt(options):
    with Guest(timeout=120, log=describe(options, log=True), **options) as guest:
        load(guest, options)
        programs(guest, options)


def main():
    failed = False
    for options in BOOTS:
        try:
            attempt(options)
            print(f"ok {describe(options)}", flush=True)
        except GuestError as error:
            failed = True
            first, _, rest = str(error).partition("\n")
            print(f"not ok {describe(options)}: {first}\n{rest}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
