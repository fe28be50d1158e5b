# SPDX-License-Identifier: MIT
"""ssh and scp into the guest, by the host's clients."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from remote import OPTIONS, TIMEOUT, guest, output, start
from session import holds, main_alone, same, test


@test("a command, its status, a terminal")
def command(directory):
    s, port, env = guest(directory)
    client = start(port, env, "id -u; tty; exit 7")
    same((output(client), client.returncode), ("0\nnot a tty\n", 7))
    holds(r"/dev/pts/0\s+root", output(start(port, env, "tty; whoami", flags=["-tt"])))
    same(output(start(port, env, "cat"), "through and back\n"), "through and back\n")
    same(s.must("echo /etc/dropbear/*"), "/etc/dropbear/dropbear_ed25519_host_key\n")
    wrong = start(port, dict(env, SSH_ASKPASS="/bin/true"), "id", flags=["-o", "NumberOfPasswordPrompts=1"])
    holds("Permission denied", output(wrong))
    s.guest.close()


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_until(terminal, pattern):
    text, end = "", time.monotonic() + TIMEOUT
    while not re.search(pattern, text) and select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
        try:
            text += os.read(terminal, 1000).decode(errors="replace")
        except OSError:
            break
    return text


@test("a terminal has the size of the client's, and is told when that changes")
def window(directory):
    s, port, env = guest(directory)
    master, slave = pty.openpty()
    resize(master, 30, 90)
    client = subprocess.Popen(["ssh", *OPTIONS, "-tt", "-p", str(port), "root@127.0.0.1",
                               "stty size; trap 'stty size; exit' WINCH; echo wait''ing; while :; do sleep 1; done"],
                              env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                              preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    holds(r"30 90\s+waiting", read_until(master, "waiting"))
    resize(master, 41, 120)
    holds("41 120", read_until(master, r"\d+ \d+\s"))
    same(client.wait(TIMEOUT), 0)
    os.close(master)
    s.guest.close()


@test("files by scp, both ways")
def scp(directory):
    s, port, env = guest(directory)
    data = os.urandom(2 << 20)
    with open(os.path.join(directory, "there"), "wb") as f:
        f.write(data)
    for source, to in (("there", "root@127.0.0.1:/tmp/copy"), ("root@127.0.0.1:/tmp/copy", "back")):
        subprocess.run(["scp", "-O", *OPTIONS, "-P", str(port), source, to], cwd=directory, env=env, check=True,
                       capture_output=True, timeout=TIMEOUT)
    with open(os.path.join(directory, "back"), "rb") as f:
        same(f.read() == data, True)
    s.guest.close()


@test("ten sessions at once, while the driver is killed")
def ten(directory):
    s, port, env = guest(directory)
    s.must("(for i in 1 2 3 4 5 6; do sleep 0.5; service kill virtio_net; done) >/dev/null 2>&1 &")
    clients = [start(port, env, f"cat /bin/busybox | wc -c; echo {n}") for n in range(10)]
    size = s.must("wc -c </bin/busybox").strip()
    for n, client in enumerate(clients):
        same(output(client), f"{size}\n{n}\n")
    s.guest.close()


main_alone()
