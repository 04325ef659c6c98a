"""Writing NetSuite: one PUT by external id per command, answered by 204 and the record's address."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieout.connectors.kit.compare import differences, same
from tieout.connectors.kit.families.rest import RestCaller
from tieout.connectors.kit.interface import Command, Difference, Drift, Receipt, Rejected
from tieout.connectors.kit.manifest import Manifest, Write

RECORDS = "/services/rest/record/v1"
_KEY = re.compile(r"^[A-Za-z0-9_-]{1,200}$")
_ADDRESS = re.compile(r"/services/rest/record/v1/([A-Za-z]+)/([0-9]+)$")
INVERSE_BODY = b'{"isInactive":true}'


class NetSuiteTarget:
    """The writing side of one connection."""

    def __init__(self, caller: RestCaller, manifest: Manifest):
        self._caller, self._writes = caller, manifest.writes

    def apply(self, command: Command) -> Receipt:
        """Upsert one record under our key; the body goes out byte for byte."""
        write = self._write(command.operation)
        answer = self._caller.write("PUT", _path(write, command.external_key), command.body)
        found = _ADDRESS.search(answer.headers.get("location", ""))
        if answer.status != 204 or found is None or found.group(1).lower() != write.record.lower():
            raise answer.misshapen(f"status 204 with the address of a {write.record}")
        return Receipt(found.group(2), command.external_key, {"record": write.record})

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The record under our key."""
        held = self._held(self._write(operation), external_key)
        if held is None:
            return None
        return Receipt(
            str(held["id"]), external_key, {"record": self._write(operation).record, **_shown(held)}
        )

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """Every value sent, and for documents the total, compared with the record under the key."""
        write = self._write(command.operation)
        held = self._held(write, command.external_key)
        if held is None:
            return [Difference("record", command.external_key, "nothing")]
        sent = json.loads(command.body, parse_float=Decimal)
        found = differences(sent, held)
        if not same(receipt.target_id, held.get("id")):
            found.append(Difference("id", receipt.target_id, str(held.get("id"))))
        amounts = [row.get("amount") for row in _items(sent)]
        if amounts and all(amount is not None for amount in amounts):
            total = sum((Decimal(str(amount)) for amount in amounts), Decimal(0))
            if not same(total, held.get("total")):
                found.append(Difference("total", str(total), str(held.get("total"))))
        return found

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """Customers and jobs become inactive; documents have no inverse here."""
        undo = self._write(command.operation).inverse
        return None if undo is None else Command(undo, command.external_key, INVERSE_BODY)

    def _held(self, write: Write, external_key: str) -> dict[str, Any] | None:
        try:
            answer = self._caller.read(_path(write, external_key), {"expandSubResources": "true"})
        except Rejected as error:
            if error.code in ("NONEXISTENT_ID", "RCRD_DSNT_EXIST", "404"):
                return None
            raise
        held = answer.json()
        if not isinstance(held, dict) or held.get("id") is None:
            raise answer.misshapen("a record without id")
        if not same(held.get("externalId"), external_key):
            raise Drift("the record that came is not the one asked for", "wrong-record")
        return held

    def _write(self, operation: str) -> Write:
        if operation not in self._writes:
            raise Rejected(f"netsuite has no operation {operation}", "unknown-operation")
        return self._writes[operation]


def _path(write: Write, external_key: str) -> str:
    if not _KEY.match(external_key):
        raise Rejected("an external key holds letters, digits, _ and - only", "invalid-key", "externalId")
    return f"{RECORDS}/{write.record}/eid:{external_key}"


def _items(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sublist = record.get("item")
    rows = sublist.get("items") if isinstance(sublist, Mapping) else None
    return [row for row in rows or [] if isinstance(row, Mapping)]


def _shown(held: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(held[name]) for name in ("tranId", "total", "status") if held.get(name) is not None}
