"""Forwards TCP connections: `forward.py ADDRESS PORT TO` listens there, and connects to TO:PORT."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main(listen: str, port: str, to: str) -> None:
    """Listen until the process is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, downstream = await asyncio.open_connection(to, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pipe(reader, downstream), _pipe(upstream, writer))

    server = await asyncio.start_server(serve, listen, int(port))
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
