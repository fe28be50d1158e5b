#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TEST: timeout=3000

busybox's own tests (testsuite/ and shell/ash_test), run by the same binaries from the same disk on Anole and on Linux
in the same QEMU: what passes on Linux has to pass on Anole. Linux's results are kept until something changes.

    PYTHONPATH=tests/lib python3 tests/suites/busybox.py [--full] [--overlay] [NAME...]

NAME is an applet or a directory of ash_test. Without --full it is a sample. --overlay: our own build of busybox on
Anole, against the unmodified one on Linux.
"""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import guest
import linux
import session

CACHE = linux.CACHE
FULL, OVERLAY = "--full" in sys.argv, "--overlay" in sys.argv
QUIET = 240             # seconds without a line after which a test hangs
HELPERS = ("recho", "zecho", "printenv")
SAMPLE = ("ash-misc ash-parsing ash-redir ash-heredoc ash-vars cat cp cpio date find grep head ln ls md5sum mkdir mount mv patch "
          "pidof printf ps readlink rm sed sort start-stop-daemon sum tail tar tee test touch tr uniq wc which xargs").split()
LONG = ("bc",)          # half an hour of arithmetic in one process: only by name
CASE = re.compile(r"^(PASS|FAIL|SKIPPED|UNTESTED): (.*)$")
SHELL_CASE = re.compile(r"^(ash-\S+?\.tests|ash-\S+/run-\S+): ?(ok|fail)$")
VERDICT = {"ok": "PASS", "fail": "FAIL"}
# runtest makes 400 links anew for each of the few applets it is asked for.
KEEP_LINKS = r's/^rm -rf "$LINKSDIR".*//; s/^\tln -s/\t[ -e "$LINKSDIR\/$i" ] || ln -s/'


def run(*command, **options):
    return linux.run(*command, **options)


def stage(root):
    """What is on the disk: both programs, their configuration, the tests and their helpers."""
    source = glob.glob(f"{os.path.dirname(CACHE)}/src/busybox_*.orig.tar.bz2")[0]
    run("tar", "-xf", source, "-C", root, "--strip-components=1", "--wildcards", "*/testsuite", "*/shell/ash_test",
        "*/scripts")
    shutil.copy(f"{CACHE}/busybox", f"{root}/busybox")
    shutil.copy(f"{guest.PORTS}/stage/busybox/bin/busybox", f"{root}/busybox.overlay")
    shutil.copy(f"{guest.PORTS}/work/busybox/.config", f"{root}/.config")
    run("sed", "-i", KEEP_LINKS, f"{root}/testsuite/runtest")
    for helper in HELPERS:
        path = f"{root}/shell/ash_test/{helper}"
        run("musl-gcc", "-static", "-w", "-O2", "-o", path, f"{path}.c")


def digest(root):
    """Of all files below, and of Linux."""
    key = hashlib.sha256()
    for directory, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = os.path.join(directory, name)
            key.update(os.path.relpath(path, root).encode())
            if not os.path.islink(path) and not name.endswith(".overlay"):
                with open(path, "rb") as f:
                    key.update(f.read())
    with open(f"{CACHE}/vmlinuz", "rb") as f:
        key.update(f.read())
    return key.hexdigest()[:16]


def names_of(root):
    """The applets that have tests, and the shell's directories."""
    suite = {os.path.basename(p).removesuffix(".tests") for p in glob.glob(f"{root}/testsuite/*.tests")}
    suite |= {os.path.basename(p) for p in glob.glob(f"{root}/testsuite/*") if os.path.isdir(p)}
    return sorted(suite, key=lambda n: (n in LONG, n)), sorted(os.path.basename(p) for p in glob.glob(f"{root}/shell/ash_test/ash-*"))


class Run:
    """The tests with some names in one system, in as many guests as it takes."""

    def __init__(self, root, work, on_linux, done):
        self.root, self.work, self.on_linux, self.done = root, work, on_linux, done
        self.results, self.details = {}, {}
        self.machine = None
        self.group, self.partial, self.text = "", "", []

    def boot(self):
        disk = session.extra_disk(self.work, "suite.img", "128M", tree=self.root)
        session.ON_LINUX = self.on_linux
        log = os.path.join(guest.BUILD, "log", "suite-busybox" + (".linux" if self.on_linux else ""))
        os.makedirs(os.path.dirname(log), exist_ok=True)
        self.machine = session.boot(disks=[disk], log=log, timeout=QUIET)
        program = "mkdir -p /mnt; mount -t ext2 /dev/vdb /mnt && cd /mnt"
        if OVERLAY and not self.on_linux:
            program += " && mv busybox.overlay busybox"
        status, output = self.machine.run(program, 120)
        if status:
            raise guest.GuestError("no disk with the tests: " + output)

    def close(self):
        if self.machine:
            self.machine.close()
        self.machine = None

    def take(self, data):
        """Lines as they come; what belongs to no test is kept for the next result."""
        *lines, self.partial = (self.partial + data.decode(errors="replace")).split("\n")
        for line in lines:
            case, shell = CASE.match(line), SHELL_CASE.match(line)
            if case:
                self.result(f"{self.group}: {case.group(2)}", case.group(1))
            elif shell:
                self.result(shell.group(1), VERDICT[shell.group(2)])
            else:
                self.text.append(line)

    def result(self, name, verdict):
        base, count = name, 1
        while name in self.results:
            count += 1
            name = f"{base} ({count})"
        self.results[name] = verdict
        self.details[name] = self.text
        self.text = []

    def some(self, directory, command, names):
        """Run them; one that hangs is killed together with its guest, and noted."""
        while names:
            self.group, self.partial, self.text = names[0], "", []
            try:
                if not self.machine:
                    self.boot()
                for name in list(names):
                    self.group = name
                    self.one(directory, command, name)
                    self.done(name, self)
                    names = names[1:]
            except guest.GuestError as error:
                if not self.machine or self.machine.serial == 0:
                    raise
                self.text.append(str(error))
                self.result(f"{names[0]}: hangs", "FAIL")
                self.done(names[0], self)
                self.close()
                names = names[1:]

    def one(self, directory, command, name):
        """run-all leaves the difference of a test that fails in a file."""
        self.machine.run(f"cd /mnt/{directory} && {command} {name} 2>&1 </dev/null; "
                         f"for f in ./{name}*.fail; do test -s $f && cat $f; done", QUIET * 4, self.take)
        for case, verdict in self.results.items():
            if verdict == "FAIL" and case.startswith(name + "/"):
                self.details[case] = self.text


def everything(root, names, on_linux, done=lambda name, run: None):
    """Calls done after each name."""
    suite, shell = names_of(root)
    with tempfile.TemporaryDirectory() as work:
        going = Run(root, work, on_linux, done)
        try:
            going.some("shell/ash_test", "./run-all", [n for n in shell if n in names])
            going.some("testsuite", "./runtest -v", [n for n in suite if n in names])
        finally:
            going.close()
    return going


def linux_results(root, names, key):
    """From the cache as far as they are there."""
    path = f"{CACHE}/suite-busybox-{key}.json"
    known = {}
    if os.path.exists(path):
        with open(path) as f:
            known = json.load(f)

    def keep(name, going):
        known[name] = {case: v for case, v in going.results.items() if re.split(r"[:/]", case)[0] == name}
        with open(path + ".new", "w") as f:
            json.dump(known, f, indent=1)
        os.rename(path + ".new", path)

    missing = [n for n in names if n not in known]
    if missing:
        everything(root, missing, True, keep)
    return {case: v for name in names for case, v in known[name].items()}


def justified():
    """The tests that docs/conformance.md excuses: rows `| `name` | cause |` of its table of differences."""
    with open(f"{guest.TOP}/docs/conformance.md") as f:
        section = f.read().split("## Differences", 1)[-1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.M))


def compare(ours, theirs):
    """Whether every test that passes on Linux passes here; one line for each of those."""
    excused, bad = justified(), 0
    for name, verdict in theirs.items():
        if verdict != "PASS":
            continue
        got = ours.results.get(name, "not run")
        if got == "PASS":
            print(f"ok {name.replace(':', ',')}")
        elif name not in excused:
            bad += 1
            session.report(name.replace(":", ","), f"{got}, but Linux passes", "\n".join(ours.details.get(name, [])))
    return bad == 0


def main():
    linux.initramfs()
    with tempfile.TemporaryDirectory() as root:
        stage(root)
        suite, shell = names_of(root)
        asked = [a for a in sys.argv[1:] if not a.startswith("--")]
        names = asked or ([n for n in suite + shell if n not in LONG] if FULL else list(SAMPLE))
        theirs = linux_results(root, [n for n in names if n in suite + shell], digest(root))
        ours = everything(root, names, False)
    good = compare(ours, theirs)
    others = sum(v != "PASS" for v in theirs.values())
    print(f"  {len(theirs) - others} pass on Linux; {others} fail there, are skipped or have no program")
    sys.exit(not good)


main()
