# SPDX-License-Identifier: MIT
"""gdb's side of `./build.sh debug`. All services are linked at the same address, so one at a time has its symbols:
`service ext2` loads those of ext2. libposix, which is mapped anywhere: `libposix ADDRESS`."""
import os

import gdb

loaded = []


def load(path, *where):
    while loaded:
        gdb.execute(f"remove-symbol-file -a {loaded.pop()}", to_string=True)
    gdb.execute("add-symbol-file " + " ".join([path, *where]), to_string=True)
    address = next(o for o in gdb.objfiles() if o.filename and o.filename.endswith(path))
    print(f"symbols of {os.path.basename(address.filename)}")


class Service(gdb.Command):
    """service NAME: use the symbols of this service instead of another's."""

    def __init__(self):
        super().__init__("service", gdb.COMMAND_FILES)

    def complete(self, text, word):
        return [n for n in os.listdir("build/bin") if n.startswith(word) and not n.endswith(".map")]

    def invoke(self, name, _):
        load(f"build/bin/{name}")
        loaded.append("0x400000")


class Libposix(gdb.Command):
    """libposix ADDRESS: use the symbols of libposix where this process has it."""

    def __init__(self):
        super().__init__("libposix", gdb.COMMAND_FILES)

    def invoke(self, address, _):
        load("build/libposix/libposix.elf", address)
        loaded.append(address)


Service()
Libposix()
gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("file build/kernel/anole.elf")
gdb.execute("target remote 127.0.0.1:4444")
print("the processor stands at its first instruction: `hbreak kernel_main`, `service ext2`, `continue`")
