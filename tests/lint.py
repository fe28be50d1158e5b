#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a compiler does not check: layers, licence lines, leftovers."""
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
        if name in FREESTANDING:
            continue
        at_hand = [os.path.normpath(os.path.join(os.path.dirname(path), name))] if kind == '"' else []
        below = at_hand + [f"{d}/{name}" for d in allowed]
        if not any(os.path.exists(os.path.join(TOP, p)) and p.startswith(tuple(d + "/" for d in allowed))
                   for p in below):
            yield f"{path}: includes {name}, which is not in {', '.join(allowed)}"


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, stdout=subprocess.PIPE, text=True)
    found = {"layers": [], "licence": [], "leftovers": []}
    for path in sorted(listed.stdout.splitlines()):
        if not SOURCE.search(path) or "/overlay/" in path or not os.path.isfile(os.path.join(TOP, path)):
            continue
        with open(os.path.join(TOP, path), errors="replace") as f:
            text = f.read()
        found["layers"] += bad_includes(path, text)
        if "SPDX-License-Identifier: MIT" not in text[:300]:
            found["licence"].append(f"{path}: no SPDX line")
        found["leftovers"] += [f"{path}:{n}: {line.strip()}" for n, line in enumerate(text.splitlines(), 1)
                               if LEFTOVER.search(line)]
    for name, lines in found.items():
        print("\n".join(lines + [f"not ok {name}: {len(lines)} to mend" if lines else f"ok {name}"]))
    sys.exit(any(found.values()))


main()
