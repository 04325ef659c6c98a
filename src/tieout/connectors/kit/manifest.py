"""The declaration of a connector: what it reads and writes and how the system behaves (`manifest.yaml`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from tieout.connectors.kit.errors import ErrorRule


class InvalidManifest(ValueError):
    """A manifest that cannot be used; the text names the file and every finding."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceObject(_Part):
    """One object that is read. `fields` are asked for by name where the vendor's API needs that."""

    fields: list[str] = []
    stamp: str
    stamp_seconds: float = Field(gt=0, description="resolution of the stamp")
    overlap_seconds: int = Field(ge=0)
    deletes: Literal["query_all", "subscribed_events", "deleted_record", "none"]


class Write(_Part):
    """One operation. `record` is the vendor's record type, `key_field` the field that holds our key."""

    record: str
    key_field: str = ""
    idempotency: Literal["external_ref_unique", "external_ref_searchable", "natural", "none"]
    lookup_lag_seconds: int = Field(default=0, ge=0)
    batch: bool = False
    inverse: str | None = None
    no_inverse_because: str = ""
    composite: bool = False

    @model_validator(mode="after")
    def _inverse_is_settled(self) -> Write:
        if (self.inverse is None) == (not self.no_inverse_because):
            raise ValueError("state either `inverse` or `no_inverse_because`")
        return self


class Batch(_Part):
    """Batches of the vendor: rows in one call and what happens to the others when one is refused."""

    size: int = Field(default=1, ge=1)
    atomicity: Literal["all", "per_record", "unknown"] = "per_record"


class Limits(_Part):
    """Budgets the vendor states (None = states none)."""

    page_size: int = Field(ge=1)
    concurrent_calls: int | None = None
    calls_per_day: int | None = None
    note: str = ""


class SignIn(_Part):
    """How to sign in, what an administrator must grant, and which secrets and settings a connection needs."""

    kind: Literal["client_credentials", "client_credentials_jwt", "bearer"]
    secrets: list[str]
    config: list[str] = []
    scopes: list[str] = []


class Manifest(_Part):
    """A whole manifest."""

    manifest: Literal[1]
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    api_version: str
    releases: str
    docs: str
    region: str
    hosts: list[str] = Field(min_length=1)
    sign_in: SignIn
    max_server_seconds: int = Field(
        ge=1, description="a write without an answer may still be applied this long"
    )
    batch: Batch = Batch()
    limits: Limits
    webhook: bool = False
    objects: dict[str, SourceObject]
    writes: dict[str, Write]
    references: list[str] = []
    reports: list[str] = []
    errors: list[ErrorRule]

    @model_validator(mode="after")
    def _inverses_exist(self) -> Manifest:
        missing = [w.inverse for w in self.writes.values() if w.inverse and w.inverse not in self.writes]
        if missing:
            raise ValueError(f"inverse operations that are no writes: {missing}")
        return self


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a connector folder, or InvalidManifest with every finding."""
    path = folder / "manifest.yaml"
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return Manifest.model_validate(document)
    except (OSError, YAMLError) as error:
        raise InvalidManifest(f"{path}: {error}") from error
    except ValidationError as error:
        findings = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise InvalidManifest(f"{path}: " + "; ".join(findings)) from error
