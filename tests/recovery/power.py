# SPDX-License-Identifier: MIT
"""The power goes while files are written: TEST: timeout=1500

QEMU's blklogwrites records what a disk with a journal is told while tests/recovery/power works on it. The disk as it may
be after a cut is made from the record: all that was flushed; of what came behind, all up to some point, or only some
sectors. e2fsck replays the journal and then must find nothing; everything that was fsynced must be there, byte by byte;
rename has happened or not. Some cuts are mounted by Linux and by Anole themselves. A few cuts, or 200 with --full.
"""
import os
import random
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import linux  # noqa: E402
from guest import GuestError  # noqa: E402
from session import Failed, Session, boot, extra_disk, main_alone, test  # noqa: E402

PROGRAM = "/usr/lib/anole/tests/power"
FS_MIB, DISK_MIB = 24, 25
OPTIONS = ["-b", "1024", "-N", "1024", "-O", "none,filetype,sparse_super,large_file,has_journal", "-J", "size=2"]
NOTES = DISK_MIB - 1 << 20
FULL = "--full" in sys.argv
CUTS, SECONDS = (200, 30) if FULL else (12, 12)
MOUNTED = 6 if FULL else 1
SECTOR = 512
# Documentation/admin-guide/device-mapper/log-writes.rst
LOG_MAGIC, ENTRY_FLUSH, ENTRY_DISCARD = 0x6a736677736872, 1, 4
KEPT, RECORD, LARGEST = 40, 64, 60000
ENV = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}


def pattern(n):
    """As write_pattern of the program."""
    return bytes((n * 31 + i * 7 + (i >> 8)) & 255 for i in range(n * 7919 % LARGEST + 1))


def read_log(path):
    """[(byte offset, data) or None for a flush]."""
    with open(path, "rb") as f:
        log = f.read()
    magic, _, count, sector = struct.unpack_from("<QQQI", log)
    if magic != LOG_MAGIC:
        raise Failed("QEMU has written no log")
    entries, at = [], sector
    for _ in range(count):
        where, length, flags, _ = struct.unpack_from("<QQQQ", log, at)
        at += sector
        if flags & ENTRY_FLUSH:
            entries.append(None)
        if length and not flags & ENTRY_DISCARD:
            entries.append((where * sector, log[at:at + length * sector]))
            at += length * sector
    return entries


def record(directory):
    """The disk before the load, and the log of it."""
    log = os.path.join(directory, "log")
    disk = extra_disk(directory, "disk", f"{FS_MIB}M", OPTIONS)
    os.truncate(disk, DISK_MIB << 20)
    with open(disk, "rb") as f:
        before = f.read()
    open(log, "wb").close()
    drive = f"driver=blklogwrites,file.driver=file,file.filename={disk},log.driver=file,log.filename={log},if=virtio"
    s = Session(boot(extra=("-drive", drive)))
    s.must("mount -t ext2 /dev/vdb /mnt")
    status, output = s.run(f"{PROGRAM} /mnt /dev/vdb {NOTES} {SECONDS}", 20 * SECONDS)
    if status:
        raise Failed(f"the load ends with {status}: {output[-300:]}\n{s.run('df /mnt; df -i /mnt; ls -l /mnt')[1][-1500:]}")
    s.run("df /mnt; ls /mnt | wc -l; umount /mnt", 60)
    s.guest.poweroff(60)
    s.guest.close()
    return before, read_log(log)


def apply(image, entries):
    for entry in entries:
        if entry:
            image[entry[0]:entry[0] + len(entry[1])] = entry[1]


def sectors(entries):
    for at, data in filter(None, entries):
        for i in range(0, len(data), SECTOR):
            yield at + i, data[i:i + SECTOR]


def cuts(before, entries, rng):
    """Images, each as it may be after a cut, with a word on where it was."""
    durable, flushed = bytearray(before), 0
    for end in sorted(rng.sample(range(len(entries)), CUTS)):
        last = max((i for i in range(flushed, end) if entries[i] is None), default=flushed)
        apply(durable, entries[flushed:last])
        flushed = last
        image = bytearray(durable)
        part = rng.choice([1, 1, rng.random()])
        apply(image, [s for s in sectors(entries[flushed:end]) if rng.random() < part])
        yield bytes(image), f"cut at {end} of {len(entries)}, {part:.0%} of what came behind flush {flushed}"


def notes(image):
    """{name: the last that was noted as safe}"""
    found = re.findall(rb"(\w+) (\d+)\n", b"".join(image[NOTES + i * 4096:NOTES + i * 4096 + SECTOR] for i in range(3)))
    return {name.decode(): int(count) for name, count in found}


def run(*command):
    return subprocess.run(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def check_fsck(path, *options):
    done = run("e2fsck", *options, path)
    if done.returncode > (0 if "-fn" in options else 1):
        raise Failed(f"e2fsck {' '.join(options)} ends with {done.returncode}: {done.stdout[-1200:]}")


def extract(path, directory):
    """All files, {name: bytes}, of the root directory."""
    names = re.findall(r"^ *\d+ +\(?10\d+\)? .* (\S+)$", run("debugfs", "-R", "ls -l /", path).stdout, re.M)
    names = [n for n in names if re.fullmatch(r"a\d+|current|next|log|big", n)]
    files = {}
    script = "".join(f"dump {n} {directory}/{n}\n" for n in names)
    subprocess.run(["debugfs", "-f", "/dev/stdin", path], input=script, env=ENV, text=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
    for name in names:
        with open(f"{directory}/{name}", "rb") as f:
            files[name] = f.read()
        os.unlink(f"{directory}/{name}")
    return files


def check_kept(files, safe):
    for n in range(max(1, safe - KEPT + 2), safe + 1):
        if files.get(f"a{n}") != pattern(n):
            raise Failed(f"a{n} was fsynced (up to {safe}) and is {len(files.get(f'a{n}', b''))} bytes long, not {len(pattern(n))}")
    for name, data in files.items():        # of those that were not: nobody else's bytes
        if name[0] == "a" and data != pattern(int(name[1:]))[:len(data)]:
            raise Failed(f"{name} holds what was never written to it")


def check_current(files, safe):
    if "current" not in files:
        if safe:
            raise Failed(f"current is missing, version {safe} was safe")
        return
    data = files["current"]
    if not any(data == pattern(n) for n in range(max(1, safe), safe + 3)):
        raise Failed(f"current is none of the versions from {safe} on")


def check_log(files, safe):
    data = files.get("log", b"")
    lines = data.split(b"\n")
    if len(data) < safe * RECORD or any(int(line) != i + 1 for i, line in enumerate(lines[:safe])):
        raise Failed(f"the log has lost records: {safe} were safe, {len(data) // RECORD} are there")


def check_files(files, safe):
    check_kept(files, safe.get("kept", 0))
    check_current(files, safe.get("current", 0))
    check_log(files, safe.get("log", 0))


def check_cut(image, directory):
    path = os.path.join(directory, "cut")
    with open(path, "wb") as f:
        f.write(image)
    check_fsck(path, "-p")
    check_fsck(path, "-fn")
    files = extract(path, directory)
    check_files(files, notes(image))
    return files


def sums_of(files):
    with_sums = {}
    for name, data in files.items():
        done = subprocess.run(["md5sum"], input=data, stdout=subprocess.PIPE, check=True)
        with_sums[name] = done.stdout.split()[0].decode()
    return with_sums


def mounted_by(start, kind, image, files, directory):
    """That system replays the journal itself, and sees the same files."""
    path = os.path.join(directory, "mounted")
    with open(path, "wb") as f:
        f.write(image)
    with start(path) as guest:
        status, output = guest.run(f"mkdir -p /mnt; mount -t {kind} /dev/vdb /mnt && cd /mnt && md5sum a* current log; cd /; umount /mnt", 120)
    seen = {name: checksum for checksum, name in re.findall(r"^(\w{32})  (\S+)$", output, re.M)}
    wanted = {name: checksum for name, checksum in sums_of(files).items() if name not in ("next", "big")}
    if status or seen != wanted:
        raise Failed(f"status {status}; other files than e2fsck leaves: {sorted(set(seen.items()) ^ set(wanted.items()))}\n{output[-300:]}")
    check_fsck(path, "-fn")


def on_linux(path):
    return linux.Linux(disk=None, timeout=120, snapshot=True, disks=[path])


def on_anole(path):
    return boot(disks=[path])


@test("cuts of the power; e2fsck, Linux and Anole replay the journal; what was fsynced is there", linux=False)
def power_cuts(directory):
    seed = random.randrange(1 << 30)
    print(f"  seed {seed}", flush=True)
    rng = random.Random(seed)
    before, entries = record(directory)
    flushes = sum(e is None for e in entries)
    if flushes < 50:
        raise Failed(f"only {flushes} flushes in {len(entries)} entries of the log")
    mounted = set(rng.sample(range(CUTS), MOUNTED))
    for n, (image, where) in enumerate(cuts(before, entries, rng)):
        try:
            files = check_cut(image, directory)
            if n in mounted:
                mounted_by(on_anole, "ext2", image, files, directory)
                mounted_by(on_linux, "ext4", image, files, directory)
        except (Failed, GuestError) as error:
            raise Failed(f"{where}: {error}") from error
    print(f"  {CUTS} cuts in {len(entries)} writes and flushes; safe at the end: {notes(image)}", flush=True)


main_alone()
