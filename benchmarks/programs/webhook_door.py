"""Ours: the web process as `tieout serve` runs it, without the console. Settings from the environment."""

from __future__ import annotations

import uvicorn

from tieout.api.app import create_app
from tieout.bootstrap import read_settings

if __name__ == "__main__":
    settings = read_settings()
    uvicorn.run(
        create_app(settings, console=False), host="127.0.0.1", port=settings.port, log_config=None, access_log=False
    )  # fmt: skip
