# SPDX-License-Identifier: MIT
"""Building in the guest, with its own make and compiler: Lua, from the source that is on the image."""
import os
import tempfile

import guest
from session import Failed, extra_disk, holds, main, same, test

MAKE = "make -j2 CC=tcc AR='tcc -ar rcs' RANLIB=true"


@test("make -j2 builds Lua with tcc, and it runs")
def lua(s):
    s.must("mount -t ext2 -o ro /dev/vdb /mnt && cp /mnt/words.lua /root && umount /mnt; cp -r /usr/src/lua /root/lua")
    output = s.must(f"cd /root/lua && {MAKE} posix 2>&1", 300)
    if "warning" in output or "Error" in output:
        raise Failed(output[-1000:])
    same(s.must("/root/lua/src/lua /root/words.lua"), "all as expected\n")


@test("nothing is built a second time")
def again(s):
    holds("tcc -o lua ", s.must(f"cd /root/lua/src && touch lua.c && {MAKE} posix 2>&1"))
    same(s.must(f"cd /root/lua/src && {MAKE} posix 2>&1 | grep tcc || true"), "")


@test("built on /tmp, static, its code compiled by its own compiler")
def static(s):
    s.must(f"cp -r /usr/src/lua /tmp/lua && cd /tmp/lua && {MAKE} MYLDFLAGS=-static posix 2>&1", 300)
    same(s.must("cd /tmp/lua/src && ./luac -s -o words /root/words.lua && ./lua words"), "all as expected\n")
    same(s.must("cd /tmp/lua/src && ls *.o | while read -r f; do cmp $f /root/lua/src/$f || echo differs; done"), "")


@test("make install and make clean")
def install(s):
    s.must("cd /root/lua && make INSTALL_TOP=/root/inst install && make clean")
    same(s.must("cd /root && inst/bin/lua -e 'print(1 + 1)'; ls inst/include | wc -l; ls lua/src | grep -c '[.]o$' || true"), "2\n5\n0\n")


with tempfile.TemporaryDirectory() as directory:
    main(disks=[extra_disk(directory, "files", tree=os.path.join(guest.TOP, "tests", "ports"))], smp=2)
