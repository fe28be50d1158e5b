#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kill matrix: each service dies in each way, idle and under load, and nobody may have noticed more than a pause.

TEST: slow timeout=1200

A cell is a service, a way to die and a load; tests/recovery/effects does the work in the guest and tells whether each
effect has happened once and was reported so. Time is counted in instructions: a busy build machine changes nothing, and
waiting costs none. As a test some cells are drawn from those that have to pass, for a limited time, longer with --full.
The seed is printed; --seed N takes another. --full N runs every cell N times, by --jobs J guests at once, and writes the
tables of docs/recovery.md; --resume FILE keeps there what has been run, and goes on from it; --only SERVICE[,WAY[,LOAD]]
limits that and writes nothing. --cost measures what a restart costs who waits for it.
"""
import argparse
import datetime
import itertools
import json
import os
import random
import re
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from guest import BUILD, TOP, Guest, GuestError, network  # noqa: E402

EFFECTS = "/usr/lib/anole/tests/effects"
SAMPLE_SECONDS, FULL_SECONDS = 70, 400
CELL_TIMEOUT = 300      # of the build machine's time
SHIFT = 6               # an instruction takes 2**SHIFT ns: hanging is only noticed after so many of them
STEPS = 3000
BATCH = 8               # cells in one script
TRIES = 2               # after which a fault that does not come with this load is given up
COSTS = 60
FAULTS = ["segfault", "abort", "exit", "loop", "silent", "malformed", "wild"]
WAYS = ["kill", *FAULTS, "step"]
LOADS = ["idle", "pipeline", "files", "shell", "build"]
LINE = re.compile(r"^cell (\w+) (\d+) (.*); (.*)$", re.M)
PAGE = os.path.join(TOP, "docs", "recovery.md")

# Ended at random instructions all at the same time. RS and its standby are not: one makes the other again. What a serial
# line has been given goes out twice.
EXACT = "vfs pipe ext2 pm tmpfs tty procfs block virtio_blk mem net".split()

PROJECT = r"""mkdir -p /tmp/project && cd /tmp/project && rm -f over &&
for i in 1 2 3; do echo "int f$i(void) { return 1$i; }" >f$i.c; done &&
echo 'int f1(void), f2(void), f3(void); int main(void) { return f1() + f2() + f3(); }' >main.c &&
printf 'OBJECTS = main.o f1.o f2.o f3.o\nprogram: $(OBJECTS)\n\ttcc -o $@ $(OBJECTS)\n%%.o: %%.c\n\ttcc -c -o $@ $<\nclean:\n\trm -f program $(OBJECTS)\n' >Makefile
"""
BUILDS = ("(cd /tmp/project; while [ ! -e over ]; do make -s clean program && ./program; "
          "[ $? = 36 ] || { echo 'cell failed 0 -; a build'; break; }; done) & sleep 0.1; ")


class Cell:
    """One service, one way, one load, and what came of it."""

    def __init__(self, service, way, load):
        self.service, self.way, self.load = service, way, load
        self.results = []       # (verdict, pause in us, what)
        self.running = False

    def __str__(self):
        return f"{self.service}, {self.way}, {self.load}"

    def command(self, rng):
        if self.way == "kill":
            return f"kill {self.service}"
        if self.way == "step":
            return f"step {self.service} {rng.randint(1, STEPS)}"
        if self.way in FAULTS:
            return f"inject {self.service} {self.way} {rng.randint(0, 3)}"
        return f"inject {self.service} segfault 0 {self.way}"

    def count(self, verdict):
        return sum(v == verdict for v, _, _ in self.results)


class Machine:
    """A guest that is booted again when it has come to harm."""

    def __init__(self, shift=SHIFT):
        self.guest, self.project, self.shift = None, False, shift
        self.mark = 0           # what the console had said before the script
        self.folder = tempfile.TemporaryDirectory(prefix="matrix")
        with open(os.path.join(self.folder.name, "matrix"), "w") as f:
            f.write("for others.c to find\n")

    def get(self):
        if not self.guest:
            self.guest = Guest(timeout=CELL_TIMEOUT, mem=256, icount=self.shift, share=self.folder.name,
                               extra=("-device", "virtio-rng-pci") + network())
        return self.guest

    def drop(self):
        if self.guest:
            self.guest.close()
        self.guest, self.project = None, False
        for name in os.listdir(self.folder.name):
            if name.isdigit():
                os.unlink(os.path.join(self.folder.name, name))     # which effects was at

    def run(self, cells, rng):
        """For each cell, up to the first that fails: (verdict, the longest that a client waited in us, for what or what was
        wrong). One script runs them all: typing takes longer than a cell."""
        commands = [cell.command(rng) for cell in cells]
        with open(os.path.join(self.folder.name, "cells"), "w") as f:
            f.write("".join(map(script, itertools.count(), cells, commands)))
        error = self.attempt(any(cell.load == "build" for cell in cells))
        said = self.guest.seen[self.mark:].replace(b"\r", b"").decode(errors="replace")
        results = []
        for text in said.split("\ncell begins ")[1:]:
            results.append(result_of(text))
            if results[-1][0] == "failed":
                break
        if not results:
            results = [("failed", 0, error or "the script has said nothing")]
        if error and results[-1][0] != "failed":
            results[-1] = ("failed", 0, error)
        if results[-1][0] == "failed":
            self.keep(f"{cells[len(results) - 1]}: {commands[len(results) - 1]}: {results[-1][2]}")
            self.drop()
        return results

    def keep(self, what):
        """What RS says of it."""
        try:
            said = self.guest.run("dmesg | tail -40; service", CELL_TIMEOUT)[1]
        except GuestError as error:
            said = str(error)
        os.makedirs(os.path.join(BUILD, "log"), exist_ok=True)
        with open(os.path.join(BUILD, "log", "recovery.matrix.failures"), "a") as f:
            f.write(f"=== {what}\n{said}\n")

    def attempt(self, builds):
        """Run the script; what went wrong with that."""
        try:
            if builds and not self.project:
                self.get().run(PROJECT)
                self.project = True
            self.mark = len(self.get().seen)
            self.get().run("cp /host/cells /tmp/cells; sh /tmp/cells", CELL_TIMEOUT)
            # The terminal is part of it.
            if self.get().run("echo $((6 * 7))", CELL_TIMEOUT) != (0, "42\n"):
                return "the shell does not echo"
        except GuestError as error:
            return "hangs: " + str(error).split("\n", 1)[0]
        return None


def script(number, cell, command):
    """Lines of the shell's for a cell."""
    load = "idle" if cell.load == "build" else cell.load
    line = f"{EFFECTS} {load} {cell.service} {command} || bad=1\n"
    if cell.load == "build":
        line = f"rm -f /tmp/project/over; {BUILDS}\n{line}touch /tmp/project/over; wait\n"
    return f"echo; echo cell begins {number}\n{line}[ -z \"$bad\" ] || exit\n"


def result_of(text):
    lines = LINE.findall(text)
    bad = [line for line in lines if line[0] == "failed"] or lines
    if not bad:
        return "failed", 0, "no answer: " + text.strip()[-60:].replace("\n", " ")
    verdict, pause, slowest, failure = bad[-1]
    return verdict, int(pause), failure if verdict == "failed" else slowest


def services_and_points(machine):
    """{service: labels of its points}, as they run in this boot."""
    output = machine.get().run("service | grep ' running ' | while read n rest; do echo =$n; service points $n 2>/dev/null; done")[1]
    found = {}
    for line in output.splitlines():
        if line.startswith("="):
            labels = found.setdefault(line[1:], [])
        else:
            labels.append(line)
    return found


def all_cells(machine):
    cells = []
    for service, labels in services_and_points(machine).items():
        for way in WAYS + labels:
            cells += [Cell(service, way, load) for load in LOADS if way in WAYS or load in ("idle", "files")]
    return cells


def required(cell):
    return cell.way != "wild"


def sample(cells, machine, rng, seconds):
    """Run cells in random order while there is time: those with long waits only now and then. Wild writes may do harm."""
    drawn = [c for c in cells if required(c)]
    rng.shuffle(drawn)
    drawn.sort(key=lambda c: c.way in ("loop", "silent"))
    slow = [c for c in drawn if c.way in ("loop", "silent")][:BATCH]
    drawn = slow + [c for c in drawn if c not in slow]
    end = time.monotonic() + seconds
    for at in range(0, len(drawn), BATCH):
        if time.monotonic() > end:
            break
        batch = drawn[at:at + BATCH]
        for cell, result in zip(batch, machine.run(batch, rng)):
            cell.results.append(result)
    return [c for c in drawn if c.results]


def report(cells):
    """A line for each service."""
    for service in sorted({c.service for c in cells}):
        mine = [c for c in cells if c.service == service]
        bad = [f"{c.way}, {c.load}: {r[2]}" for c in mine for r in c.results if r[0] not in ("recovered", "unreached")]
        ran = sum(c.count("recovered") for c in mine)
        print(f"not ok matrix {service}: {'; '.join(bad)}" if bad else f"ok matrix {service} ({ran} of {len(mine)} reached)")
    return any(r[0] in ("failed", "refused") for c in cells for r in c.results)


def exactly_once(machine, services, seconds, seed):
    """Programs count what they do while the services end at random instructions."""
    name = "each effect once while " + ", ".join(services) + " are ended at random instructions"
    try:
        output = machine.get().run(f"{EFFECTS} constant {seconds} {seed} {' '.join(services)}", seconds + 60)[1]
    except GuestError as error:
        machine.drop()
        output = "hangs: " + str(error).split("\n", 1)[0]
    good = output.strip().endswith("each once")
    print(f"ok {name}" if good else f"not ok {name}: {output.strip()}", flush=True)
    return good, output.strip()


# --- the page -----------------------------------------------------------------------------------------------

def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def shown(cells):
    """Recovered of reached."""
    good, bad = sum(c.count("recovered") for c in cells), sum(c.count("failed") for c in cells)
    return f"{good}/{good + bad}" if good + bad else "–"


def row(service, cells):
    def of(*ways):
        return shown([c for c in cells if c.way in ways])
    points = [c.way for c in cells if c.way not in WAYS]
    pauses = [p for c in cells if c.way not in ("loop", "silent") for v, p, _ in c.results if v == "recovered"]
    waits = [p for c in cells if c.way in ("loop", "silent") for v, p, _ in c.results if v == "recovered"]
    numbers = [percentile(pauses, 0.5), percentile(pauses, 0.99), percentile(waits, 0.5)]
    return "| " + " | ".join([f"`{service}`", *(of(way) for way in WAYS), of(*points),
                              *(f"{n / (1 << SHIFT):,.0f}" for n in numbers)]) + " |"


def tables(cells, runs):
    services = sorted({c.service for c in cells})
    head = ["service", *WAYS, "points", "median", "99 %", "hang"]
    times = [len(c.results) for c in cells if c.count("recovered") + c.count("failed")]
    lines = [f"{len(cells)} cells, of which their loads have reached {len(times)}, these {min(times, default=0)} to "
             f"{max(times, default=0)} times of {runs} wanted; {sum(len(c.results) for c in cells)} runs.", "",
             "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += [row(s, [c for c in cells if c.service == s]) for s in services]
    whole = [c for c in cells if c.way != "wild"]
    wild = [r[0] for c in cells if c.way == "wild" for r in c.results]
    wrong = sum(r[0] == "failed" and "CORRUPT" in r[2] for c in cells for r in c.results)
    lines += ["", f"Recovered of those reached, without wild writes: {shown(whole)}. Wild writes: {len(wild)} runs, in "
              f"{wild.count('recovered')} the service crashed and recovered, in {wild.count('failed')} a client saw something. "
              f"Files with wrong contents: {wrong}.", ""]
    bad = [(c, r) for c in cells for r in c.results if r[0] == "failed"]
    if bad:
        lines += ["What clients saw where it did not:", "", "| service | way | load | times | first |", "|" + " --- |" * 5]
    for cell in dict.fromkeys(c for c, _ in bad):
        first = next(r[2] for c, r in bad if c is cell)
        lines.append(f"| `{cell.service}` | {cell.way} | {cell.load} | {cell.count('failed')} | {first} |")
    return "\n".join(lines).rstrip() + "\n"


def write_page(text):
    with open(PAGE) as f:
        page = f.read()
    begin, end = "<!-- measured -->\n", "<!-- end -->\n"
    head, rest = page.split(begin)
    with open(PAGE, "w") as f:
        f.write(head + begin + text + end + rest.split(end)[1])


# --- all of it ----------------------------------------------------------------------------------------------

class Record:
    """What has been run, also by runs before if there is a file."""

    def __init__(self, path, cells):
        self.lock, self.file = threading.Lock(), None
        by_name = {str(cell): cell for cell in cells}
        if path and os.path.exists(path):
            with open(path) as f:
                for name, *result in map(json.loads, f):
                    if name in by_name:
                        by_name[name].results.append(tuple(result))
        if path:
            self.file = open(path, "a")

    def add(self, cell, result):
        with self.lock:
            cell.results.append(result)
            print(f"{len(cell.results)}: {cell}: {' '.join(map(str, result))}", flush=True)
            if self.file:
                print(json.dumps([str(cell), *result]), file=self.file, flush=True)


def is_wanted(cell, runs):
    """Not if the fault has never come with this load."""
    verdicts = [r[0] for r in cell.results]
    return len(verdicts) < runs and (len(verdicts) < TRIES or not set(verdicts) <= {"unreached", "refused"})


def take(cells, runs, record, rng):
    """Those that have been run least, and that no other machine is at; a wild write alone."""
    with record.lock:
        wanted = [c for c in cells if is_wanted(c, runs) and not c.running]
        wanted.sort(key=lambda c: (len(c.results), rng.random()))
        batch = wanted[:1]
        if batch and batch[0].way != "wild":
            batch = [c for c in wanted[:BATCH] if c.way != "wild"]
        for cell in batch:
            cell.running = True
        return batch


def run_wanted(cells, runs, record, rng):
    machine = Machine()
    try:
        while batch := take(cells, runs, record, rng):
            for cell, result in zip(batch, machine.run(batch, rng)):
                record.add(cell, result)
            for cell in batch:
                cell.running = False
            if batch[0].way == "wild":
                machine.drop()      # what it has done may show later
    finally:
        machine.drop()


def chosen(cells, only):
    wanted = only.split(",") if only else []
    return [c for c in cells if all(a in (b, "") for a, b in zip(wanted, (c.service, c.way, c.load)))]


def full(machine, args):
    cells = chosen(all_cells(machine), args.only)
    machine.drop()
    record = Record(args.resume, cells)
    threads = [threading.Thread(target=run_wanted, args=(cells, args.full, record, random.Random(f"{args.seed} {n}")))
               for n in range(args.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = tables(cells, args.full)
    print(text)
    if not args.only:
        write_page(text)
    return any(required(c) and c.count("failed") for c in cells)


def costs():
    """What a kill costs who waits for the service, in instructions."""
    machine = Machine(True)
    lines = ["| service | median | 99 % | longest |", "|" + " --- |" * 4]
    try:
        for service in services_and_points(machine):
            output = machine.get().run(f"{EFFECTS} cost {service} {COSTS}")[1].split()
            if output[0] == "cost" and len(output) == 5:
                lines.append(f"| `{service}` | " + " | ".join(f"{int(n) / 1000:,.0f}" for n in output[2:]) + " |")
    finally:
        machine.drop()
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", nargs="?", type=int, const=0)
    parser.add_argument("--only")
    parser.add_argument("--resume")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--seed", type=int, default=datetime.date.today().toordinal())
    args, _ = parser.parse_known_args()
    print(f"seed {args.seed}", flush=True)
    if args.cost:
        return costs()
    rng, machine = random.Random(args.seed), Machine()
    try:
        if args.full:
            return full(machine, args)
        failed = report(sample(all_cells(machine), machine, rng,
                               FULL_SECONDS if args.full == 0 else SAMPLE_SECONDS))
        good, _ = exactly_once(machine, EXACT, 2 if args.full is None else 30, args.seed)
        return failed or not good
    finally:
        machine.drop()


if __name__ == "__main__":
    sys.exit(main())
