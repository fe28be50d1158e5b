#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every service is killed again and again while files are written, read, piped and listed; nothing may be lost.

TEST: slow timeout=900
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from guest import Guest, GuestError  # noqa: E402

SERVICES = ["virtio_blk", "block", "ext2", "tmpfs", "pipe", "procfs", "vfs", "tty", "uart16550", "rtc", "mem", "pci", "acpi",
            "pm", "rs", "standby"]

# Each round goes through files on both file systems, pipes, processes and /proc; the sum must always be the same.
LOAD = """
dd if=/dev/urandom of=/root/load bs=16k count=32 2>/dev/null || exit 1
sum=$(md5sum </root/load)
(
  i=0
  while [ $i -lt 25 ]; do
    cp /root/load /root/copy.$i && cat /root/copy.$i | cat | md5sum >/tmp/sum.$i || exit 1
    [ "$(cat /tmp/sum.$i)" = "$sum" ] || { echo "round $i: wrong sum"; exit 1; }
    ls /proc/1 >/dev/null && rm /root/copy.$i /tmp/sum.$i || exit 1
    sync
    i=$((i+1))
  done
) &
load=$!
kills=0
while kill -0 $load 2>/dev/null; do
  service kill NAME || exit 1
  kills=$((kills+1))
  sleep 0.05
done
wait $load || exit 1
rm /root/load
[ $kills -ge 5 ] || { echo "the load was over too soon"; exit 1; }
"""


def main():
    failed = False
    guest = None
    for name in SERVICES:
        try:
            guest = guest or Guest(timeout=120)
            status, output = guest.run(LOAD.replace("NAME", name).strip())
            good, why = status == 0, f"status {status}: {output.strip()[-200:]}"
        except GuestError as error:
            good, why = False, str(error).splitlines()[0]
            print(str(error)[-1500:], file=sys.stderr)
            if guest:
                guest.close()
            guest = None
        failed |= not good
        print(f"ok {name}" if good else f"not ok {name}: {why}".replace("\n", " "), flush=True)
    if guest:
        guest.close()
    return failed


if __name__ == "__main__":
    sys.exit(main())
