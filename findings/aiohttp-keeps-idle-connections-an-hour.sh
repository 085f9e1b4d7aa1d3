#!/usr/bin/env bash
# Guess: an aiohttp server closes a connection that has been idle for 75 s, however it is started.
# Seen (aiohttp 3.14.5): `web.run_app` does. Started by `web.AppRunner`, as with any program that has a loop of its own, the
#   same application keeps it open: the protocol's own default is 3630 s.
# So: how long a pool may keep a connection to "an aiohttp server" cannot be read off the framework's name.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv py && py/bin/pip --quiet install aiohttp==3.14.5
cat >run_app.py <<'PY'
import sys
from aiohttp import web

async def ok(request):
    return web.Response()

app = web.Application()
app.router.add_get('/', ok)
web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)
PY
cat >main.py <<'PY'
import asyncio, socket, subprocess, sys
from aiohttp import web

async def ok(request):
    return web.Response()

async def idle(port):
    """Whether the server has closed a connection within 85 s of its first answer."""
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            break
        except ConnectionError:
            await asyncio.sleep(0.1)
    writer.write(b'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await reader.readuntil(b'\r\n\r\n')
    try:
        await asyncio.wait_for(reader.read(), 85)
        return 'closed'
    except asyncio.TimeoutError:
        return 'open'

async def main():
    app = web.Application()
    app.router.add_get('/', ok)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, '127.0.0.1', 0)
    await site.start()
    with socket.create_server(('127.0.0.1', 0)) as probe:
        free = probe.getsockname()[1]
    other = subprocess.Popen([sys.executable, 'run_app.py', str(free)])
    try:
        by_runner, by_run_app = await asyncio.gather(idle(runner.addresses[0][1]), idle(free))
    finally:
        other.terminate()
    print('run_app, idle for 85 s:', by_run_app)
    print('AppRunner, idle for 85 s:', by_runner)

asyncio.run(main())
PY
py/bin/python main.py | tee seen
diff - seen <<'SEEN'
run_app, idle for 85 s: closed
AppRunner, idle for 85 s: open
SEEN
echo 'as described above'
