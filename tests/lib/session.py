# SPDX-License-Identifier: MIT
"""Tests that talk to a shell as a person would.

A file of tests registers functions with @test("what it shows") and ends with main(). Each gets a Session: a booted
guest at its prompt. A test fails by an exception; the guest is then brought back to a prompt, or booted anew. Any such
file run with --linux boots Linux with the same busybox instead, which shows that the tests themselves are right.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback

import guest
import leaks
from guest import Guest, GuestError

UP, DOWN, RIGHT, LEFT, DELETE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[3~"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROOT_OFFSET = 34 << 20          # of the third partition (distrib/image.py)
ON_LINUX = "--linux" in sys.argv

tests = []


def control(letter):
    return chr(ord(letter) & 31)


def test(name, linux=True):
    """Register a test; linux=False: Linux could not pass it."""
    def register(function):
        if linux or not ON_LINUX:
            tests.append((name, function))
        return function
    return register


class Failed(AssertionError):
    pass


def same(got, wanted, what="output"):
    if got != wanted:
        raise Failed(f"{what} {got!r}, not {wanted!r}")


def holds(pattern, text):
    if not re.search(pattern, text, re.M):
        raise Failed(f"no {pattern!r} in {text[-1500:]!r}")


def lacks(pattern, text):
    if re.search(pattern, text, re.M):
        raise Failed(f"{pattern!r} in {text[-1500:]!r}")


def linux_disk():
    """The disk of a Linux laid out as ours, made once for one state of its sources."""
    import linux
    path = os.path.join(guest.BUILD, "linux.img")
    sources = [linux.__file__, os.path.join(linux.CACHE, "busybox"), *glob.glob(os.path.join(guest.TOP, "distrib/root/etc/*"))]
    linux.initramfs()
    if not os.path.exists(path) or any(os.path.getmtime(s) > os.path.getmtime(path) for s in sources):
        linux.make_disk(path)
    return path


def disk_image():
    """What the guest is booted from."""
    return linux_disk() if ON_LINUX else os.path.join(guest.BUILD, "anole.img")


def boot(image=None, **options):
    """A Guest, Anole's or Linux's; image: another disk instead of the built one."""
    image = image or disk_image()
    if ON_LINUX:
        import linux
        return linux.Linux(disk=image, **options)
    return Guest(image=image, **options)


class Session:
    """A guest and what can be typed at it. `at` is how far its console has been waited for."""

    def __init__(self, machine):
        self.guest = machine
        self.at = 0
        self.guest.wait_for_prompt()
        self.at = len(self.guest.seen)
        self.guest.serial += 1          # run() need not wait for the first prompt
        self.greeting = self.text(0)

    def text(self, since):
        return self.guest.seen[since:].decode(errors="replace").replace("\r", "")

    def type(self, keys):
        self.guest.send(keys.encode())

    def expect(self, pattern, timeout=20):
        """Wait until pattern matches in what came after what was last waited for; the match."""
        compiled = re.compile(pattern.encode(), re.M)
        deadline = self.guest.deadline(timeout)
        while True:
            match = compiled.search(self.guest.seen[self.at:].replace(b"\r", b""))
            if match:
                self.skip(match.end())
                self.guest.taken = self.at
                return match
            try:
                going = self.guest.read_some(deadline)
            except GuestError:
                raise GuestError(f"no {pattern!r} after {timeout} s; the console ended with:\n"
                                 + self.guest.tail()) from None
            if not going:
                raise GuestError("the guest is gone; it ended with:\n" + self.guest.tail())

    def skip(self, count):
        """Past so many bytes, carriage returns not counted."""
        while count:
            count -= self.guest.seen[self.at] != 13
            self.at += 1

    def prompt(self, timeout=20):
        self.expect(r"# (\x1b\[6n)?\Z", timeout)

    def line(self, keys, timeout=20):
        """Type keys and Enter; what is printed between the end of that line and the next prompt."""
        start = self.at = len(self.guest.seen)
        self.type(keys + "\r")
        self.expect("\n", timeout)
        self.prompt(timeout)
        printed = ESCAPES.sub("", self.text(start))
        return re.sub(r"[^\n]*\Z", "", printed.split("\n", 1)[1])

    def start(self, command, settle=0.7):
        """Type a command that will read what is typed next, and leave it the time to begin."""
        self.at = len(self.guest.seen)
        self.type(command + "\r")
        self.expect(r"\n")
        time.sleep(settle)

    def kill_all_of(self, user):
        """By root, by number: the user may have no memory left for a kill. Some may have been made just now, so again;
        zombies are counted, for they have to be waited for. The guest's seconds that it took."""
        script = r"""read from rest </proc/uptime; round=0
            while set -- $(ps -o pid,user,stat | awk '$2 == "%s" { n++; if ($3 !~ /Z/) p = p " " $1 } END { print n + 0, p }')
                  [ $1 -gt 0 ] && [ $round -lt 300 ]; do
                round=$((round + 1)); shift
                if [ $# = 0 ]; then usleep 20000; else kill -9 "$@" 2>/dev/null; fi
            done; read to rest </proc/uptime; echo $from $to""" % user
        began, ended = self.must(script, 300).split()
        return float(ended) - float(began)

    def key(self, letter):
        """A control character that brings back the prompt."""
        self.type(control(letter))
        if letter == "Z":
            self.expect(r"Stopped.*\n")
        self.prompt()

    def run(self, command, timeout=60):
        """Status and output of a command that is not typed but passed on exactly."""
        try:
            return self.guest.run(command, timeout)
        finally:
            self.at = len(self.guest.seen)

    def must(self, command, timeout=60):
        status, output = self.run(command, timeout)
        if status:
            raise Failed(f"status {status} of {command!r}: {output[-1500:]}")
        return output

    def recover(self):
        """Back to an empty line, whatever is running."""
        for keys in (control("C"), control("C"), control("\\"), "\x1b:q!\r", "q", control("C")):
            try:
                self.at = len(self.guest.seen)
                self.type(keys)
                time.sleep(0.3)
                self.type(control("U") + "\r")
                self.expect(r"\n# |\n/\S* # ", 3)
                self.line("cd; kill -9 $(jobs -p) 2>/dev/null; stty sane", 5)
                return
            except (GuestError, IndexError, OSError):
                pass
        raise GuestError("no prompt after the failure")


def e2fsck(option, image, offset):
    name = f"{image}?offset={offset}" if offset else image
    path = os.environ["PATH"] + ":/sbin:/usr/sbin"
    return subprocess.run(["e2fsck", option, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "PATH": path})


def fsck(image, offset=ROOT_OFFSET):
    """The file system must be clean, as the build machine's e2fsck sees it."""
    done = e2fsck("-fn", image, offset)
    if done.returncode:
        raise Failed(f"e2fsck -fn ends with {done.returncode}: {done.stdout[-1500:]}")


def repair(image, offset=ROOT_OFFSET):
    """What is wrong after a loss of power must be what e2fsck repairs. It gets a file of its own, for it forgets the offset
    when it opens a file system again whose journal it has replayed."""
    part = f"{image}.part"
    copy = ["dd", "bs=1M", "status=none"]
    subprocess.run([*copy, "conv=sparse", f"if={image}", f"of={part}", f"skip={offset >> 20}"], check=True)
    done = e2fsck("-fy", part, 0)
    subprocess.run([*copy, "conv=notrunc", f"if={part}", f"of={image}", f"seek={offset >> 20}"], check=True)
    os.remove(part)
    if done.returncode > 1:
        raise Failed(f"e2fsck -fy ends with {done.returncode}: {done.stdout[-1500:]}")


def copy_of_disk(directory):
    """A copy that a guest may write to."""
    to = os.path.join(directory, "disk.img")
    subprocess.run(["cp", "--sparse=always", disk_image(), to], check=True)
    return to


def extra_disk(directory, name, size="16M", options=(), tree=None):
    path = os.path.join(directory, name)
    subprocess.run(["truncate", "-s", size, path], check=True)
    command = ["mke2fs", "-q", "-F", "-t", "ext2", "-O", "none,filetype,sparse_super,large_file", *options]
    path_env = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    subprocess.run(command + (["-d", tree] if tree else []) + [path], check=True, env=path_env)
    return path


def report(name, error=None, details=""):
    first = str(error).split("\n", 1)[0] if error is not None else ""
    print(f"not ok {name}: {first or type(error).__name__}" if error is not None else f"ok {name}")
    rest = str(error).split("\n", 1)[1:] if error is not None else []
    print("\n".join("    " + line for line in "\n".join(rest + [details]).strip().splitlines()[-25:]) or "", end="")
    if rest or details:
        print()
    sys.stdout.flush()


def attempt(name, function, *arguments):
    """Whether it went well; prints the line."""
    try:
        function(*arguments)
        report(name)
        return True
    except (Failed, GuestError, OSError, subprocess.SubprocessError) as error:
        report(name, error)
    except Exception as error:  # pylint: disable=broad-except
        report(name, error, traceback.format_exc())
    return False


def wanted():
    only = [a for a in sys.argv[1:] if not a.startswith("--")]
    return [(n, f) for n, f in tests if not only or any(o in n for o in only)]


def main(first=None, **options):
    """Run the registered tests in one guest, or as few as their failures allow; `first` is run in it before things are
    counted that are not to leak."""
    session, bad, before = None, 0, {}
    log = os.path.join(guest.BUILD, "log", "session-" + os.path.basename(sys.argv[0]) + (".linux" if ON_LINUX else ""))
    os.makedirs(os.path.dirname(log), exist_ok=True)
    for name, function in wanted():
        try:
            if not session:
                session = Session(boot(log=log, **options))
                before = {} if ON_LINUX else counts_before(session, first)
        except GuestError as error:
            report(name, error)
            sys.exit(1)
        if not attempt(name, function, session):
            bad += 1
            try:
                session.recover()
            except (GuestError, OSError):
                session.guest.close()
                session = None
    if session and not bad and before:
        bad += not attempt("nothing has leaked", no_leaks, session, before)
    if session:
        session.guest.close()
    sys.exit(bad != 0)


def counts_before(s, first=None):
    if first:
        s.must(first)
    return leaks.beginning(s.guest)


def no_leaks(s, before):
    _, why = leaks.settled(s.guest, before)
    if why:
        raise Failed(why)


def main_alone():
    """Each test makes its own guests and gets a directory for its disks."""
    bad = 0
    for name, function in wanted():
        with tempfile.TemporaryDirectory() as directory:
            bad += not attempt(name, function, directory)
    sys.exit(bad != 0)
