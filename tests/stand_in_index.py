"""A package index on the loopback address that serves a folder of wheels."""

import socket
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 60  # seconds; for a machine that is busy with other things


class Index(ThreadingHTTPServer):
    """Serves until the `with` block ends; stops in the middle of the file that `hangs` names."""

    daemon_threads = True

    def __init__(self, folder, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.hangs, self.asked = folder, "", []
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.address = f"http{'s' * (certificate is not None)}://127.0.0.1:{self.server_port}/simple"
        self.reached, self.over = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_error):
        self.over.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        name = self.path.partition("?")[0].rstrip("/").rpartition("/")[2]
        wheels = [wheel.name for wheel in self.server.folder.glob("*.whl")]
        if name in wheels:
            self.answer((self.server.folder / name).read_bytes(), name == self.server.hangs)
        else:
            files = [wheel for wheel in wheels if wheel.startswith(f"{name.replace('-', '_')}-")]
            self.answer("".join(f'<a href="/files/{file}">{file}</a>' for file in files).encode())

    def answer(self, content, hangs=False):
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if content.startswith(b"<a") else "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if hangs:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.server.reached.set()
            self.server.over.wait(PATIENCE)
        else:
            self.wfile.write(content)

    def handle_error(self, *_words):
        pass

    def log_message(self, *_words):
        pass


class Proxy(ThreadingHTTPServer):
    """Leads every secure connection to one server, whatever host it is meant for."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.target = target
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_error):
        self.shutdown()
        self.server_close()


class Tunnel(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        with socket.create_connection(("127.0.0.1", self.server.target)) as other:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=copy, args=(other, self.connection), daemon=True).start()
            copy(self.connection, other)

    def log_message(self, *_words):
        pass


def copy(source, target):
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
