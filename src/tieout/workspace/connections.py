"""Connections of a workspace: which connector, where, which secrets by reference; never a secret itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from tieout.connectors.kit.manifest import Manifest, load_manifest
from tieout.workspace.findings import Finding
from tieout.workspace.shapes import ConnectionFile, parse
from tieout.workspace.yamlfile import YamlFile

_OPTIONS = ("url", "ca", "sandbox", "overlap_seconds", "page_size", "poll_seconds")
WEBHOOK_SECRETS = ("webhook_secret", "webhook_secret_previous")
"""Any connection may take signed hints; during a rotation the secret before counts too."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")


@cache
def known() -> dict[str, Manifest]:
    """Manifests of the connectors of this installation, by name."""
    folder = Path(str(resources.files("tieout.connectors")))
    return {path.parent.name: load_manifest(path.parent) for path in sorted(folder.glob("*/manifest.yaml"))}


def unknown(system: str) -> tuple[str, str, str]:
    """What a finding says about a connector that does not exist: seen, expected, remedy."""
    return f"there is no connector {system!r}", f"known are {', '.join(known())}", "Name one of them."


def read(files: Sequence[YamlFile], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Finding]]:
    """Connections by name with `${NAME}` filled in, and the findings."""
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    for file in files:
        shape, wrong = parse(file, ConnectionFile)
        findings += wrong
        if shape is None:
            continue
        findings += [*file.misnamed("connection"), *_settings(file, shape)]
        found[Path(file.name).stem] = {
            "connector": shape.connector,
            "config": _filled(file, "config", shape.config, environ, findings),
            "secrets": _filled(file, "secrets", shape.secrets, environ, findings),
            "budget_per_minute": shape.budget_per_minute,
        }
    return found, findings


def _settings(file: YamlFile, shape: ConnectionFile) -> list[Finding]:
    manifest = known().get(shape.connector)
    if manifest is None:
        return [file.finding(("connector",), *unknown(shape.connector))]
    allowed = list(dict.fromkeys([*manifest.sign_in.secrets, *WEBHOOK_SECRETS]))
    findings = _keys(file, "secrets", shape.secrets, manifest.sign_in.secrets, allowed)
    needed = [*manifest.sign_in.config, *([] if manifest.sign_in.config else ["url"])]
    findings += _keys(file, "config", shape.config, needed, [*_OPTIONS, *manifest.sign_in.config])
    for name, reference in shape.secrets.items():
        if not _REFERENCE.match(reference):
            findings.append(
                file.finding(("secrets", name), "a value was seen (not shown)", "env:NAME or file:PATH is expected",
                             "Take the secret out of the file, replace it at its system, and name where it is kept.")
            )  # fmt: skip
    url = shape.config.get("url")
    if isinstance(url, str) and not url.startswith(("https://", "${")):
        findings.append(
            file.finding(("config", "url"), f"{url!r} was seen", "an address with https:// is expected")
        )
    if not isinstance(shape.config.get("sandbox", False), bool):
        findings.append(file.finding(("config", "sandbox"), "a text was seen", "true or false is expected"))
    return findings


def _keys(
    file: YamlFile, part: str, stated: Mapping[str, Any], needed: Sequence[str], allowed: Sequence[str]
) -> list[Finding]:
    known_are = f"known are {', '.join(allowed)}"
    findings = [
        file.finding((part, name), "this key is not known", known_are, "Take it out.")
        for name in stated
        if name not in allowed
    ]
    return findings + [
        file.finding((part, name), "it is missing", f"this connector needs {', '.join(needed)}", "State it.")
        for name in needed
        if name not in stated
    ]


def _filled(
    file: YamlFile, part: str, stated: Mapping[str, Any], environ: Mapping[str, str], findings: list[Finding]
) -> dict[str, Any]:
    """The settings with every `${NAME}` replaced; a variable that is not set is a finding."""

    def fill(key: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for name in _VARIABLE.findall(value):
            if not environ.get(name):
                findings.append(
                    file.finding((part, key), f"the variable {name} is not set", "it must be set to apply this",
                                 f"Run: export {name}=…")
                )  # fmt: skip
        return _VARIABLE.sub(lambda match: environ.get(match[1], ""), value)

    return {key: fill(key, value) for key, value in stated.items()}
