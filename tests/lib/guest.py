#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boot Anole in QEMU and talk to its shell over the serial console.

As a module: with Guest() as g: status, output = g.run("ls /").
As a program: guest.py run|exec|debug [OPTION...] ['cmd'], which ./build.sh documents.
"""
import argparse
import ctypes
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("ANOLE_BUILD") or os.path.join(TOP, "build")
PORTS = os.path.join(TOP, "build", "ports")     # what distrib/ports has made for this tree

# One guest instruction is one nanosecond, and a figure is the same on every machine. With icount=N it is 2**N of them, and
# an idle guest waits as the build machine does, so that its disk and network are not late by its clock.
ICOUNT = "shift=0,sleep=off"
ICOUNT_WAITING = "shift={},sleep=on"
ICOUNT_CPU = "max,vendor=GenuineIntel,family=6,model=94,stepping=3,-erms,-fsrm"
# The machine of tests that ask for none, as "machine=pc smp=4 mem=128 uefi=1"; and by how much to be more patient.
MACHINE = dict(word.split("=", 1) for word in os.environ.get("ANOLE_MACHINE", "").split())
PATIENCE = float(os.environ.get("ANOLE_PATIENCE", "1"))
OVMF = "/usr/share/OVMF/OVMF_CODE.fd"
PROMPT = re.compile(rb"(?:^|\n)[^\n]*# (?:\x1b\[6n)?$")     # some shells ask where the cursor is


# What will be thrown away need not be on the build machine's disk when the guest flushes its own: that may take a minute
# while others write to it.
THROWAWAY = ",snapshot=on,cache=unsafe"


class GuestError(Exception):
    """The guest did not do what was expected of it; the message says what it printed."""


def qemu_command(image="anole.img", disks=(), smp=None, mem=512, icount=False, cpu=None, machine="q35", uefi=False,
                 snapshot=False, debug_exit=False, share=None, console=("-nographic",), extra=()):
    drive = f"file={os.path.join(BUILD, image)},format=raw,if=virtio"
    command = ["qemu-system-x86_64", "-M", machine, "-accel", "tcg", "-m", str(mem),
               "-drive", drive + (THROWAWAY if snapshot else ""), *console]
    for disk in disks:
        command += ["-drive", f"file={disk},format=raw,if=virtio"]
    if smp or icount:
        command += ["-smp", str(smp or 1)]
    if icount:
        command += ["-icount", ICOUNT if icount is True else ICOUNT_WAITING.format(icount)]
    if cpu or icount:
        command += ["-cpu", cpu or ICOUNT_CPU]
    if uefi:
        command += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
    if share:
        path = os.path.abspath(share).replace(",", ",,")
        command += ["-virtfs", f"local,path={path},mount_tag=host,security_model=none,multidevs=remap"]
    if debug_exit:
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    return command + list(extra)


def quote(text):
    """One word of shell text without a control character, which the guest's line editor would act upon."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in "'\\":
            out.append("\\" + char)
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return out


def die_with_parent():
    """In the child: a QEMU must not outlive a harness that is killed (PR_SET_PDEATHSIG, prctl(2))."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Guest:
    """A running QEMU. Options are those of qemu_command(); by default changes to the image are thrown away."""

    def __init__(self, timeout=120, log=None, **options):
        if not options.get("icount"):
            options = {**MACHINE, **options}
        options.setdefault("snapshot", True)
        options.setdefault("console", ("-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"))
        self.timeout = timeout * PATIENCE
        self.seen = bytearray()  # all of the console so far
        self.taken = 0          # how much of it expect() has consumed
        self.serial = 0
        self.log = open(log, "wb") if log else None
        self.qemu = subprocess.Popen(qemu_command(**options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def deadline(self, timeout):
        return time.monotonic() + (timeout * PATIENCE if timeout else self.timeout)

    def read_some(self, deadline):
        """Add what the console prints next; False at its end."""
        wait = deadline - time.monotonic()
        if wait <= 0 or not select.select([self.qemu.stdout], [], [], wait)[0]:
            raise GuestError("timeout; the console ended with:\n" + self.tail())
        data = os.read(self.qemu.stdout.fileno(), 65536)
        if self.log:
            self.log.write(data)
            self.log.flush()
        self.seen += data
        return bool(data)

    def tail(self, size=2000):
        return self.seen[-size:].decode(errors="replace")

    def expect(self, pattern, timeout=None):
        """Read until the bytes regular expression matches what was not consumed yet; the match."""
        if not hasattr(pattern, "search"):
            pattern = re.compile(pattern if isinstance(pattern, bytes) else pattern.encode())
        deadline = self.deadline(timeout)
        while True:
            match = pattern.search(bytes(self.seen[self.taken:]).replace(b"\r", b""))
            if match:
                self.taken = len(self.seen)
                return match
            if not self.read_some(deadline):
                raise GuestError(f"the guest is gone (QEMU's status {self.qemu.wait()}); it ended with:\n" + self.tail())

    def send(self, data):
        self.qemu.stdin.write(data)
        self.qemu.stdin.flush()

    def sendline(self, line=""):
        self.send(line.encode() + b"\r")

    def wait_for_prompt(self, timeout=None):
        self.expect(PROMPT, timeout)

    def run(self, command, timeout=None, on_output=None):
        """Run a command in the guest's shell: (exit status, output). The shell must be at its prompt, or booting."""
        if self.serial == 0:
            self.wait_for_prompt(timeout)
        self.serial += 1
        mark = f"{os.getpid():x}.{self.serial}"
        # In pieces that fit the line editor; the markers do not occur in the echo of what is typed.
        chars = quote(command)
        self.sendline("C=")
        self.wait_for_prompt(timeout)
        for at in range(0, len(chars), 100):
            self.sendline("C=$C$'" + "".join(chars[at:at + 100]) + "'")
            self.wait_for_prompt(timeout)
        self.sendline(f"echo '<'{mark}'>'; sh -c \"$C\"; echo '<'/{mark} $?'>'")
        self.expect(rf"<{mark}>\n", timeout)
        status, output = self.collect(mark, timeout, on_output)
        self.wait_for_prompt(timeout)
        return status, output

    def collect(self, mark, timeout, on_output):
        """The output up to the end marker, handed to on_output as it comes."""
        at = self.seen.rindex(f"<{mark}>".encode())
        at = self.seen.index(b"\n", at) + 1
        end = re.compile(rf"</{re.escape(mark)} (\d+)>".encode())
        deadline = self.deadline(timeout)
        output = []
        while True:
            text = bytes(self.seen[at:])
            match = end.search(text)
            # What may be the beginning of the marker, or half of a line's end, waits for more.
            done = match.start() if match else max(0, len(text) - len(mark) - 16)
            if not match and text[:done].endswith(b"\r"):
                done -= 1
            if done:
                output.append(text[:done].replace(b"\r\n", b"\n"))
                if on_output:
                    on_output(output[-1])
            if match:
                self.taken = at + match.end()
                return int(match.group(1)), b"".join(output).decode(errors="replace")
            at += done
            if not self.read_some(deadline):
                raise GuestError("the guest went away while it ran the command; it ended with:\n" + self.tail())

    def wait(self, timeout=None):
        """Read until QEMU ends by itself; its status."""
        deadline = self.deadline(timeout)
        while self.read_some(deadline):
            pass
        return self.qemu.wait()

    def poweroff(self, timeout=None):
        self.sendline("poweroff")
        return self.wait(timeout)

    def close(self):
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        if self.log:
            self.log.close()


def options_of(args):
    image = "test-kernel.img" if args.kernel_test else "anole.img"
    return dict(image=image, disks=args.disk, smp=args.smp, mem=args.mem, icount=args.icount, cpu=args.cpu,
                machine=args.machine, uefi=args.uefi, share=args.share, debug_exit=args.kernel_test)


def network(*forwards):
    """A card in a user network: the host's loopback only. forwards: (port of the host's, port of the guest's)."""
    lead = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards)
    return ("-nic", "user,model=virtio-net-pci" + lead)


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return s.connect_ex(("127.0.0.1", port)) != 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(args):
    extra = ("-device", "virtio-rng-pci") + network(*[(2222, 22)] if is_free(2222) else [])
    command = qemu_command(extra=extra, **options_of(args))
    os.execvp(command[0], command)


def execute(args):
    def show(data):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    with Guest(timeout=args.timeout, **options_of(args)) as guest:
        return guest.run(args.command, on_output=show)[0]


def debug(args):
    """gdb on this terminal; the guest's console goes to a file and can be used by telnet."""
    log = os.path.join(BUILD, "debug.log")
    console = ("-display", "none", "-monitor", "none", "-chardev",
               f"socket,id=console,host=127.0.0.1,port=4445,server=on,wait=off,telnet=on,logfile={log}",
               "-serial", "chardev:console", "-gdb", "tcp:127.0.0.1:4444", "-S")
    qemu = subprocess.Popen(qemu_command(console=console, snapshot=True, **options_of(args)), start_new_session=True,
                            preexec_fn=die_with_parent)
    print(f"the guest's console: telnet localhost 4445 (and {os.path.relpath(log)})")
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)        # C-c is for gdb
        return subprocess.call(["gdb", "-q", "-x", os.path.join(TOP, "mk", "debug.py")], cwd=TOP)
    finally:
        qemu.kill()


def main():
    parser = argparse.ArgumentParser(prog="build.sh")
    parser.add_argument("verb", choices=["run", "exec", "debug"])
    parser.add_argument("--disk", action="append", default=[])
    parser.add_argument("--share")
    parser.add_argument("--smp", type=int)
    parser.add_argument("--mem", default=512)
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--cpu")
    parser.add_argument("--machine", default="q35")
    parser.add_argument("--uefi", action="store_true")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--kernel-test", action="store_true")
    parser.add_argument("command", nargs="?")
    args = parser.parse_intermixed_args()
    if (args.verb == "exec") != (args.command is not None):
        parser.error("exec wants one command, the other verbs none")
    try:
        sys.exit({"run": run, "exec": execute, "debug": debug}[args.verb](args))
    except GuestError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
