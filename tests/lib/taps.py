# SPDX-License-Identifier: MIT
"""Taps for guests' cards, in a network namespace of this process's own: nothing of them leaves the machine."""
import os
import subprocess
import sys

HOST, GUEST, NET = "172.30.0.1", "172.30.0.2", "172.30.0.2/24"
HOST6, GUEST6 = "fd00:30::1", "fd00:30::2"
SECOND_HOST, SECOND_GUEST, SECOND_NET = "172.30.1.1", "172.30.1.2", "172.30.1.2/24"     # for one more guest
INSIDE = "ANOLE_TAP_NAMESPACE"
TAPS = (("tap0", HOST, HOST6), ("tap1", SECOND_HOST, "fd00:31::1"))
SET_UP = " && ".join(["ip link set lo up"] + [
    f"ip tuntap add dev {name} mode tap vnet_hdr && echo 0 >/proc/sys/net/ipv6/conf/{name}/accept_dad && "
    f"ip addr add {four}/24 dev {name} && ip addr add {six}/64 dev {name} && ip link set {name} up"
    for name, four, six in TAPS])


def enter():
    """Run this program once more, inside; answers there. "" or why there can be none."""
    if os.environ.get(INSIDE):
        return ""
    unshare = ["unshare", "-n"] if os.getuid() == 0 else ["unshare", "-rn"]
    tried = subprocess.run([*unshare, "sh", "-c", SET_UP], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if tried.returncode:
        return tried.stdout.strip().replace("\n", "; ")
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], [*unshare, "sh", "-c", SET_UP + ' && exec "$0" "$@"', sys.executable, *sys.argv])


def card(*features, number=0):
    """Options for QEMU; features: of the device, as csum=off; number: of the tap."""
    return ("-netdev", f"tap,id=tap,ifname={TAPS[number][0]},script=no,downscript=no,vhost=off",
            "-device", ",".join(("virtio-net-pci,netdev=tap", *features)))
