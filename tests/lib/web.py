# SPDX-License-Identifier: MIT
"""Files for a guest to fetch from this machine, which it sees as 10.0.2.2."""
import functools
import hashlib
import http.server
import os
import threading


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(directory):
    """A web server on this machine's loopback, which the guest sees as 10.0.2.2: its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def random_file(directory, name, size):
    data = os.urandom(size)
    with open(os.path.join(directory, name), "wb") as f:
        f.write(data)
    return hashlib.md5(data).hexdigest()
