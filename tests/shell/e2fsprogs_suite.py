# SPDX-License-Identifier: MIT
"""TEST: slow timeout=3000

e2fsprogs' own tests, of the source that the port is built from, run in the guest by busybox's shell and commands."""
import os
import re
import subprocess
import tempfile

import guest
from session import Failed, Session, attempt, boot, extra_disk, main_alone, test

START = """#!/bin/sh
HTREE=y
QUOTA=y
SRCDIR=.
DIFF_OPTS=-u
SIZEOF_TIME_T=8
DD=dd
"""


def make_tree(directory):
    """The tests as their Makefile prepares them, with the installed programs where they look for them."""
    tree = os.path.join(directory, "tree")
    os.makedirs(tree)
    subprocess.run(["cp", "-a", f"{guest.PORTS}/work/e2fsprogs/tests", tree], check=True)
    with open(f"{tree}/tests/test_one.in") as f:
        text = f.read()
    with open(f"{tree}/tests/test_one", "w") as f:
        f.write(START + text)
    subprocess.run(["cp", f"{tree}/tests/mke2fs.conf.in", f"{tree}/tests/mke2fs.conf"], check=True)
    with open(f"{tree}/tests/test_data.tmp", "wb") as f:
        f.write(b"0123456789abcdef" * 32768)
    for place in ("e2fsck", "misc", "debugfs", "resize"):
        os.symlink("/sbin", f"{tree}/{place}")
    return tree


# What they lack here: perl, bash's own syntax, the device mapper, GNU diff's default format (busybox's is always
# unified), the programs that e2fsprogs builds for its tests only, and a `yes` whose first write is not small: with
# busybox's, dd gets two bytes now and then, on Linux too.
NEEDS = re.compile(r"\bperl\b|\{1\.\.|for \(\(|/dev/mapper|bs=\$NAMELEN|\bdiff \$TMPFILE|\$CRCSUM|\$TEST_REL|\$TEST_ICOUNT|E4CRYPT|fuse2fs|progs/")
HEAD = "cd /tmp/e/tests && sh ./test_one "


def wanted(tree, kinds):
    """The tests of these kinds that can be run."""
    for name in sorted(os.listdir(f"{tree}/tests")):
        script = f"{tree}/tests/{name}/script"
        if not re.match(f"[{kinds}]_", name) or not os.path.isdir(f"{tree}/tests/{name}"):
            continue
        if os.path.exists(f"{tree}/tests/{name}/is_slow_test"):
            continue
        text = ""
        if os.path.exists(script):
            with open(script, errors="replace") as f:
                text = f.read()
        if not NEEDS.search(text):
            yield name


def one(s, name):
    status, output = s.run(HEAD + name + " 2>&1", 300)
    if status or not re.search(r": ok\s*$|: skipped", output):
        raise Failed(output[-300:] + s.run(f"head -c 1200 /tmp/e/tests/{name}.failed")[1])


def run_kinds(directory, kinds):
    tree = make_tree(directory)
    disk = extra_disk(directory, "tests", "96M", ["-b", "4096", "-N", "8192"], tree)
    s = Session(boot(disks=[disk], mem=1024, smp=2))
    s.must("mount -t ext2 -o ro /dev/vdb /mnt; mkdir /tmp/e; cp -a /mnt/. /tmp/e/", 300)
    bad = sum(not attempt(name, one, s, name) for name in wanted(tree, kinds))
    s.guest.close()
    if bad:
        raise Failed(f"{bad} failed")


@test("e2fsck's tests")
def checking(directory):
    run_kinds(directory, "f")


@test("tests of mke2fs, debugfs, resize2fs, tune2fs, e2image")
def others(directory):
    run_kinds(directory, "dimrt")


@test("tests of journals and undo files")
def journals(directory):
    run_kinds(directory, "ju")


main_alone()
