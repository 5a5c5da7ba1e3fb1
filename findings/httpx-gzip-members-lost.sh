#!/usr/bin/env bash
# httpx 0.28.1: of an answer in several gzip members, all but the first are lost without an error.
#
# A gzip body may consist of several members, one after the other; unpacked, they belong together
# (RFC 1952, section 2.2). httpx stops at the end of the first one and returns what it has so far.
# aiohttp 3.14.5 returns all of it.
#
# Seen:
#   httpx    b'{"task_id":'
#   aiohttp  b'{"task_id": 1}'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check httpx==0.28.1 aiohttp==3.14.5
cat > "$folder/try.py" <<'PYTHON'
import asyncio
import gzip

import aiohttp
import httpx

BODY = gzip.compress(b'{"task_id":') + gzip.compress(b" 1}")
HEAD = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD + BODY)
    await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = "http://127.0.0.1:{}/".format(server.sockets[0].getsockname()[1])
    async with httpx.AsyncClient(trust_env=False) as client:
        theirs = (await client.get(url)).content
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        whole = await response.read()
    print("httpx   ", theirs)
    print("aiohttp ", whole)
    assert (theirs, whole) == (b'{"task_id":', b'{"task_id": 1}'), "it behaves otherwise by now"


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
