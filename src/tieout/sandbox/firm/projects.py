"""Finding the project that stands for a contract: by its external reference, else by the mark in its title."""

from __future__ import annotations

import re

from tieout.sandbox.world import Record, World

DEFAULT_TASKS = ("Delivery", "Project management")
CANCELLED = "Cancelled"


class NotYet(Exception):
    """A person cannot do it yet: what it needs is not there. It is tried again later."""


class Projects:
    """The projects of the world as people see them; what was found is remembered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: dict[str, tuple[str, list[str]]] = {}

    def of(self, contract: str) -> tuple[str, list[str]]:
        """Workspace and its tasks; NotYet while there is no complete project of the contract."""
        if contract not in self._found:
            workspace = self._referenced(contract) or self._marked(contract)
            if workspace is None:
                raise NotYet(f"no project of {contract}")
            self._found[contract] = workspace, self._tasks(workspace)
        return self._found[contract]

    def _referenced(self, contract: str) -> str | None:
        for reference in self._world.all("kantata", "external_reference"):
            fields = reference.fields
            if fields.get("subject_type") == "workspace" and names(
                str(fields.get("service_model_ref")), contract
            ):
                workspace = self._world.get("kantata", "workspace", str(fields["subject_id"]))
                if workspace is not None and _message(workspace) != CANCELLED:
                    return workspace.id
        return None

    def _marked(self, contract: str) -> str | None:
        """A project that carries the number in its title and is active already."""
        for workspace in self._world.all("kantata", "workspace"):
            if names(str(workspace.fields.get("title")), contract) and _message(workspace) == "Active":
                return workspace.id
        return None

    def _tasks(self, workspace: str) -> list[str]:
        """The open tasks in order of creation; a project manager makes the usual two where there are none."""
        found = self._world.find("kantata", "story", workspace_id=workspace)
        tasks = [s for s in found if s.fields.get("story_type") == "task"]
        if not tasks:
            made = {"workspace_id": workspace, "story_type": "task", "state": "started"}
            return [self._world.put("kantata", "story", {**made, "title": title}) for title in DEFAULT_TASKS]
        return [
            s.id for s in sorted(tasks, key=lambda s: s.created_at) if s.fields.get("state") != "completed"
        ]


def names(text: str, contract: str) -> bool:
    """Whether a text contains the contract's number as a word of its own."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(contract)}(?![0-9A-Za-z])", text) is not None


def _message(workspace: Record) -> object:
    status = workspace.fields.get("status")
    return status.get("message") if isinstance(status, dict) else status
