# SPDX-License-Identifier: MIT
"""A tap for a guest's card, in a network namespace of this process's own: nothing of it leaves the machine."""
import os
import subprocess
import sys

NAME, HOST, GUEST, NET = "tap0", "172.30.0.1", "172.30.0.2", "172.30.0.2/24"
HOST6, GUEST6 = "fd00:30::1", "fd00:30::2"
INSIDE = "ANOLE_TAP_NAMESPACE"
SET_UP = (f"ip link set lo up && ip tuntap add dev {NAME} mode tap vnet_hdr && "
          f"echo 0 >/proc/sys/net/ipv6/conf/{NAME}/accept_dad && ip addr add {HOST}/24 dev {NAME} && "
          f"ip addr add {HOST6}/64 dev {NAME} && ip link set {NAME} up")


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


def card(*features):
    """Options for QEMU; features: of the device, as csum=off."""
    return ("-netdev", f"tap,id=tap,ifname={NAME},script=no,downscript=no,vhost=off",
            "-device", ",".join(("virtio-net-pci,netdev=tap", *features)))
