# SPDX-License-Identifier: MIT
"""Broken disks, in the guest: file systems with damaged metadata are mounted and used, and nothing but errors comes of
it. tests/fuzz/ext2.c does the same to the core of ext2, much more often."""
import os
import random
import struct

from session import Failed, Session, boot, extra_disk, fsck, holds, lacks, main_alone, same, test

IMAGES = 60
KIB = 1024


def make_tree(directory):
    tree = os.path.join(directory, "tree")
    os.makedirs(f"{tree}/a/b/c")
    for n in range(80):
        with open(f"{tree}/a/a-file-with-a-name-{n}", "w") as f:
            f.write("x" * n * 20)
    with open(f"{tree}/big", "wb") as f:
        f.write(bytes(range(256)) * 1200)
    os.symlink("a/b", f"{tree}/link")
    os.symlink("y" * 100, f"{tree}/long")
    os.link(f"{tree}/big", f"{tree}/a/hard")
    return tree


def mutate(image, rng):
    """Some bytes of the superblock, of what describes the groups, of the inode table, of anything."""
    image = bytearray(image)
    for _ in range(rng.randint(1, 12)):
        low, high = rng.choice(((1024, 1024 + 264), (2048, 4096), (2048, 24 * KIB), (2048, 100 * KIB)))
        at = rng.randrange(low, high)
        value = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\0\0\0", rng.randbytes(4), rng.randbytes(1)))
        if low == 1024 and rng.random() < 0.7:
            continue                    # most would only be refused
        image[at:at + len(value)] = value
    return image


USE = """n=0; for i in /images/*; do
dd if=$i of=/dev/vdb bs=64k 2>/dev/null; sync
mount -t ext2 /dev/vdb /mnt || { n=$((n+1)); continue; }
cd /mnt; ls -lR . ; cat big a/* link long >/dev/null; rm -rf a/b; mkdir a/new; echo text >a/new/text; mv a/new/text .
cp big copy; rm -f a/*; ln text hard; echo more >>big; rmdir lost+found; cat text hard; df .
cd /; sync; umount /mnt
done >/dev/null 2>&1; echo refused $n"""


@test("damaged file systems are refused or give errors; ext2 does not crash", linux=False)
def damaged(directory):
    victim = extra_disk(directory, "victim", "1M", ["-b", "1024", "-N", "128"], make_tree(directory))
    rng = random.Random(int(os.environ.get("HOSTILE_SEED", "1")))
    images = os.path.join(directory, "images")
    os.mkdir(images)
    with open(victim, "rb") as f:
        sound = f.read()
    for n in range(IMAGES):
        with open(f"{images}/{n:03}", "wb") as f:
            f.write(mutate(sound, rng) if n else sound)
    store = extra_disk(directory, "store", "80M", ["-N", "100"], images)
    s = Session(boot(disks=[victim, store]))
    s.must("mkdir -p /images; mount -t ext2 -o ro /dev/vdc /images")
    told = s.must(USE, 240)
    refused = int(told.split()[1])
    if refused > IMAGES / 2:
        raise Failed(f"{refused} of {IMAGES} could not be mounted: that shows little")
    log = s.must("dmesg")
    holds("file system is damaged", log)
    lacks(r"crash|given up|fault|panic|ext2\S*: (killed|restarted)", log)
    same(s.must("umount /images; echo alive"), "alive\n")
    s.guest.close()


@test("errors=remount-ro: after the first damage nothing can be changed", linux=False)
def remount_read_only(directory):
    disk = extra_disk(directory, "disk", "1M", ["-b", "1024", "-N", "128", "-I", "256"], make_tree(directory))
    with open(disk, "r+b") as f:
        f.seek(2048 + 8)
        table = struct.unpack("<I", f.read(4))[0]
        for inode in range(12, 110):    # files whose first block is nonsense
            f.seek(table * KIB + (inode - 1) * 256)
            if f.read(2)[1:] == b"\x81":
                f.seek(38, 1)
                f.write(b"\0\0\0\x7f")
    s = Session(boot(disks=[disk]))
    s.must("mount -t ext2 -o errors=remount-ro /dev/vdb /mnt; : >/mnt/before")
    holds("No error information", s.run("cat /mnt/big >/dev/null")[1])     # what musl says of EUCLEAN
    holds("Read-only file system", s.run(": >/mnt/after")[1])
    s.must("umount /mnt; mount -t ext2 -o errors=continue /dev/vdb /mnt; cat /mnt/big >/dev/null 2>&1; : >/mnt/after; test -e /mnt/before")
    s.must("umount /mnt")
    s.guest.close()


main_alone()
