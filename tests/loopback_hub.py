"""A hub of one model on the loopback address, which misbehaves as it is told."""

import hashlib
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LONG = 60


class LoopbackHub:
    """What it has, what it shall do wrong, and what it was asked.

    Args:
        files: Contents by name.
    """

    def __init__(self, files):
        self.files = dict(files)
        self.requests = []
        self.failures = []
        """Statuses that answer the next requests for bytes, each with what it says of trying again."""
        self.refusal = None
        """A status that answers every question about a file."""
        self.cuts = []
        """After how many bytes the next answers break off."""
        self.slow = False
        """Send a little of the large file, and the rest never."""
        self.over = threading.Event()
        self.lies = {}
        """Headers to replace or, where None, to leave out, when asked about the large file."""
        self.common_lies = {}
        """The same for every file."""
        self.location = None
        """Where every request is redirected to, as it stands in the header."""
        self.page = False
        """Send a web page instead of bytes, as a network does that one has to log in to."""
        self.starts = None
        """The first byte of a part, whatever was asked for."""
        self.endless = None
        """A status whose answers to requests for bytes have no end."""
        self.takes_ranges = True
        self.excess = 0
        self.redirects_to = None

    @property
    def ranges(self):
        """The ranges that were asked for, of the large file."""
        return [
            headers.get("Range") for method, path, headers in self.requests if method == "GET" and "tensors" in path
        ]

    @contextmanager
    def serve(self):
        """Give its address as long as it serves."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.over.set()
            server.shutdown()
            server.server_close()


def checksum(name, content):
    """As the hub has it: SHA-256 of large files, git's SHA-1 of small ones."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    def log_message(self, *_arguments):
        pass

    def do_HEAD(self):
        content = self._content()
        if content is None:
            return
        name = self.path.rpartition("/")[2]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{checksum(name, content)}"', "Content-Length": str(len(content))}
        if name.endswith(".safetensors"):  # these lie elsewhere, and the hub sends there
            headers["X-Linked-Etag"], headers["X-Linked-Size"] = headers["ETag"], headers["Content-Length"]
            headers["ETag"] = '"something of the storage\'s own"'
            headers |= self.hub.lies
            if self.hub.redirects_to:
                self._answer(302, headers | {"Location": f"{self.hub.redirects_to}{self.path}", "Content-Length": "0"})
                return
        if self.hub.location:
            self._answer(302, {"Location": self.hub.location})
        else:
            self._answer(200, headers | self.hub.common_lies)

    def do_GET(self):
        content = self._content()
        if content is None:
            return
        if self.hub.page:
            self._answer(200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": "20"})
            self.wfile.write(b"<html>Log in.</html>")
        elif self.hub.endless:
            self._answer(self.hub.endless, {"Connection": "close"})
            self.close_connection = True
            self._send_until_it_is_closed()
        elif self.hub.redirects_to:
            self._answer(302, {"Location": f"{self.hub.redirects_to}{self.path}", "Content-Length": "0"})
        elif self.hub.failures:
            status, retry_after = self.hub.failures.pop(0)
            self._answer(status, {"Retry-After": retry_after, "Content-Length": "0"})
        else:
            asked = self.headers.get("Range", "bytes=0-") if self.hub.takes_ranges else "bytes=0-"
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            body = content[start:] + bytes(self.hub.excess)
            told = start if self.hub.starts is None else self.hub.starts
            part = f"bytes {told}-{len(content) - 1}/{len(content)}" if start else None
            self._answer(206 if start else 200, {"Content-Length": str(len(body)), "Content-Range": part})
            self._send(body)

    def _send(self, body):
        is_large = self.path.endswith(".safetensors")
        if is_large and self.hub.slow:
            self.wfile.write(body[:1000])
            self.hub.over.wait(LONG)
            self.close_connection = True
        elif is_large and self.hub.cuts:
            self.wfile.write(body[: self.hub.cuts.pop(0)])
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _send_until_it_is_closed(self):
        with suppress(OSError):
            while not self.hub.over.is_set():
                self.wfile.write(bytes(1 << 16))

    def _content(self):
        self.hub.requests.append((self.command, self.path, dict(self.headers)))
        content = self.hub.files.get(self.path.rpartition("/")[2])
        if self.hub.refusal or content is None:
            self._answer(self.hub.refusal or 404, {"Content-Length": "0"})
            return None
        return content

    def _answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
