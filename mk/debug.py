# SPDX-License-Identifier: MIT
"""gdb's side of `./build.sh debug` (docs/debugging.md). All services are linked at the same address, so one at a time
has its symbols: `service ext2` loads those of ext2. libposix, which is mapped anywhere: `libposix ADDRESS`. What the
kernel knows: `anole threads`, `anole endpoints`, `anole caps THREAD`, `anole space THREAD`, `anole memory`."""
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


# --- what the kernel knows ---------------------------------------------------------------------------------------

STAMP_SERVICE = 1 << 63
STATES = "stopped ready running calling waiting sleeping faulted dead".split()
WAITS = ["", "for its call", "for messages", "for a notification", "on a futex", "for a deadline", "for its fault",
         "for a page"]
TYPES = "nothing space table thread endpoint badge call notification watch memory irq ports quota root trace".split()
KINDS = ["anonymous", "physical", "paged"]


def elements(head, struct, member):
    """The structures on a kernel list."""
    kind = gdb.lookup_type("struct " + struct)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    link, end = head["next"], int(head.address)
    while int(link) != end:
        yield (int(link) - offset, kind.pointer())
        link = link["next"]


def on_list(head, struct, member):
    for address, pointer in elements(head, struct, member):
        yield gdb.Value(address).cast(pointer).dereference()


def threads():
    return on_list(gdb.parse_and_eval("all_threads"), "thread", "all_link")


def is_service(thread):
    return int(thread["stamp"]) & STAMP_SERVICE != 0


def name_of(thread):
    name = thread["name"].string()
    return name if is_service(thread) else f"{name}[{int(thread['number'])}]"


def slots(table):
    """(slot, capability) of a table, in order."""
    for chunk in range(int(table["slots"]) // 64):
        used = int(table["chunks"][chunk]["used"])
        for i in range(64):
            if used >> i & 1:
                yield chunk * 64 + i, table["chunks"][chunk]["caps"][i]


def as_type(value, struct):
    return value.cast(gdb.lookup_type("struct " + struct).pointer())


def own_endpoint(thread):
    if not is_service(thread) or not int(thread["private_table"]):
        return None
    for _, cap in slots(thread["private_table"]):
        if int(cap["object"]) and int(cap["object"]["type"]) == TYPES.index("endpoint"):
            return as_type(cap["object"], "endpoint")
    return None


def owners():
    """Endpoint's address to the name of whose it is."""
    found = {}
    for thread in threads():
        endpoint = own_endpoint(thread)
        if endpoint is not None:
            found[int(endpoint)] = name_of(thread)
    return found


def operation(op):
    return f"{op >> 16}.{op & 0xffff}"


def call_of(caller):
    """Who calls, and what."""
    if int(caller["kind"]):
        offset = next(f.bitpos // 8 for f in gdb.lookup_type("struct callobj").fields() if f.name == "caller")
        call = as_type(gdb.Value(int(caller.address) - offset), "callobj")
        return f"an asynchronous call of stamp {int(caller['stamp']):x}", int(call["op"])
    offset = next(f.bitpos // 8 for f in gdb.lookup_type("struct thread").fields() if f.name == "caller")
    thread = as_type(gdb.Value(int(caller.address) - offset), "thread").dereference()
    return name_of(thread), int(caller["kernel_op"]) or int(thread["frame"]["rdi"])


def thread_named(text):
    for thread in threads():
        if text in (name_of(thread), thread["name"].string(), str(int(thread["number"]))):
            return thread
    raise gdb.GdbError(f"no thread {text}: see `anole threads`")


def show_threads(_):
    names = owners()
    for thread in threads():
        text = f"{name_of(thread):18} {STATES[int(thread['state'])]} {WAITS[int(thread['wait'])]}"
        caller = thread["caller"]
        if int(caller["state"]):
            where = names.get(int(caller["endpoint"]), "?")
            text += f", {'queued' if int(caller['state']) == 1 else 'served'} at {where}: operation {operation(call_of(caller)[1])}"
        print(f"{text}, cpu {int(thread['cpu'])}, pc {int(thread['frame']['rip']):#x}, struct thread at {int(thread.address):#x}")


def queued(endpoint):
    """The lists of its calls that nobody has received, in the order in which they will be."""
    levels = endpoint["queue"]["calls"]
    return [levels[n] for n in range(levels.type.range()[1], -1, -1)]


def show_endpoints(_):
    for thread in threads():
        endpoint = own_endpoint(thread)
        if endpoint is None:
            continue
        waits = int(endpoint["receivers"]["next"]) != int(endpoint["receivers"].address)
        print(f"{name_of(thread):18} {'waits' if waits else 'is busy'}, struct endpoint at {int(endpoint):#x}")
        for state, heads in (("served", [endpoint["in_service"]]), ("queued", queued(endpoint))):
            for caller in (c for head in heads for c in on_list(head, "caller", "link")):
                who, op = call_of(caller)
                print(f"    {state}: operation {operation(op)} of {who}, badge {int(caller['badge_number']):#x}")


def show_table(table, names):
    for slot, cap in slots(table):
        if not int(cap["object"]):
            print(f"    {slot:5} reserved")
            continue
        kind = TYPES[int(cap["object"]["type"])]
        text = f"    {slot:5} {kind:12} rights {int(cap['rights']):x}, at {int(cap['object']):#x}"
        if kind == "badge":
            badge = as_type(cap["object"], "badge")
            text += f": {names.get(int(badge['endpoint']), 'an endpoint that is gone')}, badge {int(badge['number']):#x}"
        elif kind == "endpoint":
            text += f": {names.get(int(cap['object']), '?')}"
        elif kind == "thread":
            text += f": {name_of(as_type(cap['object'], 'thread').dereference())}"
        print(text)


def show_caps(text):
    thread, names = thread_named(text), owners()
    print(f"{name_of(thread)}: private table")
    show_table(thread["private_table"], names)
    if int(thread["fd_table"]):
        print(f"{name_of(thread)}: descriptors")
        show_table(thread["fd_table"], names)


def regions(space):
    for i in range(int(space["regions"]["count"])):
        yield space["regions"]["array"][i].dereference()


def show_space(text):
    thread = thread_named(text)
    space = thread["space"]
    print(f"{name_of(thread)}: {int(space['resident_pages'])} pages resident, top table at {int(space['cr3']):#x}")
    for region in regions(space):
        flags = int(region["flags"])
        rights = "".join(c if flags >> i & 1 else "-" for i, c in enumerate("rwxs"))
        memory = int(region["memory"])
        what = f"memory object {int(region['memory']['number'])} from {int(region['offset']):#x}" if memory else "anonymous"
        print(f"    {int(region['start']):#14x} - {int(region['end']):#14x} {rights} {what}")


def show_memory(_):
    seen = {}
    for thread in threads():
        for region in regions(thread["space"]):
            if int(region["memory"]):
                seen.setdefault(int(region["memory"]), (region["memory"], set()))[1].add(name_of(thread))
    for memory, users in seen.values():
        print(f"{int(memory['number']):6} {KINDS[int(memory['kind'])]:9} {int(memory['size']):12} bytes, "
              f"{int(memory['resident'])} pages resident: {' '.join(sorted(users)[:6])}")


class Anole(gdb.Command):
    """anole threads | endpoints | caps THREAD | space THREAD | memory: what the kernel knows. THREAD: name or number."""

    shows = {"threads": show_threads, "endpoints": show_endpoints, "caps": show_caps, "space": show_space,
             "memory": show_memory}

    def __init__(self):
        super().__init__("anole", gdb.COMMAND_STATUS)

    def complete(self, text, word):
        return [name for name in self.shows if name.startswith(word)]

    def invoke(self, text, _):
        words = text.split()
        if not words or words[0] not in self.shows or len(words) != 1 + (words[0] in ("caps", "space")):
            raise gdb.GdbError(self.__doc__)
        self.shows[words[0]](words[-1])


Service()
Libposix()
Anole()
gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("file build/kernel/anole.elf")
gdb.execute("target remote " + os.environ.get("ANOLE_GDB", "127.0.0.1:4444"))
if "ANOLE_GDB" not in os.environ:
    print("the processor stands at its first instruction: `hbreak kernel_main`, `service ext2`, `continue`")
