"""Writing Kantata, which knows no idempotency key: every part is looked up before it is made.

The external reference is written last: a project found by it is complete, one that is not complete is found by the
marker `[NUMBER]` in its title and finished by the next attempt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieout.connectors.kantata.api import KantataApi
from tieout.connectors.kit.compare import differences, same
from tieout.connectors.kit.interface import Command, Conflict, Difference, Receipt, Rejected

SERVICE = "tieout"
SERVICE_MODEL = "project"
_MARKER = re.compile(r"\[([^\[\]]+)\]\s*$")


class KantataTarget:
    """The writing side of one connection."""

    def __init__(self, api: KantataApi):
        self._api = api
        self._apply = {
            "create_project": self._create_project,
            "set_billing_profile": self._set_billing_profile,
            "set_project_status": self._set_project_status,
        }

    def apply(self, command: Command) -> Receipt:
        """Carry out one command, completing what an earlier attempt left undone."""
        return self._known(command.operation)(command, _sent(command))

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The complete project under our key; None for operations that only set values (repeating is harmless)."""
        self._known(operation)
        if operation != "create_project":
            return None
        subject = self._referenced(external_key)
        return None if subject is None else Receipt(subject, external_key, {"found": "external_reference"})

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """Every value sent, compared with what Kantata holds now."""
        sent = _sent(command)
        self._known(command.operation)
        workspace = self._workspace(receipt.target_id)
        if workspace is None:
            return [Difference("workspace", receipt.target_id, "nothing")]
        if command.operation == "set_project_status":
            return differences(
                _status_facts(sent), _status_facts({**workspace, "status": _message(workspace)})
            )
        if command.operation == "set_billing_profile":
            held = {
                str(v["custom_field_name"]): v.get("value") for v in self._custom_values(receipt.target_id)
            }
            return differences(_texts(sent["profile"]), held)
        found = differences(sent["workspace"], workspace)
        titles = {str(story["title"]) for story in self._stories(receipt.target_id)}
        found += [Difference("stories", t, "nothing") for t in _titles(sent) if t not in titles]
        referenced = self._referenced(command.external_key)
        if not same(referenced, receipt.target_id):
            found.append(Difference("external_reference", receipt.target_id, str(referenced)))
        return found

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """A made project is cancelled and archived, never deleted."""
        if command.operation != "create_project":
            return None
        body = {"workspace": receipt.target_id, "status": "Cancelled", "archived": True}
        content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        return Command("set_project_status", command.external_key, content)

    def _create_project(self, command: Command, sent: dict[str, Any]) -> Receipt:
        subject = self._referenced(command.external_key)
        workspace_id = subject or self._marked(sent) or str(
            self._api.create("workspaces", "workspace", sent["workspace"])["id"]
        )  # fmt: skip
        known = {str(story["title"]) for story in self._stories(workspace_id)}
        for title in _titles(sent):
            if title not in known:
                story = {"workspace_id": workspace_id, "title": title, "story_type": "task"}
                self._api.create("stories", "story", story)
        if subject is None:
            self._api.create("external_references", "external_reference", {
                "service_name": SERVICE, "service_model": SERVICE_MODEL, "service_model_ref": command.external_key,
                "subject_type": "workspace", "subject_id": workspace_id, "status": "synced",
            })  # fmt: skip
        return Receipt(workspace_id, command.external_key, {"found": subject is not None})

    def _set_billing_profile(self, command: Command, sent: dict[str, Any]) -> Receipt:
        workspace_id = str(sent["workspace"])
        held = {str(v["custom_field_name"]): v for v in self._custom_values(workspace_id)}
        for name, value in _texts(sent["profile"]).items():
            record = {
                "subject_type": "workspace", "subject_id": workspace_id, "custom_field_name": name, "value": value
            }  # fmt: skip
            if name not in held:
                self._api.create("custom_field_values", "custom_field_value", record)
            elif not same(held[name].get("value"), value):
                field_id = str(held[name]["id"])
                self._api.update("custom_field_values", "custom_field_value", field_id, {"value": value})
        return Receipt(workspace_id, command.external_key)

    def _set_project_status(self, command: Command, sent: dict[str, Any]) -> Receipt:
        workspace_id = str(sent["workspace"])
        self._api.update("workspaces", "workspace", workspace_id, _status_facts(sent, wire=True))
        return Receipt(workspace_id, command.external_key)

    def _referenced(self, external_key: str) -> str | None:
        params = {"service_name": SERVICE, "service_model": SERVICE_MODEL, "service_model_ref": external_key}
        found = {
            str(r["subject_id"]) for r in self._api.every("external_references", params)
            if str(r.get("service_model_ref")) == external_key and r.get("service_name") == SERVICE
        }  # fmt: skip
        if len(found) > 1:
            raise Conflict(f"{len(found)} projects carry the reference {external_key}", "several-records")
        return found.pop() if found else None

    def _marked(self, sent: Mapping[str, Any]) -> str | None:
        """The project an interrupted attempt made: its title ends with the same marker."""
        marker = _MARKER.search(str(sent["workspace"].get("title", "")))
        if marker is None:
            raise Rejected(
                "the project's title must end with its number in brackets", "invalid-body", "title"
            )
        found = [
            str(w["id"]) for w in self._api.every("workspaces", {"search": marker.group(1)})
            if (own := _MARKER.search(str(w.get("title", "")))) and own.group(1) == marker.group(1)
        ]  # fmt: skip
        if len(found) > 1:
            raise Conflict(f"{len(found)} projects carry the marker [{marker.group(1)}]", "several-records")
        return found[0] if found else None

    def _workspace(self, workspace_id: str) -> dict[str, Any] | None:
        records = self._api.page("workspaces", {"ids": workspace_id}).records
        return next((e.value for e in records if e.key == workspace_id), None)

    def _stories(self, workspace_id: str) -> list[dict[str, Any]]:
        found = self._api.every("stories", {"workspace_id": workspace_id})
        return [s for s in found if str(s.get("workspace_id")) == workspace_id]

    def _custom_values(self, workspace_id: str) -> list[dict[str, Any]]:
        params = {"subject_type": "workspace", "subject_id": workspace_id}
        found = self._api.every("custom_field_values", params)
        return [v for v in found if str(v.get("subject_id")) == workspace_id]

    def _known(self, operation: str) -> Any:
        if operation not in self._apply:
            raise Rejected(f"kantata has no operation {operation}", "unknown-operation")
        return self._apply[operation]


def _sent(command: Command) -> dict[str, Any]:
    body = json.loads(command.body, parse_float=Decimal)
    if not isinstance(body, dict) or not isinstance(body.get("workspace"), dict | str | int):
        raise Rejected("the body names no workspace", "invalid-body", "workspace")
    return body


def _titles(sent: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(str(title) for title in sent.get("stories", [])))


def _texts(profile: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in profile.items() if value is not None}


def _message(workspace: Mapping[str, Any]) -> Any:
    status = workspace.get("status")
    return status.get("message") if isinstance(status, Mapping) else status


def _status_facts(sent: Mapping[str, Any], *, wire: bool = False) -> dict[str, Any]:
    facts: dict[str, Any] = {"status": {"message": sent["status"]} if wire else sent["status"]}
    if "archived" in sent:
        facts["archived"] = sent["archived"]
    return facts
