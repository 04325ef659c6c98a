"""`/_sandbox/…`: what a person or a test may do with the outside world. Bearer token from credentials.json.

- `GET clock`, `POST advance {"to": ISO}`: play the firm's life up to a moment and set the clock. With
  `"hold_hints": true` its webhooks wait for `POST hints`, so that whoever plays both sides can move the other clock.
- `POST faults {"system", "kind", "method"?, "path"?, "times"?, …detail}`, `DELETE faults`.
- `GET ledger?system=`, `GET calls?system=[&count=1]`, `GET planted`.
- `POST webhooks {"system", "url"}`.
- `GET records?system=&type=`, `POST records {"system", "type", "fields", "id"?, "silent"?, …}`,
  `DELETE records?system=&type=&id=`: people who work in the systems' own screens.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tieout.sandbox.simulators.common import Answer, Call, json_answer
from tieout.sandbox.world import World

PREFIX = "/_sandbox/"
Advance = Callable[[datetime], int]


class Control:
    """The control endpoints of one sandbox."""

    def __init__(self, world: World, token: str, advance: Advance) -> None:
        self._world, self._token, self._advance = world, token, advance
        self._playing = threading.Lock()

    def handle(self, call: Call) -> Answer:
        """One control call."""
        if not hmac.compare_digest(call.token.encode(), self._token.encode()):
            return json_answer({"error": "the control token is not the sandbox's"}, 401)
        try:
            return self._route(call)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return json_answer({"error": f"{type(error).__name__}: {error}"}, 422)

    def _route(self, call: Call) -> Answer:
        world, params = self._world, call.params
        match (call.method, call.path.removeprefix(PREFIX)):
            case ("GET", "clock"):
                return json_answer({"now": world.now(), "hints_waiting": world.hints.waiting()})
            case ("POST", "advance"):
                return self._play(call.json())
            case ("POST", "hints"):
                world.hints.let_go()
                return Answer(204)
            case ("POST", "faults"):
                told = call.json()
                world.add_fault(told.pop("system"), told.pop("kind"), **told)
                return json_answer({}, 201)
            case ("DELETE", "faults"):
                world.clear_faults()
                return Answer(204)
            case ("GET", "ledger"):
                return json_answer({"items": world.ledger(params.get("system"))})
            case ("GET", "calls") if "count" in params:
                return json_answer({"count": world.count_calls(params.get("system"))})
            case ("GET", "calls"):
                return json_answer({"items": world.calls(params.get("system"))})
            case ("GET", "planted"):
                return json_answer({"items": world.planted()})
            case ("POST", "webhooks"):
                told = call.json()
                world.add_webhook(told["system"], told["url"])
                return json_answer({}, 201)
            case (method, "records"):
                return self._records(call, method)
        return json_answer({"error": "no such control"}, 404)

    def _play(self, told: dict[str, Any]) -> Answer:
        to = datetime.fromisoformat(told["to"])
        to = to.replace(tzinfo=UTC) if to.tzinfo is None else to
        if told.get("hold_hints"):
            self._world.hints.hold()
        with self._playing:
            played = self._advance(to)
        return json_answer({"now": self._world.now(), "played": played})

    def _records(self, call: Call, method: str) -> Answer:
        world, params = self._world, call.params
        if method == "GET":
            found = world.all(params["system"], params["type"])
            return json_answer(
                {"items": [{"id": r.id, "modified_at": r.modified_at, **r.fields} for r in found]}
            )
        if method == "POST":
            told = call.json()
            id = world.put(
                told.pop("system"), told.pop("type"), told.pop("fields"), told.pop("id", None), **told
            )
            return json_answer({"id": id}, 201)
        if method == "DELETE":
            world.delete(params["system"], params["type"], params["id"])
            return Answer(204)
        return json_answer({"error": "GET, POST or DELETE"}, 405)
