# SPDX-License-Identifier: MIT
"""What runs out is an error for who asked, and the system goes on."""
from session import Failed, control, holds, lacks, main, same, test

OPEN_ALL = "n=0; while exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null; do break; done"


@test("ulimit -n: no more descriptors than that")
def descriptors(s):
    output = s.run("ulimit -n 7; " + OPEN_ALL + "; echo not reached")[1]
    holds("No file descriptors available|Bad file descriptor|Invalid argument", output)
    lacks("not reached", output)


@test("descriptors run out in one program only")
def descriptors_of_one(s):
    holds("No file descriptors available|can.t create pipe", s.run("ulimit -n 4; echo x | cat | cat 2>&1; cat /etc/passwd /etc/group | wc -l")[1])
    same(s.must("echo fine | cat"), "fine\n")


@test("ulimit -u: a user's forks fail, root's do not")
def processes(s):
    output = s.run("su -s /bin/sh user -c 'ulimit -u 8; for i in $(seq 30); do sleep 3 & done; wait' 2>&1", 60)[1]
    holds("can't fork|Resource temporarily unavailable", output)
    same(s.must("echo $(echo alive)"), "alive\n")


@test("a fork bomb under ulimit -u hurts its owner only")
def fork_bomb(s):
    s.run("su -s /bin/sh user -c 'ulimit -u 20; b() { b | b & }; b; sleep 3' >/dev/null 2>&1", 90)
    same(s.must("echo $(echo alive)", 60), "alive\n")
    s.kill_all_of("user")
    same(s.must("ps -o user | grep -c ^user || true", 60), "0\n")


@test("ulimit -f: SIGXFSZ or EFBIG")
def file_size(s):
    status, _ = s.run("ulimit -f 16; dd if=/dev/zero of=/tmp/limited bs=1k count=100 2>/dev/null")
    if status == 0:
        raise Failed("dd wrote 100 KiB under a limit of 8")
    same(s.must("stat -c %s /tmp/limited"), "8192\n")


@test("ulimit -v: memory is refused")
def address_space(s):
    status, output = s.run("ulimit -v 20000; dd if=/dev/zero of=/dev/null bs=100M count=1 2>&1")
    if status == 0:
        raise Failed("100 MiB under a limit of 20")
    holds("out of memory|memory exhausted|Cannot allocate", output)


@test("more memory than there is: refused or killed, the system lives")
def out_of_memory(s):
    status, _ = s.run("dd if=/dev/zero of=/dev/null bs=3000M count=1 2>/dev/null", 120)
    if status == 0:
        raise Failed("3 GB out of 512 MB")
    same(s.must("echo $(echo alive)", 60), "alive\n")


@test("tmpfs fills up: ENOSPC, and room again after rm")
def tmpfs_full(s):
    status, output = s.run("dd if=/dev/zero of=/tmp/fill bs=1M count=2000 2>&1", 180)
    if status == 0:
        raise Failed("2 GB in 512 MB")
    holds("No space left|Cannot allocate", output)
    s.must("rm /tmp/fill; echo room >/tmp/room; cat /tmp/room", 60)


@test("endless recursion ends with SIGSEGV")
def stack_overflow(s):
    status, _ = s.run("sh -c 'f() { f; }; f' 2>/dev/null", 120)
    same(status, 139, "status")


@test("CPU time under ulimit -t")
def cpu_time(s):
    status, _ = s.run("ulimit -t 1; while :; do :; done", 60)
    if status < 128:
        raise Failed(f"status {status}")


@test("a busy loop leaves the shell usable")
def busy(s):
    s.line("while :; do :; done &")
    same(s.line("echo prompt", 30), "prompt\n")
    s.line("kill -9 %1; sleep 1", 30)
    s.line("")


@test("a pipe whose reader sleeps blocks its writer, and only it")
def full_pipe(s):
    s.start("yes | sleep 100")
    s.type(control("C"))
    s.prompt()
    same(s.must("echo fine"), "fine\n")


main(mem=512)      # what fills up and how much is too much depends on it
