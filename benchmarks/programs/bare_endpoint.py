"""The baseline: a bare endpoint that inserts the body as one row and commits. Arguments: URL of the database, port."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

CONNECTIONS = 8
INSERT = "INSERT INTO received (event_id, raw) VALUES (%s, %s)"


def main(url: str, port: int) -> None:
    """Serve until killed."""
    free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for _ in range(CONNECTIONS):
            await free.put(await psycopg.AsyncConnection.connect(url, autocommit=True))
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/received/{connection}/{secret}")
    async def received(request: Request, connection: str, secret: str) -> JSONResponse:
        raw = await request.body()
        event_id = json.loads(raw)["event_id"]
        conn = await free.get()
        try:
            await conn.execute(INSERT, (event_id, raw))
        finally:
            free.put_nowait(conn)
        return JSONResponse({"accepted": 1}, 202)

    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
