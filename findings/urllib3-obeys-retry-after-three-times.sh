#!/usr/bin/env bash
# Guess: urllib3 makes a request again after a status only where its user lists the statuses (`status_forcelist`), as its pages
#   suggest; a rate limit that answers 429 with `Retry-After` is told to the caller at once.
# Seen: urllib3 2.8.0 with its defaults asks four times for a GET that is answered 429 or 503 with `Retry-After`, waits in between
#   as long as it is told to, and raises nothing. Without the header, for 500 and for a POST it asks once. requests 2.34.2, which
#   stands on it, turns that off and asks once.
# So: what a limit refuses it may see four times, and its caller hangs for three times what the header says.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check urllib3==2.8.0 requests==2.34.2
cat >ask.py <<'PY'
import http.server, threading, requests, urllib3

seen = 0

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global seen
        seen += 1
        status, *told = self.path.strip("/").split("/")
        self.send_response(int(status))
        if told:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name, ask in (("urllib3", urllib3.request), ("requests", requests.request)):
    for method, path in (("GET", "429/told"), ("GET", "503/told"), ("GET", "429"), ("GET", "500/told"), ("POST", "429/told")):
        seen = 0
        answer = ask(method, f"http://127.0.0.1:{server.server_port}/{path}")
        status = getattr(answer, "status", None) or answer.status_code
        print(f"{name} {method} /{path}: {status}, asked {seen} times")
PY
venv/bin/python ask.py | tee seen
diff - seen <<'SEEN'
urllib3 GET /429/told: 429, asked 4 times
urllib3 GET /503/told: 503, asked 4 times
urllib3 GET /429: 429, asked 1 times
urllib3 GET /500/told: 500, asked 1 times
urllib3 POST /429/told: 429, asked 1 times
requests GET /429/told: 429, asked 1 times
requests GET /503/told: 503, asked 1 times
requests GET /429: 429, asked 1 times
requests GET /500/told: 500, asked 1 times
requests POST /429/told: 429, asked 1 times
SEEN
echo 'as described above'
