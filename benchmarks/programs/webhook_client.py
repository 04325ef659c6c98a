"""Sends webhooks over keep-alive connections and prints the seconds it took. Arguments: port, path, prefix, how many, clients.

Written on plain sockets: the client must cost little beside the server that is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator


def requests(path: str, prefix: str, count: int) -> Iterator[bytes]:
    """Distinct events in Kantata's form, about distinct time entries."""
    for number in range(count):
        body = json.dumps(
            {"event_id": f"{prefix}-{number:06d}", "event_type": "time_entry:updated",
             "subject_type": "time_entry", "subject_id": str(1_000_000 + number)}
        ).encode()  # fmt: skip
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        yield head.encode() + body


async def send_all(port: int, waiting: Iterator[bytes]) -> None:
    """One client: a request after the answer to the one before; anything but 202 ends the measure."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in waiting:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(head.decode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()


async def main(port: int, path: str, prefix: str, count: int, clients: int) -> float:
    """Seconds from the first request to the last answer."""
    waiting = iter(list(requests(path, prefix, count)))
    begun = time.perf_counter()
    await asyncio.gather(*(send_all(port, waiting) for _ in range(clients)))
    return time.perf_counter() - begun


if __name__ == "__main__":
    _, port, path, prefix, count, clients = sys.argv
    sys.stdout.write(f"{asyncio.run(main(int(port), path, prefix, int(count), int(clients)))}\n")
