# SPDX-License-Identifier: MIT
"""TEST: timeout=600

Programs that others wrote: each is put to its everyday use. Their files are in tests/ports."""
import os
import tempfile

import guest
from session import control, extra_disk, holds, main, same, test

FINE = "all as expected\n"


def files(function):
    """A test that has tests/ports at /mnt."""
    def mounted(s):
        s.must("mount -t ext2 -o ro /dev/vdb /mnt")
        try:
            function(s)
        finally:
            s.run("umount /mnt")
    return mounted


def project(s):
    """A copy of the project to build, in memory."""
    s.must("rm -rf /tmp/project && cp -r /mnt/project /tmp && cd /tmp/project && find . -exec touch -d '2020-01-01' {} +")


@test("dash runs a script on its own")
@files
def dash_script(s):
    same(s.must("dash /mnt/builtins.sh"), FINE)


@test("busybox's shell runs the same script")
@files
def ash_script(s):
    same(s.must("sh /mnt/builtins.sh"), FINE)


@test("dash at the terminal, with jobs, Ctrl-C, Ctrl-Z")
def dash_terminal(s):
    s.start("PS1='dash # ' dash -i")
    s.line("sleep 1000 &")
    holds("Running", s.line("jobs"))
    s.start("sleep 1000")
    s.type(control("C"))
    s.expect("dash # ")
    same(s.line("echo $?"), "130\n")
    s.start("sleep 1000")
    s.type(control("Z"))
    s.expect("dash # ")
    holds(r"Stopped.*sleep|Suspended.*sleep", s.line("jobs"))
    s.line("kill -9 %1 %2; wait")
    s.line("exit")


@test("lua has closures, coroutines, strings, files, processes")
@files
def lua_script(s):
    same(s.must("lua /mnt/words.lua"), FINE)
    same(s.must("luac -o /tmp/words.luac /mnt/words.lua && lua /tmp/words.luac"), FINE)


@test("lua at the terminal")
def lua_terminal(s):
    s.start("lua")
    s.type("x = 6 * 7\rprint(x)\r")
    s.expect(r"\b42\n")
    s.type("error('thrown')\r")
    s.expect("stack traceback")
    s.key("D")
    same(s.line("echo $?"), "0\n")


@test("make builds what has changed, and no more")
@files
def make_project(s):
    project(s)
    holds(r"^8 parts, 4 lines$", s.must("cd /tmp/project && make -j2"))
    same(s.must("cd /tmp/project && ./program"), "version 1.0\n1 1 1\n2 4 8\n3 9 27\n")
    same(s.must("cd /tmp/project && make program"), "make: 'program' is up to date.\n")
    same(s.must("cd /tmp/project && sleep 1 && echo 2.0 >version && make -j2 -n program | grep -c tcc"), "2\n")
    same(s.must("cd /tmp/project && make program >/dev/null && ./program | head -1"), "version 2.0\n")
    s.must("cd /tmp/project && make -q program && touch -d '2040-01-01' lib/powers.h && ! make -q program")


@test("make meets failures, -k, partial files, jobs of a sub-make")
@files
def make_failures(s):
    project(s)
    status, output = s.run("cd /tmp/project && make -j2 fails 2>&1")
    same(status, 2, "status")
    holds("Deleting file 'fails'", output)
    s.must("cd /tmp/project && test ! -e fails")
    status, output = s.run("cd /tmp/project && echo syntax error >lib/cube.c && make -k program 2>&1")
    same(status, 2, "status")
    holds("not remade because of errors", output)
    s.must("cd /tmp/project && test -e main.o -a -e lib/square.o -a ! -e program")


@test("make and its jobs end at Ctrl-C")
def make_interrupted(s):
    s.must("printf 'all: a b\\na b:\\n\\ttouch $@; sleep 1000\\n' >/tmp/endless.mk")
    s.start("cd /tmp && make -j2 -f endless.mk", 2)
    s.key("C")
    same(s.line("ls a b 2>/dev/null; pgrep -l sleep; cd"), "")


@test("tcc makes programs, dynamic, static, without a file")
@files
def tcc_programs(s):
    same(s.must("cd /tmp && tcc -Wall -o runtime /mnt/runtime.c -lm -lpthread && ./runtime"), FINE)
    same(s.must("cd /tmp && tcc -static -o runtime /mnt/runtime.c -lm && ./runtime"), FINE)
    same(s.must("tcc -run /mnt/runtime.c"), FINE)
    same(s.must("cd /tmp && tcc -c -o runtime.o /mnt/runtime.c && cc -o runtime runtime.o && ./runtime"), FINE)


@test("tcc makes a shared library, opened by dlopen")
def tcc_library(s):
    s.must("cd /tmp && echo 'int twice(int n) { return 2 * n; }' >twice.c && tcc -shared -o libtwice.so twice.c")
    s.must("cd /tmp && printf '%s\\n' '#include <dlfcn.h>' '#include <stdio.h>' 'int main(void) { "
           "void *l = dlopen(\"./libtwice.so\", RTLD_NOW); int (*f)(int) = dlsym(l, \"twice\"); "
           "printf(\"%d\\n\", f(21)); return dlclose(l); }' >opens.c")
    same(s.must("cd /tmp && tcc -o opens opens.c -ldl && ./opens"), "42\n")
    same(s.must("cd /tmp && echo 'int twice(int); int main(void) { return twice(4); }' >uses.c && "
                "tcc -o uses uses.c -L. -ltwice && { LD_LIBRARY_PATH=. ./uses; echo $?; }"), "8\n")


@test("tcc tells errors with file and line")
def tcc_errors(s):
    status, output = s.run("cd /tmp && printf 'int main(void)\\n{\\n\\treturn y;\\n}\\n' >bad.c && tcc bad.c 2>&1")
    same(status, 1, "status")
    same(output, "bad.c:3: error: 'y' undeclared\n")


with tempfile.TemporaryDirectory() as directory:
    main(disks=[extra_disk(directory, "files", tree=os.path.join(guest.TOP, "tests", "ports"))], smp=2)
