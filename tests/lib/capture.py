# SPDX-License-Identifier: MIT
"""What has been on a guest's cable, as QEMU's filter-dump writes it and tshark reads it."""
import os
import struct
import subprocess

HEADER, RECORD = 24, 16         # of a pcap file, of each packet in it
# The contents of streams are not looked into.
PREFERENCES = [f"{protocol}.check_checksum:TRUE" for protocol in ("ip", "tcp", "udp")] + ["tcp.desegment_tcp_streams:FALSE"]
ERROR = 8388608                 # of tshark's expert information


def dump(netdev, path):
    """Options for QEMU."""
    return ("-object", f"filter-dump,id=dump-{netdev},netdev={netdev},file={path}")


def whole(path):
    """A copy of what has been written so far, up to the last packet that is complete."""
    with open(path, "rb") as f:
        data = f.read()
    at = HEADER
    while at + RECORD <= len(data):
        end = at + RECORD + struct.unpack("<I", data[at + 8:at + 12])[0]
        if end > len(data):
            break
        at = end
    with open(path + ".whole", "wb") as f:
        f.write(data[:at])
    return path + ".whole"


def packets(path, wanted, *fields):
    """A tuple of the fields' texts for each packet that tshark's display filter lets through. Two passes, so that what is
    in fragments is found in the last of them."""
    command = ["tshark", "-n", "-2", "-r", whole(path), "-Y", wanted, "-T", "fields", "-E", "separator=/t"]
    for preference in PREFERENCES:
        command += ["-o", preference]
    for field in fields or ("frame.number",):
        command += ["-e", field]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise OSError(f"tshark ends with {done.returncode}: {done.stderr[-500:]}")
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]
