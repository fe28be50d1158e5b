# SPDX-License-Identifier: MIT
"""Further disks: mounting them, every block size, and being full."""
import os
import struct
import subprocess

from session import Failed, Session, boot, extra_disk, fsck, holds, main_alone, same, test

MIB = 1 << 20


def make_tree(directory):
    """Something that uses direct, indirect and doubly indirect blocks, holes and links."""
    tree = os.path.join(directory, "tree")
    os.makedirs(f"{tree}/dir/below")
    with open(f"{tree}/small", "w") as f:
        f.write("small\n")
    with open(f"{tree}/dir/big", "wb") as f:
        f.write(bytes(range(256)) * (6 * MIB // 256))
    with open(f"{tree}/dir/hole", "wb") as f:
        f.seek(3 * MIB)
        f.write(b"end")
    os.symlink("dir/below", f"{tree}/link")
    os.symlink("x" * 200, f"{tree}/longlink")
    for n in range(300):
        open(f"{tree}/dir/below/file-with-some-name-{n}", "w").close()
    return tree


def guest_with(*disks):
    return Session(boot(disks=disks))


def finish(s, *disks):
    s.guest.poweroff(60)
    s.guest.close()
    for disk in disks:
        fsck(disk, 0)


def block_size(directory, size):
    disk = extra_disk(directory, "disk", "24M", ["-b", str(size)], make_tree(directory))
    s = guest_with(disk)
    s.must("mount -t ext2 /dev/vdb /mnt")
    same(s.must("cd /mnt; cat small; md5sum <dir/big; wc -c <dir/hole; tail -c 3 dir/hole; echo; ls link | wc -l; "
                "readlink longlink | wc -c; stat -f -c %s /mnt"),
         f"small\n{md5_of_big()}  -\n{3 * MIB + 3}\nend\n300\n201\n{size}\n")
    s.must("cd /mnt; cp dir/big copy; cmp dir/big copy; rm dir/big; mkdir new; mv link new/; ln small new/hard; "
           "for i in $(seq 200); do echo $i >new/$i; done; rm dir/below/*[02468]; echo more >>small")
    s.must("cd /; umount /mnt; mount -t ext2 /dev/vdb /mnt")
    same(s.must("cd /mnt; md5sum <copy; cat new/hard; ls dir/below | wc -l; cat new/150; stat -c %h small"),
         f"{md5_of_big()}  -\nsmall\nmore\n150\n150\n2\n")
    finish(s, disk)


def md5_of_big():
    import hashlib
    return hashlib.md5(bytes(range(256)) * (6 * MIB // 256)).hexdigest()


@test("blocks of 1 KiB")
def blocks_1k(directory):
    block_size(directory, 1024)


@test("blocks of 2 KiB")
def blocks_2k(directory):
    block_size(directory, 2048)


@test("blocks of 4 KiB")
def blocks_4k(directory):
    block_size(directory, 4096)


@test("two further disks at once, and copying between them")
def two_disks(directory):
    disks = [extra_disk(directory, name, "16M") for name in ("one", "two")]
    s = guest_with(*disks)
    s.must("mkdir -p /mnt/a /mnt/b; mount -t ext2 /dev/vdb /mnt/a; mount -t ext2 /dev/vdc /mnt/b")
    s.must("dd if=/dev/urandom of=/mnt/a/f bs=64k count=64 2>/dev/null; cp /mnt/a/f /mnt/b/f; cmp /mnt/a/f /mnt/b/f; mv /mnt/a/f /mnt/b/g; "
           "cmp /mnt/b/f /mnt/b/g; test ! -e /mnt/a/f")
    same(s.run("ln /mnt/b/f /mnt/a/f 2>/dev/null; echo $?; mv /mnt/a /mnt/b 2>/dev/null; echo $?")[1], "1\n1\n")
    finish(s, *disks)


@test("a full disk: ENOSPC, nothing broken, room again after rm")
def full(directory):
    disk = extra_disk(directory, "small", "8M", ["-m", "0"])
    s = guest_with(disk)
    s.must("mount -t ext2 /dev/vdb /mnt")
    status, output = s.run("dd if=/dev/zero of=/mnt/fill bs=64k")
    if status == 0:
        raise Failed("dd filled a disk without an error")
    holds("No space left on device", output)
    s.must("stat -c %s /mnt/fill; sync")
    holds(r" 100% /mnt", s.must("df /mnt | tail -1"))
    s.run("echo x >/mnt/one-more; mkdir /mnt/one-more-directory")
    s.must("rm -rf /mnt/*; sync; dd if=/dev/zero of=/mnt/again bs=64k count=60 2>/dev/null")
    finish(s, disk)


@test("no inode left: ENOSPC, and room again after rm")
def no_inodes(directory):
    disk = extra_disk(directory, "few", "4M", ["-N", "32"])
    s = guest_with(disk)
    s.must("mount -t ext2 /dev/vdb /mnt")
    status, output = s.run("cd /mnt; for i in $(seq 100); do : >f$i || exit 5; done 2>&1")
    if status == 0:
        raise Failed("100 files on a file system with 32 inodes")
    holds("No space left|can't create", output)
    s.must("rm -f /mnt/f*; echo x >/mnt/again")
    finish(s, disk)


@test("unmounting: busy while used, writable partitions, wrong devices")
def unmounting(directory):
    disk = extra_disk(directory, "disk", "4M")
    s = guest_with(disk)
    s.must("mount -t ext2 /dev/vdb /mnt")
    same(s.run("cd /mnt; umount /mnt 2>/dev/null; echo $?")[1], "1\n")
    same(s.run("exec 5>/mnt/open; umount /mnt 2>/dev/null; echo $?")[1], "1\n")
    s.must("umount /mnt; test ! -e /mnt/open")
    same(s.run("mount -t ext2 /dev/vdz /mnt 2>/dev/null; echo $?; mount -t ext2 /dev/null /mnt 2>/dev/null; echo $?")[1], "255\n255\n")
    finish(s, disk)


@test("a disk mounted read-only is not written to")
def read_only(directory):
    disk = extra_disk(directory, "disk", "4M")
    before = open(disk, "rb").read()
    s = guest_with(disk)
    s.must("mount -t ext2 -o ro /dev/vdb /mnt; ls /mnt")
    holds("Read-only file system", s.run("echo x >/mnt/f")[1])
    finish(s, disk)
    if open(disk, "rb").read() != before:
        raise Failed("the disk has changed")


@test("garbage in place of a file system is refused")
def garbage(directory):
    path = os.path.join(directory, "garbage")
    with open(path, "wb") as f:
        f.write(os.urandom(4 * MIB))
    s = guest_with(path)
    if s.run("mount -t ext2 /dev/vdb /mnt")[0] == 0:
        raise Failed("mounted")
    same(s.must("head -c 5 /dev/vdb | wc -c; echo alive"), "5\nalive\n")
    s.guest.close()


@test("the raw disk can be read and written")
def raw(directory):
    path = os.path.join(directory, "raw")
    with open(path, "wb") as f:
        f.write(b"first sector".ljust(512) + bytes(MIB - 512))
    s = guest_with(path)
    same(s.must("head -c 12 /dev/vdb; echo; wc -c </dev/vdb"), f"first sector\n{MIB}\n")
    s.must("printf written | dd of=/dev/vdb bs=1 seek=600000 conv=notrunc 2>/dev/null; sync")
    s.guest.poweroff(60)
    s.guest.close()
    with open(path, "rb") as f:
        f.seek(600000)
        same(f.read(7), b"written")


def mbr_sector(*entries):
    """Of (type, first sector, sectors)."""
    return bytes(446) + b"".join(struct.pack("<4xB3xII", *e) for e in entries).ljust(64, b"\0") + b"\x55\xaa"


@test("logical partitions of an MBR")
def logical(directory):
    disk = os.path.join(directory, "disk")
    with open(disk, "wb") as f:
        f.truncate(8 * MIB)
        for sector, data in ((0, mbr_sector((0x83, 2048, 2048), (5, 4096, 12288))),
                             (4096, mbr_sector((0x83, 2048, 1000), (5, 3584, 2560))),
                             (7680, mbr_sector((0x83, 512, 2048), (5, 0, 12288))),
                             (8192, b"second logical")):
            f.seek(sector * 512)
            f.write(data)
    s = guest_with(disk)
    same(s.must("cd /dev; for i in 1 5 6; do blockdev --getsz vdb$i; done; head -c 14 vdb6; echo; test ! -e vdb7; test ! -e vdb3"),
         "2048\n1000\n2048\nsecond logical\n")
    s.guest.close()


@test("a disk of 3 TiB")
def huge(directory):
    last = (3 << 40) // 512 - 4096
    disk = os.path.join(directory, "disk")
    with open(disk, "wb") as f:
        f.truncate(3 << 40)
    subprocess.run(["sgdisk", "-o", "-n", "1:2048:4095", "-n", f"2:4096:{last - 1}", "-n", f"3:{last}:{last + 2047}", disk], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    s = guest_with(disk)
    same(s.must("cd /dev; for i in '' 2 3; do blockdev --getsize64 vdb$i; done; blockdev --getsz vdb2"),
         f"{3 << 40}\n{(last - 4096) * 512}\n{MIB}\n{last - 4096}\n")
    s.must(f"printf here | dd of=/dev/vdb3 bs=512 seek=2047 conv=notrunc 2>/dev/null; printf end | dd of=/dev/vdb2 bs=512 seek={last - 4097} "
           "conv=notrunc 2>/dev/null; sync")
    same(s.must(f"dd if=/dev/vdb bs=512 skip={last + 2047} count=1 2>/dev/null | head -c 4; echo"), "here\n")
    s.guest.poweroff(60)
    s.guest.close()
    with open(disk, "rb") as f:
        f.seek((last + 2047) * 512)
        same(f.read(4), b"here")
        f.seek((last - 1) * 512)
        same(f.read(3), b"end")


main_alone()
