#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kill matrix: each service dies in each way, idle and under load, and nobody may have noticed more than a pause.

TEST: slow timeout=1200

A cell is a service, a way to die and a load; tests/recovery/effects does the work in the guest and tells whether each
effect has happened once and was reported so. As a test some cells are drawn from those that have to pass, for a limited
time, longer with --full. The seed is printed; --seed N takes another. --full N runs every cell N times and writes the
tables of docs/recovery.md; --only SERVICE[,WAY] limits that and writes nothing.
"""
import argparse
import datetime
import glob
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from guest import TOP, Guest, GuestError  # noqa: E402

EFFECTS = "/usr/lib/anole/tests/effects"
SAMPLE_SECONDS, FULL_SECONDS = 70, 600
CELL_TIMEOUT = 60
STEPS = 3000
FAULTS = ["segfault", "abort", "exit", "loop", "silent", "wild"]
WAYS = ["kill", *FAULTS, "step"]
LOADS = ["idle", "load", "build"]
LINE = re.compile(r"^cell \d+ (\w+) (\d+) (.*); (.*)$", re.M)
PAGE = os.path.join(TOP, "docs", "recovery.md")

# Servers whose handlers are no transactions yet: what interrupts one of their handlers may show.
STATEFUL = {"pm", "vfs", "pipe", "tty", "ext2", "tmpfs"}

PROJECT = r"""mkdir -p /tmp/project && cd /tmp/project && rm -f over &&
for i in 1 2 3; do echo "int f$i(void) { return 1$i; }" >f$i.c; done &&
echo 'int f1(void), f2(void), f3(void); int main(void) { return f1() + f2() + f3(); }' >main.c &&
printf 'OBJECTS = main.o f1.o f2.o f3.o\nprogram: $(OBJECTS)\n\ttcc -o $@ $(OBJECTS)\n%%.o: %%.c\n\ttcc -c -o $@ $<\nclean:\n\trm -f program $(OBJECTS)\n' >Makefile
"""
BUILDS = ("(cd /tmp/project; while [ ! -e over ]; do make -s clean program && ./program; "
          "[ $? = 36 ] || { echo 'cell 1 failed 0 -; a build'; break; }; done) & sleep 0.1; ")


def transactional():
    """The services that say so in their sources."""
    found = set()
    for path in glob.glob(f"{TOP}/servers/*/*.c"):
        with open(path) as f:
            if ".transactional = true" in f.read():
                found.add(os.path.basename(os.path.dirname(path)))
    return found


class Cell:
    """One service, one way, one load, and what came of it."""

    def __init__(self, service, way, load):
        self.service, self.way, self.load = service, way, load
        self.results = []       # (verdict, pause in us, what)

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

    def __init__(self):
        self.guest = None
        self.project = False

    def get(self):
        self.guest = self.guest or Guest(timeout=60, mem=256)
        return self.guest

    def drop(self):
        if self.guest:
            self.guest.close()
        self.guest, self.project = None, False

    def run(self, cell, rng):
        try:
            output = self.attempt(cell, cell.command(rng))
        except GuestError as error:
            self.drop()
            return "failed", 0, "hangs: " + str(error).split("\n", 1)[0]
        lines = LINE.findall(output)
        bad = [line for line in lines if line[0] == "failed"] or lines
        if not bad:
            self.drop()
            return "failed", 0, "effects has died: " + output.strip()[-100:]
        verdict, pause, slowest, failure = bad[-1]
        if verdict == "failed":
            self.drop()
        return verdict, int(pause), failure if verdict == "failed" else slowest

    def attempt(self, cell, command):
        load = "idle" if cell.load == "idle" else "load"
        line = f"{EFFECTS} {load} {cell.service} {command}"
        if cell.load == "build":
            if not self.project:
                self.get().run(PROJECT)
                self.project = True
            line = f"rm -f /tmp/project/over; {BUILDS} {line}; touch /tmp/project/over; wait"
        output = self.get().run(line, CELL_TIMEOUT)[1]
        # The terminal is part of it.
        if self.get().run("echo $((6 * 7))", CELL_TIMEOUT) != (0, "42\n"):
            raise GuestError("the shell does not echo")
        return output


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
            cells += [Cell(service, way, load) for load in LOADS if load != "build" or way in WAYS]
    return cells


def required(cell):
    """A requested kill does not interrupt a handler on one processor."""
    return cell.way == "kill" or cell.service not in STATEFUL - transactional()


def sample(cells, machine, rng, seconds):
    """Run cells in random order while there is time: those with long waits only now and then."""
    drawn = [c for c in cells if required(c) and c.way != "wild"]
    rng.shuffle(drawn)
    drawn.sort(key=lambda c: c.way in ("loop", "silent"))
    slow = [c for c in drawn if c.way in ("loop", "silent")][:2]
    end = time.monotonic() + seconds
    for cell in slow + drawn:
        if time.monotonic() > end:
            break
        if not cell.results:
            cell.results.append(machine.run(cell, rng))
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
    numbers = [percentile(pauses, 0.5) / 1e3, percentile(pauses, 0.99) / 1e3, percentile(waits, 0.5) / 1e3]
    return "| " + " | ".join([f"`{service}`", *(of(way) for way in WAYS), of(*points),
                              *(f"{n:.0f}" for n in numbers)]) + " |"


def tables(cells, runs):
    services = sorted({c.service for c in cells})
    head = ["service", *WAYS, "points", "median ms", "99 % ms", "hang ms"]
    lines = [f"Each cell {runs} times; {sum(len(c.results) for c in cells)} deaths asked for.", "",
             "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += [row(s, [c for c in cells if c.service == s]) for s in services]
    whole = [c for c in cells if c.way != "wild"]
    lines += ["", f"Recovered of those reached, without wild writes: {shown(whole)}; wild writes: "
              + shown([c for c in cells if c.way == "wild"]) + "; files with wrong contents: "
              + str(sum("CORRUPT" in r[2] for c in cells for r in c.results)) + ".", ""]
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


def full(machine, args, rng):
    cells = all_cells(machine)
    if args.only:
        service, _, way = args.only.partition(",")
        cells = [c for c in cells if c.service == service and (not way or c.way == way)]
    for n in range(args.full):
        for cell in cells:
            cell.results.append(machine.run(cell, rng))
            print(f"{n + 1}: {cell}: {' '.join(map(str, cell.results[-1]))}", flush=True)
    text = tables(cells, args.full)
    print(text)
    if not args.only:
        write_page(text)
    return any(required(c) and c.count("failed") for c in cells)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", nargs="?", type=int, const=0)
    parser.add_argument("--only")
    parser.add_argument("--seed", type=int, default=datetime.date.today().toordinal())
    args, _ = parser.parse_known_args()
    rng, machine = random.Random(args.seed), Machine()
    print(f"seed {args.seed}", flush=True)
    try:
        if args.full:
            return full(machine, args, rng)
        failed = report(sample(all_cells(machine), machine, rng,
                               FULL_SECONDS if args.full == 0 else SAMPLE_SECONDS))
        good, _ = exactly_once(machine, sorted(transactional()), 8 if args.full is None else 60, args.seed)
        return failed or not good
    finally:
        machine.drop()


if __name__ == "__main__":
    sys.exit(main())
