# SPDX-License-Identifier: MIT
"""TEST: timeout=600

e2fsprogs in the guest: file systems made, damaged, repaired, resized there, used by the ext2 server between, and
judged by the build machine's e2fsck at the end."""
import os

from session import Failed, Session, boot, fsck, holds, main_alone, same, test

FILL = ("mkdir -p /mnt/a/b && cp /bin/busybox /mnt/a/big && ln /mnt/a/big /mnt/a/b/hard && ln -s ../a/big /mnt/a/soft && "
        "for i in $(seq 120); do echo $i >/mnt/a/b/$i; done && md5sum </mnt/a/big")
LOOK = "cat /mnt/a/b/120; readlink /mnt/a/soft; ls /mnt/a/b | wc -l; stat -c %h /mnt/a/big; md5sum </mnt/a/big"
SEEN = "120\n../a/big\n121\n2\n"


def empty_disk(directory, size=32 << 20):
    path = os.path.join(directory, "disk")
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def guest_with(disk):
    return Session(boot(disks=[disk]))


def checked(s):
    """e2fsck of the guest finds nothing; nothing may be mounted."""
    same(s.run("e2fsck -fn /dev/vdb >/tmp/fsck 2>&1; echo $?; grep -v '^e2fsck\\|^Pass\\|^[^ ]*: [0-9]*/' /tmp/fsck")[1], "0\n")


def finish(s, disk):
    s.must("mount -t ext2 /dev/vdb /mnt && echo last >/mnt/last && umount /mnt")
    checked(s)
    s.guest.poweroff(60)
    s.guest.close()
    fsck(disk, 0)


def filled(directory, options):
    """A guest with a new file system that has files, and their checksum."""
    disk = empty_disk(directory)
    s = guest_with(disk)
    s.must(f"mke2fs -q -F -t ext2 {options} /dev/vdb && mount -t ext2 /dev/vdb /mnt")
    checksum = s.must(FILL)
    s.must("umount /mnt")
    checked(s)
    return s, disk, checksum


def look(s, checksum):
    same(s.must(f"mount -t ext2 /dev/vdb /mnt; {LOOK}; umount /mnt"), SEEN + checksum)


def made(directory, options, size):
    s, disk, checksum = filled(directory, options)
    holds(f"^Block size: *{size}$", s.must("dumpe2fs -h /dev/vdb 2>/dev/null"))
    look(s, checksum)
    finish(s, disk)


@test("mke2fs with blocks of 1 KiB")
def made_1k(directory):
    made(directory, "-b 1024", 1024)


@test("mke2fs with blocks of 4 KiB, few inodes, a label")
def made_4k(directory):
    made(directory, "-b 4096 -N 512 -L named -m 0", 4096)


@test("tune2fs sets label, reserved blocks, mount counts")
def tuned(directory):
    s, disk, checksum = filled(directory, "-b 1024")
    s.must("tune2fs -L other -m 10 -c 7 -U 00112233-4455-6677-8899-aabbccddeeff /dev/vdb >/dev/null")
    same(s.must("e2label /dev/vdb"), "other\n")
    holds("(?s)^Filesystem UUID: *00112233-.*^Reserved block count: *3276$.*^Maximum mount count: *7$",
          s.must("dumpe2fs -h /dev/vdb 2>/dev/null"))
    look(s, checksum)
    finish(s, disk)


@test("resize2fs makes it smaller and larger again, and nothing lost")
def resized(directory):
    disk = empty_disk(directory)
    s = guest_with(disk)
    s.must("mke2fs -q -F -t ext2 -b 1024 /dev/vdb 8M && mount -t ext2 /dev/vdb /mnt")
    checksum = s.must(FILL)
    s.must("umount /mnt; e2fsck -fp /dev/vdb && resize2fs /dev/vdb 32M 2>&1")
    checked(s)
    look(s, checksum)
    s.must("mount -t ext2 /dev/vdb /mnt; cp -r /mnt/a /mnt/z; rm -r /mnt/a; mv /mnt/z /mnt/a; ln -f /mnt/a/big /mnt/a/b/hard; umount /mnt")
    s.must("e2fsck -fp /dev/vdb; resize2fs -M /dev/vdb 2>&1")
    checked(s)
    look(s, checksum)
    holds("^/dev/vdb +1...", s.must("mount -t ext2 /dev/vdb /mnt; df -k /mnt | tail -1; umount /mnt"))
    s.must("e2fsck -fp /dev/vdb && resize2fs /dev/vdb 20M 2>&1")
    look(s, checksum)
    finish(s, disk)


@test("debugfs writes what ext2 reads, and reads what ext2 wrote")
def by_debugfs(directory):
    s, disk, _ = filled(directory, "-b 1024")
    s.must("printf '%s\\n' 'mkdir new' 'cd new' 'write /bin/busybox copy' 'symlink link copy' 'mknod fifo p' 'ln copy hard' "
           "'sif copy links_count 2' 'rm /a/b/7' | debugfs -w -f - /dev/vdb >/dev/null")
    same(s.must("mount -t ext2 /dev/vdb /mnt; cmp /mnt/new/copy /bin/busybox; cmp /mnt/new/link /mnt/new/hard; "
                "stat -c '%F %h' /mnt/new/fifo /mnt/new/hard; ls /mnt/a/b | wc -l; echo written >/mnt/new/text; umount /mnt"),
         "fifo 1\nregular file 2\n120\n")
    same(s.must("debugfs -R 'cat /new/text' /dev/vdb 2>/dev/null; debugfs -R 'dump /new/copy /tmp/copy' /dev/vdb 2>/dev/null; "
                "cmp /tmp/copy /bin/busybox"), "written\n")
    finish(s, disk)


DAMAGE = {
    "a directory's inode cleared": ["clri a/b"],
    "a directory without a name": ["unlink a/b"],
    "blocks in use marked free": ["freeb 30 10"],
    "free inodes marked used": ["seti <200> 20"],
    "wrong counts": ["ssv free_blocks_count 1", "ssv free_inodes_count 3", "set_bg 0 free_blocks_count 5"],
    "a wrong number of links": ["sif a/big links_count 9"],
    "a block in two files": ["copy_inode a/big a/b/10"],
    "a block number beyond the end": ["sif a/big block[2] 99999999"],
    "a wrong size and type": ["sif a/b/11 size 70000", "sif a/b/12 mode 0160644"],
    "the first block of a directory zeroed": ["zap_block -f a/b 0"],
    "the superblock zeroed": ["zap_block 1"],
    "the group descriptors zeroed": ["zap_block 2"],
}


@test("e2fsck repairs what debugfs has damaged")
def repaired(directory):
    s, disk, _ = filled(directory, "-b 1024")
    s.must("cat /dev/vdb >/tmp/good")
    for what, commands in DAMAGE.items():
        lines = " ".join(f"'{c}'" for c in commands)
        s.must(f"cat /tmp/good >/dev/vdb; printf '%s\\n' {lines} | debugfs -w -f - /dev/vdb 2>&1")
        if s.run("e2fsck -fn /dev/vdb >/dev/null 2>&1")[0] == 0:
            raise Failed(f"{what}: no damage seen")
        status, output = s.run("e2fsck -fy /dev/vdb 2>&1")
        if status != 1:
            raise Failed(f"{what}: e2fsck -fy ends with {status}: {output[-800:]}")
        checked(s)
        s.must("mount -t ext2 /dev/vdb /mnt && ls -lR /mnt >/dev/null && cp -r /mnt/a /mnt/copy && rm -r /mnt/copy && umount /mnt")
        checked(s)
    finish(s, disk)


@test("what is mounted is left alone")
def mounted(directory):
    s, disk, checksum = filled(directory, "-b 1024")
    s.must("mount -t ext2 /dev/vdb /mnt; mkdir -p /tmp/second")
    holds("is mounted", s.run("mke2fs -F -t ext2 /dev/vdb 2>&1")[1])
    holds("is mounted", s.run("e2fsck -fy /dev/vdb 2>&1 </dev/null")[1])
    if s.run("resize2fs /dev/vdb 16M 2>&1")[0] == 0:
        raise Failed("resized while mounted")
    holds("busy", s.run("mount -t ext2 /dev/vdb /tmp/second 2>&1")[1])
    s.must("umount /mnt")
    look(s, checksum)
    finish(s, disk)


@test("badblocks reads and writes all of a disk")
def surface(directory):
    disk = empty_disk(directory, 4 << 20)
    s = guest_with(disk)
    same(s.must("badblocks -w -b 4096 -t 0xa5 /dev/vdb 2>&1"), "")
    same(s.must("badblocks -n /dev/vdb 2>&1; od -An -tx1 -N 4 /dev/vdb"), " a5 a5 a5 a5\n")
    s.must("e2fsck -fn /dev/vdb >/dev/null 2>&1; test $? = 8")
    s.guest.close()


main_alone()
