#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a compiler does not check: layers, licence lines, leftovers, and that the documentation is whole."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = re.compile(r"(\.(c|h|S|s|def|ld|mk|py|sh|awk)|/Makefile|^Makefile|/recipe|^tests/run|^\.ci/run)$")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.M)
LEFTOVER = re.compile(r"\b(TO" "DO|FIX" "ME|X" "XX)\b")
# The compiler's own headers, which need no library.
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdalign.h", "stdnoreturn.h", "limits.h", "cpuid.h",
                "float.h", "stdatomic.h"}


def layers(path):
    """The directories a source may include from, or None where all may be included."""
    part = path.split("/")
    if part[0] == "include":
        return ["include"]
    if part[0] == "lib":
        return ["include", "lib"]
    if part[0] == "kernel":
        return ["include", "kernel"]
    if part[0] == "servers":
        return ["include", "lib", "/".join(part[:2])]
    if part[0] == "drivers":
        return ["include", "lib", "/".join(part[:3])]
    if part[0] == "libposix":
        return ["include", "lib", "libposix"]
    return None


def bad_includes(path, text):
    allowed = layers(path)
    if allowed is None or not path.endswith((".c", ".h", ".S", ".def")):
        return
    for kind, name in INCLUDE.findall(text):
        if name in FREESTANDING or (path.startswith("servers/net/") and name.startswith(("lwip/", "netif/"))):
            continue  # the second: the port lwip
        at_hand = [os.path.normpath(os.path.join(os.path.dirname(path), name))] if kind == '"' else []
        below = at_hand + [f"{d}/{name}" for d in allowed]
        if not any(os.path.exists(os.path.join(TOP, p)) and p.startswith(tuple(d + "/" for d in allowed))
                   for p in below):
            yield f"{path}: includes {name}, which is not in {', '.join(allowed)}"


def read(path):
    with open(os.path.join(TOP, path), errors="replace") as f:
        return f.read()


def undocumented():
    """Kernel calls and manifest directives that their pages do not name."""
    page = read("docs/kernel-interface.md")
    for call in re.findall(r"^K\(\w+, (\w+)", read("include/abi/kcall.def"), re.M):
        if not re.search(rf"`{call}\b", page):
            yield f"docs/kernel-interface.md: nothing about the kernel call {call}"
    known = set(re.findall(r"\{ \"(\w+)\",\s*do_", read("servers/rs/manifest.c")))
    told = set(re.findall(r"^\| `([a-z]\w*)", read("docs/manifest.md"), re.M))
    yield from (f"docs/manifest.md: nothing about the directive {name}" for name in sorted(known - told))
    yield from (f"docs/manifest.md: rs knows no directive {name}" for name in sorted(told - known))


def calls_by_answer():
    """What libposix's table answers an error to, by the error's name."""
    table = {}
    for name, error in re.findall(r"^L\(\d+, (\w+), lp_answer_(\w+), \d, ERROR\)", read("libposix/syscalls.def"), re.M):
        table.setdefault(error.upper(), []).append(name)
    return table


def untold_calls():
    """The page of conformance has a row for each such error, with exactly these calls."""
    page = read("docs/conformance.md")
    rows = {error: re.findall(r"`(\w+)`", calls) for error, calls in re.findall(r"^\| `(E\w+)` \| (.*) \|$", page, re.M)}
    for error, calls in calls_by_answer().items():
        for name in sorted(set(calls) ^ set(rows.get(error, []))):
            yield f"docs/conformance.md: {name} is {'not ' if name in calls else ''}in the row of {error}"


def incomplete_services(files):
    """Services without a README or a manifest. rs reads the manifests and has none."""
    homes = (re.match(r"(servers/[^/]+|drivers/[^/]+/[^/]+)/", path) for path in files)
    for home in sorted({match[1] for match in homes if match}):
        name = os.path.basename(home)
        for needed in ["README.md"] + ([] if name == "rs" else [name + ".manifest"]):
            if f"{home}/{needed}" not in files:
                yield f"{home}: no {needed}"


def stale_names(files):
    """Sources that a page names and that are nowhere. NAME stands for any."""
    names = {os.path.basename(path) for path in files}
    for page in sorted(path for path in files if path.endswith(".md")):
        near = ["", os.path.dirname(page), "include", "lib"]
        for quoted in re.findall(r"`([^`\n]+)`", read(page)):
            for name in re.findall(r"(?<![\w/.*$-])[\w/.-]+\.(?:c|h|S|def|py|sh|mk|md|ld|awk)(?![\w.*])", quoted):
                inside = "/" not in name or os.path.isdir(os.path.join(TOP, name.split("/")[0]))
                there = any(os.path.normpath(os.path.join(d, name)) in files for d in near)
                if "NAME" not in name and inside and not there and ("/" in name or name not in names):
                    yield f"{page}: there is no {name}"


def unformatted(files):
    """Sources that clang-format would change: .clang-format settles the style."""
    sources = sorted(path for path in files if path.endswith((".c", ".h")) and "/overlay/" not in path)
    checked = subprocess.run(["clang-format-14", "--dry-run", "--ferror-limit=1", *sources], cwd=TOP,
                             stderr=subprocess.PIPE, text=True).stderr
    yield from sorted(set(re.findall(r"^\S+?\.[ch]:\d+(?=:)", checked, re.M)))


def oversized(path, text):
    """Functions and files that have grown past reading; the tests, which are lists, may."""
    lines = text.splitlines()
    if path.startswith("tests/") or not path.endswith(".c"):
        return
    if len(lines) > 650:
        yield f"{path}: {len(lines)} lines"
    begin = 0
    for n, line in enumerate(lines):
        if line == "{":
            begin = n
        elif line == "}" and n - begin > 60:
            yield f"{path}:{begin}: a function of {n - begin} lines"


def tree():
    """Every file of ours: what git does not ignore or, where there is no git, all that is not built."""
    try:
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listed = [os.path.relpath(os.path.join(d, name), TOP) for d, _, names in os.walk(TOP) for name in names]
        listed = [path for path in listed if not re.match(r"build/|\.git/|(.*/)?__pycache__/", path)]
    return {path for path in listed if os.path.isfile(os.path.join(TOP, path))}


def main():
    files = tree()
    found = {"layers": [], "licence": [], "leftovers": [], "sizes": [],
             "format": list(unformatted(files)), "documentation": [*undocumented(), *untold_calls(), *incomplete_services(files),
                                                               *stale_names(files)]}
    for path in sorted(files):
        if not SOURCE.search(path) or "/overlay/" in path:
            continue
        text = read(path)
        found["layers"] += bad_includes(path, text)
        found["sizes"] += oversized(path, text)
        if "SPDX-License-Identifier: MIT" not in text[:300]:
            found["licence"].append(f"{path}: no SPDX line")
        found["leftovers"] += [f"{path}:{n}: {line.strip()}" for n, line in enumerate(text.splitlines(), 1)
                               if LEFTOVER.search(line)]
    for name, lines in found.items():
        print("\n".join(lines + [f"not ok {name}: {len(lines)} to mend" if lines else f"ok {name}"]))
    sys.exit(any(found.values()))


main()
