# SPDX-License-Identifier: MIT
"""TEST: timeout=3600

Directories of 20,000 names, or in full 100,000: what is done with one name costs about what it costs among 1,000. The
guest's clock counts its instructions.
"""
import re
import sys

from session import Failed, Session, boot, extra_disk, fsck, main_alone, test

FEW, MANY = 1000, 100000 if "--full" in sys.argv else 20000
TIMES = 4          # what a name among many may cost of one among few
TMPFS = 60000      # it has 65,536 nodes in all
LEAST = 5000       # instructions: below that it is cheap enough


def costs(s, directory, count):
    out = s.must(f"/usr/lib/anole/tests/big_dirs {directory} {count}", timeout=1800)
    return {name: int(cost) for name, cost in re.findall(r"^(\w+) (\d+)$", out, re.M)}


def compare(s, directory, most=MANY):
    few, many = costs(s, directory, FEW), costs(s, directory, most)
    if len(few) < 7 or few.keys() != many.keys():
        raise Failed(f"figures are missing: {few}, {many}")
    dear = [f"{n}: {few[n]} among {FEW}, {many[n]} among {most}" for n in few if many[n] > max(few[n], LEAST) * TIMES]
    if dear:
        raise Failed("it costs more than that\n" + "\n".join(dear))
    print(f"# {directory}: " + ", ".join(f"{n} {few[n]} {many[n]}" for n in few))


def on_disk(directory, block_size):
    disk = extra_disk(directory, "disk", "128M", ["-b", str(block_size), "-N", str(MANY + 2000)])
    s = Session(boot(disks=[disk], icount=True))
    s.must("mount -t ext2 /dev/vdb /mnt")
    compare(s, "/mnt")
    s.must("umount /mnt")
    s.guest.poweroff(60)
    s.guest.close()
    fsck(disk, 0)


@test("ext2 with blocks of 1 KiB", linux=False)
def blocks_1k(directory):
    on_disk(directory, 1024)


@test("ext2 with blocks of 4 KiB", linux=False)
def blocks_4k(directory):
    on_disk(directory, 4096)


@test("tmpfs", linux=False)
def in_memory(_directory):
    s = Session(boot(icount=True))
    compare(s, "/tmp", min(MANY, TMPFS))
    s.guest.close()


main_alone()
