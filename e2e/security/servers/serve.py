"""Files as Python's http.server finds them, on the first port; an application behind WSGI on the second: serve.py FOLDER PORT PORT"""

import os
import posixpath
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from urllib.parse import quote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

FOLDER, FILES, WSGI = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ThreadingHTTPServer.request_queue_size = 128
# Whoever attacks hangs up when it likes.
ThreadingHTTPServer.handle_error = WSGIServer.handle_error = lambda *_: None


class Files(SimpleHTTPRequestHandler):
    """Says which file it looked for, where there is one."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args):
        super().__init__(*args, directory=FOLDER)

    def end_headers(self):
        # A request line that could not be read has none of these.
        path, headers = getattr(self, "path", None), getattr(self, "headers", {})
        file = FOLDER if path is None else self.translate_path(path)
        if file != FOLDER and os.path.exists(file):
            self.send_header("x-served", os.path.relpath(file, FOLDER).split("/")[0])
        read = headers.get("x-group")
        if read is not None:
            self.send_header("x-read", quote(read))
        super().end_headers()

    def log_message(self, *_):
        pass


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


def application(environ, start):
    """What frameworks do: the path is decoded by the server, and put in order here."""
    path = posixpath.normpath("/" + environ["PATH_INFO"].lstrip("/"))
    there = os.path.exists(FOLDER + path)
    headers = [("content-length", "0")]
    if there:
        headers.append(("x-served", path.split("/")[1]))
    if "HTTP_X_GROUP" in environ:
        headers.append(("x-read", quote(environ["HTTP_X_GROUP"])))
    start("200 OK" if there else "404 Not Found", headers)
    return []


wsgi = make_server("0.0.0.0", WSGI, application, Threads, Silent)
threading.Thread(target=wsgi.serve_forever, daemon=True).start()
ThreadingHTTPServer(("0.0.0.0", FILES), Files).serve_forever()
