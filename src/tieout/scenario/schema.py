"""The JSON Schema of scenario files, from the same models that read them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from tieout.scenario.expected import Expected
from tieout.scenario.model import Header, Part
from tieout.scenario.verbs import VERBS


def json_schema() -> dict[str, Any]:
    """One schema: the header, each timeline item with its verb, each expectation with its measures."""
    models: list[tuple[type[Part], Any]] = [(Header, "validation"), (Expected, "validation")]
    models += [(model, "validation") for model in dict.fromkeys(VERBS.values())]
    refs, definitions = models_json_schema(models)
    named = {model: refs[model, "validation"] for model in dict.fromkeys(VERBS.values())}
    day = {"type": "string", "format": "date"}
    header = definitions["$defs"]["Header"]
    header["properties"]["timeline"]["items"] = {
        "type": "object",
        "required": ["at"],
        "minProperties": 2,
        "maxProperties": 2,
        "additionalProperties": False,
        "properties": {"at": day, **{verb: named[model] for verb, model in VERBS.items()}},
    }
    header["properties"]["expect"]["items"] = refs[Expected, "validation"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **header,
        "$defs": definitions["$defs"],
    }
