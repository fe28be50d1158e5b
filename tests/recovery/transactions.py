# SPDX-License-Identifier: MIT
"""TEST: timeout=600

The build that checks transactions (make TXCHECK=1): no transactional service changes preserved memory that it has not
saved, whatever it is asked.
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build", "txcheck")
os.environ["ANOLE_BUILD"] = BUILD
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
from session import Session, boot, main_alone, same, test  # noqa: E402

FILES = r"""
mkdir /tmp/w; cd /tmp/w
for i in 1 2 3 4 5 6 7 8; do
	echo hello$i >f$i; ln f$i l$i; ln -s f$i s$i; mv l$i m$i; cat f$i >>all; truncate -s 3 f$i; chmod 600 f$i; touch f$i
	cp /bin/busybox b$i; dd if=/dev/zero of=sparse bs=1 seek=100000 count=1 2>/dev/null
done
ls -la >/dev/null; find . >/dev/null; mkdir d; mv f1 d/; mv d e; rm -r e
(flock 9; echo x >&9) 9>all; mkfifo p; rm p; df . >/dev/null
rm -r /tmp/w
mount -t tmpfs -o size=1m x /mnt; echo a >/mnt/a; dd if=/dev/zero of=/mnt/b bs=4k 2>/dev/null; umount /mnt
sort /etc/passwd | uniq | wc -l >/dev/null
"""
PROGRAMS = ("files", "dirs", "links", "names_race", "permissions", "sockets", "polling", "epoll", "ptys")


def transactional():
    """The services that say they are."""
    for path in glob.glob(f"{TOP}/servers/*/*.c") + glob.glob(f"{TOP}/drivers/*/*/*.c"):
        with open(path) as f:
            if ".transactional = true" in f.read():
                yield os.path.basename(os.path.dirname(path))


@test("every change is saved before it is made")
def saved(_):
    subprocess.run(["make", "-s", "-C", TOP, "TXCHECK=1", f"BUILD={BUILD}", "image"], check=True,
                   stdout=subprocess.DEVNULL)
    s = Session(boot())
    same(sorted(transactional())[:1] != [], True, "no service is transactional")
    s.must(FILES)
    for program in PROGRAMS:
        s.guest.run(f"mkdir -p /tmp/run; cd /tmp/run; /usr/lib/anole/tests/{program}", timeout=120)
    same(re.findall(r"\S+: tx: .*", s.must("dmesg")), [], "changes that were not saved")
    s.guest.close()


main_alone()
