#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Devices without message-signalled interrupts: several disks share the lines, and their drivers die meanwhile. A device
that is too old to be driven is refused, and disturbs nobody.

TEST: timeout=300
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from guest import Guest  # noqa: E402
from session import Failed, holds, main_alone, test  # noqa: E402

NO_MESSAGES = ("-global", "virtio-blk-pci.vectors=0")
COPY = """
for d in b c d e; do dd if=/dev/urandom of=/dev/vd$d bs=64k count=64 2>/dev/null & done; wait
for d in b c d e; do (dd if=/dev/vd$d bs=4k count=1024 2>/dev/null | md5sum >/tmp/sum.$d) & done
i=0; while [ $i -lt KILLS ]; do service kill virtio_blk || exit 1; sleep 0.2; i=$((i+1)); done
wait
for d in b c d e; do [ "$(md5sum </dev/vd$d)" = "$(cat /tmp/sum.$d)" ] || { echo "vd$d: wrong sum"; exit 1; }; done
"""


def disks(directory, count):
    paths = [os.path.join(directory, f"disk{i}") for i in range(count)]
    for path in paths:
        subprocess.run(["truncate", "-s", "4M", path], check=True)
    return paths


def share(directory, **options):
    with Guest(timeout=90, disks=disks(directory, 4), extra=NO_MESSAGES, **options) as guest:
        status, output = guest.run(COPY.replace("KILLS", "5").strip(), 90)
        if status:
            raise Failed(f"status {status}: {output[-500:]}")


@test("five disks share the lines of a pc")
def shared_pc(directory):
    share(directory, machine="pc", smp=2)


@test("five disks share the lines of a q35")
def shared_q35(directory):
    share(directory, machine="q35", smp=4)


@test("lines under UEFI")
def shared_uefi(directory):
    share(directory, machine="q35", uefi=True)


@test("a legacy device is refused")
def legacy(directory):
    old = ("-device", "virtio-blk-pci,disable-modern=on,addr=0x10,drive=old",
           "-drive", f"id=old,if=none,format=raw,file={disks(directory, 1)[0]}")
    with Guest(timeout=90, extra=old) as guest:
        status, output = guest.run("dd if=/dev/vda of=/dev/null bs=64k count=16 2>/dev/null")
        if status:
            raise Failed(f"status {status}: {output}")
        holds("virtio 0.9 only", guest.seen.decode(errors="replace"))


main_alone()
