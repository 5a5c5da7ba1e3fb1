#!/usr/bin/env bash
# httpx-aiohttp 0.2.0 over aiohttp 3.14.5: ConnectTimeout for requests that the server has read.
#
# A server reads a whole request and then closes or resets the connection without an answer. httpx
# with its own transport raises ReadError or RemoteProtocolError: the request may have been acted on.
# With httpx-aiohttp as its transport it raises ConnectTimeout, which in httpx means that no
# connection was made and nothing was sent. A program that repeats a submission after ConnectTimeout
# may so pay twice. A GET is sent twice before the error is raised.
#
# Seen (reads = how many requests the server read to their end):
#   POST reset httpx          reads=1 ReadError
#   POST reset httpx-aiohttp  reads=1 ConnectTimeout <- ClientOSError
#   POST close httpx          reads=1 RemoteProtocolError
#   POST close httpx-aiohttp  reads=1 ConnectTimeout <- ServerDisconnectedError
#   GET reset httpx           reads=1 ReadError
#   GET reset httpx-aiohttp   reads=2 ConnectTimeout <- ClientOSError
#   GET close httpx           reads=1 RemoteProtocolError
#   GET close httpx-aiohttp   reads=2 ConnectTimeout <- ServerDisconnectedError
#
# What tells the two apart is the cause: aiohttp's ClientConnectorError and ConnectionTimeoutError
# are raised only before a connection stands.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    httpx==0.28.1 httpx-aiohttp==0.2.0 aiohttp==3.14.5
cat > "$folder/try.py" <<'PYTHON'
import asyncio
import socket
import struct

import httpx
from httpx_aiohttp import AiohttpTransport

LINGER_NOT = struct.pack("ii", 1, 0)  # close() then resets the connection


async def tried(method: str, end: str, transport: httpx.AsyncBaseTransport | None) -> str:
    reads = 0

    async def read_and_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reads
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.split(b":")[1]))
        reads += 1
        if end == "reset":
            one = writer.get_extra_info("socket")
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        writer.close()

    server = await asyncio.start_server(read_and_end, "127.0.0.1", 0)
    url = "http://127.0.0.1:{}/imagine".format(server.sockets[0].getsockname()[1])
    body = {"prompt": "a fox"} if method == "POST" else None
    try:
        async with httpx.AsyncClient(transport=transport) as client:
            await client.request(method, url, json=body)
        return f"reads={reads} answered"
    except httpx.HTTPError as error:
        cause = f" <- {type(error.__cause__).__name__}" if transport else ""
        return f"reads={reads} {type(error).__name__}{cause}"
    finally:
        server.close()


async def main() -> None:
    for method in ("POST", "GET"):
        for end in ("reset", "close"):
            print(method, end, "httpx", await tried(method, end, None))
            print(method, end, "httpx-aiohttp", await tried(method, end, AiohttpTransport()))


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
POST reset httpx reads=1 ReadError
POST reset httpx-aiohttp reads=1 ConnectTimeout <- ClientOSError
POST close httpx reads=1 RemoteProtocolError
POST close httpx-aiohttp reads=1 ConnectTimeout <- ServerDisconnectedError
GET reset httpx reads=1 ReadError
GET reset httpx-aiohttp reads=2 ConnectTimeout <- ClientOSError
GET close httpx reads=1 RemoteProtocolError
GET close httpx-aiohttp reads=2 ConnectTimeout <- ServerDisconnectedError
SEEN
echo "As described."
