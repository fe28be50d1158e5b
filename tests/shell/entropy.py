# SPDX-License-Identifier: MIT
"""A random number generator of the host's: nobody waits for it, and no byte of it is given out twice."""
import os
import random

from session import Failed, Session, boot, holds, main_alone, same, test

BYTES = random.Random(1).randbytes(16384)


def with_fifo(directory):
    """A guest whose device gives what is written into the FIFO, and that FIFO."""
    path = os.path.join(directory, "entropy")
    os.mkfifo(path)
    fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    s = Session(boot(extra=("-object", f"rng-random,id=rng0,filename={path}", "-device", "virtio-rng-pci,rng=rng0")))
    return s, fifo


@test("the boot does not wait for it, and what waits for it ends by a signal")
def boots_without(directory):
    s, fifo = with_fifo(directory)
    holds(r"virtio_rng +running", s.must("service"))
    same(s.must("head -c 32 /dev/urandom | wc -c"), "32\n")
    holds("Terminated", s.guest.run("timeout 1 cat /dev/hwrng 2>&1; [ $? = 143 ] && echo Terminated")[1])
    s.guest.close()
    os.close(fifo)


@test("it seeds first, and what it gave is not given again, also when the driver dies")
def given_once(directory):
    s, fifo = with_fifo(directory)
    os.write(fifo, BYTES)
    places = []
    for _ in range(3):
        piece = bytes(int(word) for word in
                      s.must("head -c 48 /dev/hwrng | od -An -v -tu1; service kill virtio_rng").split())
        same(len(piece), 48)
        places.append(BYTES.index(piece))
    places.sort()
    if any(after - before < 48 for before, after in zip(places, places[1:])):
        raise Failed(f"the same bytes twice: what was read began at {places}")
    # pm and mem have had 32 bytes each.
    left = 0
    try:
        while True:
            left += len(os.read(fifo, 65536))
    except BlockingIOError:
        pass
    if not 3 * 48 + 64 <= len(BYTES) - left:
        raise Failed(f"only {len(BYTES) - left} bytes were taken from the host")
    s.guest.close()
    os.close(fifo)


@test("only root reads it")
def rights(directory):
    s, fifo = with_fifo(directory)
    same(s.must("stat -c '%F %t %T %a' /dev/hwrng"), "character special file a b7 600\n")
    holds("Permission denied", s.must("su user -c 'cat /dev/hwrng' 2>&1; true"))
    s.guest.close()
    os.close(fifo)


main_alone()
