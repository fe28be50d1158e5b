# SPDX-License-Identifier: MIT
"""What is left when something dies, and what a debugger sees of a system that runs."""
import os
import re
import socket
import subprocess

from guest import TOP
from session import Failed, Session, boot, holds, lacks, main_alone, same, test


def shell(directory, **options):
    return Session(boot(log=os.path.join(directory, "console"), **options))


def functions(program):
    """Names and addresses of a service's functions."""
    listed = subprocess.run(["nm", f"{TOP}/build/bin/{program}"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {words[2] for words in map(str.split, listed.splitlines()) if len(words) == 3 and words[1] in "tTwW"}


def report(s, name):
    """The text of the report, once crashd has written it."""
    s.must(f"n=0; until [ -s /var/log/crash/{name} ] || [ $n = 50 ]; do sleep 0.1; n=$((n+1)); done")
    return s.must(f"sync; cat /var/log/crash/{name}")


@test("a service that faults leaves a report: reason, registers, who called whom", linux=False)
def crash_report(directory):
    s = shell(directory)
    for name in ("vfs", "pm", "ext2"):
        s.must(f"service crash {name}", 60)
        text = report(s, f"{name}.0")
        holds(rf"^service +{name} \(program {name}\)$", text)
        holds(r"^reason +fault 14 at [0-9a-f]+, address 10$", text)
        holds(r"^incarnation +1, up \d", text)
        frames = re.findall(r"^  #\d+ +[0-9a-f]{16} (\w+)\+0x[0-9a-f]+$", text, re.M)
        same(frames[0], "crash_on_request")
        if "main" not in frames or not set(frames) <= functions(name):
            raise Failed(f"{name}: {frames} are not all functions of it, up to main")
        holds(r"rip   [0-9a-f]{16}", text)
        holds(r"^  served +service\.crash\(\) of service 1, .*delivered 1 time$", text)
        same(s.must(f"service status {name}").split("\n")[1].split()[2], "2", f"incarnation of {name}")
    s.must("service crash vfs", 60)
    holds(r"^incarnation +2, ", report(s, "vfs.1"))
    s.must("service kill vfs; sleep 1")
    same(s.must("ls /var/log/crash | grep -c vfs"), "2\n", "a kill is no crash: reports of vfs")
    s.guest.close()


@test("only root reads reports; a report is written once, also after crashd was killed", linux=False)
def crashd(directory):
    s = shell(directory)
    s.must("service crash tmpfs", 60)
    report(s, "tmpfs.0")
    holds("Permission denied", s.run("su -s /bin/sh user -c 'ls /var/log/crash' 2>&1")[1])
    s.must("killall crashd; sleep 2; service crash mem", 60)
    report(s, "mem.0")
    same(s.must("ls /var/log/crash | cat"), "mem.0\ntmpfs.0\n")
    s.guest.close()


@test("a panic shows what, where and who called whom, then stops", linux=False)
def panic(directory):
    s = shell(directory)
    s.type("service panic\r")
    s.expect(r"\*\*\* halted \*\*\*", 30)
    text = s.text(0)
    holds(r"\*\*\* Anole kernel panic on processor \d \*\*\*", text)
    holds(r"asked for", text)
    holds(r"sys_system_reset\+0x", text)
    holds(r"kernel_syscall\w*\+0x", text)
    s.guest.close()


@test("service dump: threads and what they wait for, endpoints and their calls, memory", linux=False)
def dump(directory):
    s = shell(directory)
    text = s.must("service dump; dmesg | sed -n '/dump: /,$p'")
    holds(r"\] +ext2 \d+: waiting for messages, ", text)
    holds(r"\] +init 1: calling for its call, .*; served at pm: operation 4\.\d+, badge 1$", text)
    holds(r"\] +uart16550: waits$", text)
    holds(r"\] +served: operation 1\.2 of service \d+, ", text)
    holds(r"\] dump: memory: \d+ pages, \d+ free, ", text)
    s.guest.close()


@test("an NMI dumps onto the console, whatever the services do", linux=False)
def nmi(directory):
    path = os.path.join(directory, "monitor")
    s = shell(directory, console=("-display", "none", "-serial", "stdio", "-no-reboot",
                                  "-monitor", f"unix:{path},server=on,wait=off"))
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(path)
        monitor.sendall(b"nmi\n")
        s.expect(r"dump: end", 30)
    text = s.text(0)
    holds(r"\] +\w+ \d+: waiting for messages", text)
    holds(r"\] +vfs \d+: \w", text)
    same(s.must("echo alive"), "alive\n")
    s.guest.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@test("a program that crashes leaves a line in the log, not as many as it likes", linux=False)
def program_crash(directory):
    s = shell(directory)
    s.run("sh -c 'kill -SEGV $$'; sh -c 'kill -ABRT $$'; sh -c 'kill -TERM $$'")
    text = s.must("dmesg")
    holds(r"\] pm: sh \(\d+\): ended by signal 11 at [0-9a-f]{4,}, sp [0-9a-f]{4,}$", text)
    holds(r"\] pm: sh \(\d+\): ended by signal 6 at ", text)
    lacks(r"ended by signal 15", text)
    s.run("for i in $(seq 40); do sh -c 'kill -SEGV $$'; done 2>/dev/null", 60)
    lines = s.must("dmesg").count("ended by signal 11")
    if not 2 <= lines < 41:
        raise Failed(f"{lines} lines of 41 crashes")
    s.guest.close()


@test("gdb: threads, endpoints, capabilities, spaces, memory objects", linux=False)
def debugger(directory):
    port = free_port()
    s = shell(directory, extra=("-gdb", f"tcp:127.0.0.1:{port}"))
    commands = ["anole threads", "anole endpoints", "anole caps ext2", "anole caps sh", "anole space vfs", "anole memory",
                "service ext2", "info address main", "detach"]
    done = subprocess.run(["gdb", "-q", "-nx", "-batch", "-x", "mk/debug.py", *[w for c in commands for w in ("-ex", c)]],
                          cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, env={**os.environ, "ANOLE_GDB": f"127.0.0.1:{port}"})
    text = done.stdout
    for name in ("rs", "pci", "pm", "vfs", "ext2", "tty", "uart16550", "virtio_blk"):
        holds(rf"^{name} +(waiting for messages|running|ready)", text)
        holds(rf"^{name} +(waits|is busy), struct endpoint at 0x", text)
    holds(r"^init\[1\] +calling for its call, served at pm: operation 4\.\d+, cpu", text)
    holds(r"^    served: operation 4\.\d+ of init\[1\], badge 0x1$", text)
    holds(r"^ext2: private table\n(?: +0 .*\n)? +1 endpoint +rights f, at 0x\w+: ext2$", text)
    holds(r"^sh\[\d+\]: descriptors\n +0 badge .*: tty, badge 0x", text)
    holds(r"^ +0x400000 - +0x\w+ r-xs memory object \d+ from 0x", text)
    holds(r"^ +\d+ (paged|anonymous) +\d+ bytes, \d+ pages resident: ", text)
    holds(r'Symbol "main" is a function', text)
    lacks(r"Traceback|Python Exception|Error", text)
    same(s.must("echo alive"), "alive\n")
    s.guest.close()


main_alone()
