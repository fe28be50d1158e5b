# SPDX-License-Identifier: MIT
"""Disks that fail: drivers/blk/faulty on the second disk makes a third of it, and lets its requests go wrong."""
import os
import re
import subprocess

from session import Failed, Session, boot, extra_disk, fsck, holds, main_alone, repair, same, test

SECTORS = 16 << 11


JOURNAL = ["-O", "none,filetype,sparse_super,large_file,has_journal", "-J", "size=4"]


def faulty_disk(directory, *rules, seed=7, options=()):
    """16 MiB with a file system of 15, and the schedule in the last sector."""
    disk = extra_disk(directory, "disk", "15M", ["-b", "4096", "-N", "512", *options])
    os.truncate(disk, SECTORS * 512)
    schedule(disk, *rules, seed=seed)
    return disk


def text_of(rules, seed):
    return "\n".join([f"faulty {seed}", *rules, ""])


def schedule(disk, *rules, seed=7):
    with open(disk, "r+b") as f:
        f.seek((SECTORS - 1) * 512)
        f.write(text_of(rules, seed).encode().ljust(512, b"\0"))


def start(disk):
    s = Session(boot(disks=[disk]))
    s.must("service start faulty; n=0; until test -b /dev/vdc || test $n = 50; do n=$((n+1)); usleep 100000; done; test -b /dev/vdc")
    return s


def change(s, *rules, seed=7):
    """Another schedule, for the driver that is running."""
    text = text_of(rules, seed).replace("\n", "\\n")
    s.must(f"printf '{text}' | dd of=/dev/vdb bs=512 seek={SECTORS - 1} conv=sync,notrunc 2>/dev/null; sync; service kill faulty")


def finish(s):
    s.must("cd /; umount /mnt 2>/dev/null; sync; true")
    s.guest.poweroff(60)
    s.guest.close()


@test("without rules it is a disk like others, one sector smaller", linux=False)
def sound(directory):
    disk = faulty_disk(directory)
    s = start(disk)
    same(s.must("grep vdc /proc/partitions | awk '{print $3}'"), f"{(SECTORS - 1) // 2}\n")
    s.must("mount -t ext2 /dev/vdc /mnt; cp /bin/busybox /mnt; sync; service kill faulty; service kill virtio_blk1; cp /bin/busybox /mnt/again; "
           "cmp /mnt/busybox /bin/busybox; cmp /mnt/again /bin/busybox")
    finish(s)
    fsck(disk, 0)


@test("reads that fail are EIO, and the next try may succeed", linux=False)
def read_errors(directory):
    disk = faulty_disk(directory)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; cp /bin/busybox /mnt/file; umount /mnt; mount -t ext2 /dev/vdc /mnt; ls /mnt")
    change(s, "read error 1 0 0 2")
    holds("I/O error", s.run("cat /mnt/file >/dev/null")[1])
    s.must("cat /mnt/file >/dev/null || cat /mnt/file >/dev/null || cat /mnt/file >/dev/null; cmp /mnt/file /bin/busybox")
    change(s, "read short 1 0 0 1")
    s.must("umount /mnt; mount -t ext2 /dev/vdc /mnt || mount -t ext2 /dev/vdc /mnt; cmp /mnt/file /bin/busybox")
    finish(s)
    fsck(disk, 0)


@test("a write that fails is reported by fsync, once", linux=False)
def write_errors(directory):
    disk = faulty_disk(directory)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; : >/mnt/before; sync")
    change(s, "write error 1")
    holds("I/O error", s.run("dd if=/dev/zero of=/mnt/file bs=64k count=4 conv=fsync")[1])
    change(s)
    s.must("sync; dd if=/bin/busybox of=/mnt/file bs=64k conv=fsync,notrunc 2>/dev/null; test -e /mnt/before")
    finish(s)
    repair(disk, 0)


@test("a journal that cannot be written is said by fsync, and later it can; the file system stays whole", linux=False)
def journal_errors(directory):
    disk = faulty_disk(directory, options=JOURNAL)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; mkdir /mnt/d; echo before >/mnt/before; sync")
    change(s, "write error 1")
    holds("I/O error", s.run("mv /mnt/before /mnt/after; mkdir /mnt/e; dd if=/dev/zero of=/mnt/d/file bs=64k count=4 conv=fsync")[1])
    change(s)
    s.must("dd if=/bin/busybox of=/mnt/d/file bs=64k conv=fsync,notrunc; cmp /mnt/d/file /bin/busybox; test -d /mnt/e; cat /mnt/after")
    finish(s)
    fsck(disk, 0)


@test("a journal, and one write in eight fails; the errors are EIO, nothing is damaged", linux=False)
def errors_in_the_midst(directory):
    disk = faulty_disk(directory, options=JOURNAL)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; sync")
    change(s, "write error 8")
    output = s.run("cd /mnt; for i in $(seq 40); do mkdir d$i; dd if=/bin/busybox of=d$i/file bs=8k count=$i conv=fsync 2>&1 | grep -i error; "
                   "mv d$i/file d$i/moved; [ $((i % 3)) = 0 ] && rm -r d$i; done; cd /", 120)[1]
    holds("I/O error", output)
    same(re.sub(r".*I/O error\n", "", output), "", "other errors")
    change(s)
    s.must("sync; for i in 1 2 38 40; do test -d /mnt/d$i || exit 1; done; test ! -e /mnt/d39; cp /bin/busybox /mnt/good; sync; "
           "umount /mnt; mount -t ext2 /dev/vdc /mnt; cmp /mnt/good /bin/busybox")
    finish(s)
    fsck(disk, 0)


@test("a journal on a full disk; that is ENOSPC, and what is removed is free at once", linux=False)
def full(directory):
    disk = faulty_disk(directory, options=JOURNAL)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt")
    holds("No space left", s.run("dd if=/dev/zero of=/mnt/full bs=64k", 60)[1])
    s.must("set -e; for i in 1 2 3; do rm /mnt/full; dd if=/dev/zero of=/mnt/full bs=64k count=150 conv=fsync; done; "
           "for i in $(seq 30); do mkdir /mnt/d$i; cp /etc/passwd /mnt/d$i; done; rm /mnt/full", 120)
    finish(s)
    fsck(disk, 0)


@test("a full disk, and writes are late; what is removed meanwhile is waited for", linux=False)
def full_and_late(directory):
    disk = faulty_disk(directory, "write delay 1", options=JOURNAL)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt")
    for ms in 300, 600, 900, 1500:
        holds("No space left", s.run("dd if=/dev/zero of=/mnt/full bs=64k", 120)[1])
        s.must(f"sync & usleep {ms}000; rm /mnt/full; echo there is room >/mnt/file; n=$?; wait; test $n = 0", 60)
        s.must("rm /mnt/file; sync", 60)
    finish(s)
    fsck(disk, 0)


@test("raw device: the errors of reads and writes come to the caller", linux=False)
def raw(directory):
    disk = faulty_disk(directory, "read error 1 100 1", "write error 1 20000 8")
    s = start(disk)
    holds("I/O error", s.run("dd if=/dev/vdc of=/dev/null bs=512 count=200")[1])
    s.must("dd if=/dev/vdc of=/dev/null bs=4096 skip=1000 count=10 2>/dev/null")
    holds("I/O error", s.run("dd if=/dev/zero of=/dev/vdc bs=4096 seek=2500 count=1 conv=fsync,notrunc")[1])
    s.must("dd if=/dev/zero of=/dev/vdc bs=4096 seek=2600 count=1 conv=fsync,notrunc 2>/dev/null")
    finish(s)


@test("an answer that is lost is waited for, then asked again; lost twice it is EIO", linux=False)
def lost(directory):
    disk = faulty_disk(directory)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; cp /bin/busybox /mnt/file; umount /mnt; mount -t ext2 /dev/vdc /mnt; ls /mnt")
    change(s, "read lose 1 0 0 1")
    status, output = s.run("cat /mnt/file >/dev/null", 60)
    holds("I/O error", output)
    holds("no answer from the device", s.must("dmesg"))
    change(s)
    s.must("cmp /mnt/file /bin/busybox || cmp /mnt/file /bin/busybox")
    finish(s)
    fsck(disk, 0)


@test("late answers, one in three, change nothing", linux=False)
def late(directory):
    disk = faulty_disk(directory, "any delay 3")
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; cp /bin/busybox /mnt/file; mkdir /mnt/a /mnt/b; sync; umount /mnt; "
           "mount -t ext2 /dev/vdc /mnt; cmp /mnt/file /bin/busybox", 120)
    finish(s)
    fsck(disk, 0)


@test("torn writes of metadata: only e2fsck finds them, ext2 goes on", linux=False)
def torn(directory):
    disk = faulty_disk(directory)
    s = start(disk)
    s.must("mount -t ext2 /dev/vdc /mnt; mkdir /mnt/d; sync")
    change(s, "write torn 1")
    s.must("cd /mnt; for i in $(seq 60); do echo $i >d/some-file-with-a-name-$i; mkdir e$i; done; sync; cd /; umount /mnt")
    change(s)
    s.run("mount -t ext2 /dev/vdc /mnt && { ls -lR /mnt; cat /mnt/d/*; rm -rf /mnt/*; } >/dev/null 2>&1")
    same(s.must("umount /mnt 2>/dev/null; echo alive"), "alive\n")
    finish(s)
    repair(disk, 0)


main_alone()
