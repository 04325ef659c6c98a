"""The sandbox as the demo sees it: its control door, and where its sign-ins are."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

PLAYING_SECONDS = 120.0


class Away(RuntimeError):
    """The sandbox does not answer (it may just be restarted)."""


class Outside:
    """The control door of the sandbox of one home. `wait(seconds)` is called between tries and may raise."""

    def __init__(self, folder: Path, wait: Callable[[float], None]) -> None:
        self._folder, self._wait = folder, wait
        self._client: httpx.Client | None = None
        self.credentials: dict[str, Any] = {}

    def connect(self) -> None:
        """Take the address and the control token of the running sandbox."""
        self.close()
        told = json.loads((self._folder / "credentials.json").read_text())
        context = ssl.create_default_context(cafile=told["ca"])
        headers = {"Authorization": f"Bearer {told['control_token']}"}
        self._client = httpx.Client(
            base_url=told["url"], headers=headers, verify=context, timeout=PLAYING_SECONDS, trust_env=False
        )
        self.credentials = told

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def wait_until_it_answers(self, seconds: float) -> None:
        """Until the control door answers; raises Away when that takes longer."""
        tries = int(seconds / 0.05)
        for _ in range(tries):
            try:
                self.connect()
                self.clock()
                return
            except (OSError, ValueError, KeyError, httpx.HTTPError, ssl.SSLError):
                self._wait(0.05)
        raise Away("The sandbox does not answer; see logs/sandbox.log.")

    def call(self, method: str, name: str, **told: Any) -> Any:
        """One control call; a sandbox that was restarted is asked again (every control call may be repeated)."""
        for left in (3, 2, 1, 0):
            if self._client is None:
                self.wait_until_it_answers(20)
            client = self._client
            if client is None:
                raise Away("The sandbox does not answer.")
            try:
                answer = client.request(method, f"/_sandbox/{name}", **told)
                break
            except httpx.TransportError as error:
                if not left:
                    raise Away(f"The sandbox does not answer: {type(error).__name__}") from error
                self._wait(0.2)
                self.wait_until_it_answers(20)
        if answer.is_error:
            raise RuntimeError(f"the sandbox refused {method} {name}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def clock(self) -> dict[str, Any]:
        """The firm's clock, and how many webhooks are still on their way."""
        if self._client is None:
            raise OSError("not connected")
        answer = self._client.get("/_sandbox/clock")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def advance(self, to: datetime) -> None:
        """Play the firm's life up to a moment; its webhooks wait for `release_hints`."""
        self.call("POST", "advance", json={"to": to.isoformat(), "hold_hints": True})

    def release_hints(self) -> None:
        """Let the webhooks go that were held."""
        self.call("POST", "hints")

    def hints_waiting(self) -> int:
        """Webhooks that are still on their way."""
        return int(self.call("GET", "clock")["hints_waiting"])

    def register_webhook(self, system: str, url: str) -> None:
        """Have a system send its webhooks to an address."""
        self.call("POST", "webhooks", json={"system": system, "url": url})

    def planted(self) -> list[dict[str, Any]]:
        """The mess that the firm made so far."""
        return self._items("planted")

    def count_calls(self, system: str) -> int:
        """How many requests a system got."""
        return int(self.call("GET", "calls", params={"system": system, "count": "1"})["count"])

    # --- the outside truth, for the invariants --------------------------------------------------------

    def ledger(self) -> list[dict[str, Any]]:
        """Every applied write in order."""
        return self._items("ledger")

    def calls(self) -> list[dict[str, Any]]:
        """Every request in order."""
        return self._items("calls")

    def ids(self, system: str, type: str) -> set[str]:
        """The ids that a system holds now."""
        return {row["id"] for row in self._items("records", system=system, type=type)}

    def _items(self, name: str, **params: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", name, params=params)["items"]
        return found
