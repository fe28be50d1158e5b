# SPDX-License-Identifier: MIT
"""Random data both ways at once through one connection that a guest makes to this machine; both ends must have the same."""
import hashlib
import os
import socket
import threading

from session import same


def serve(data, address):
    """Give data to who connects, and keep what comes: its port, a list that gets that, and who does it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener, got = socket.create_server((address, 0), family=family), []

    def receive(peer):
        got.append(b"".join(iter(lambda: peer.recv(1 << 16), b"")))

    def run():
        with listener, listener.accept()[0] as peer:
            receiver = threading.Thread(target=receive, args=(peer,), daemon=True)
            receiver.start()
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            receiver.join()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return listener.getsockname()[1], got, thread


def transfer(s, address, size, seen_as=None):
    data = os.urandom(size)
    port, got, thread = serve(data, address)
    s.must(f"head -c {size} /dev/urandom >/tmp/out; nc {seen_as or address} {port} </tmp/out >/tmp/in", 900)
    thread.join(900)
    same(s.must("md5sum </tmp/in").split()[0], hashlib.md5(data).hexdigest(), "what came")
    same(s.must("md5sum </tmp/out").split()[0], hashlib.md5(got[0]).hexdigest(), "what went")
