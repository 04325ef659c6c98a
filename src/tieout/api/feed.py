"""The event feed as any reader of CloudEvents takes it: a batch of the JSON format, with names that CloudEvents allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from tieout.api.answers import fitting, plain
from tieout.api.schemas import CloudEvent
from tieout.hub.exceptions import Page

BATCH = "application/cloudevents-batch+json"
DECLARED: dict[str, Any] = {
    "content": {BATCH: {"schema": {"type": "array", "items": CloudEvent.model_json_schema()}}},
    "headers": {
        "Link": {
            "schema": {"type": "string"},
            "description": f'Of a batch, `Accept: {BATCH}`: the next one, `rel="next"`, while there is more.',
        }
    },
}
"""What the document says of a batch beside the page."""


def wanted(request: Request) -> bool:
    """Whether the caller asks for a batch."""
    return BATCH in request.headers.get("accept", "")


def batch(request: Request, found: Page) -> JSONResponse:
    """The page as a batch; where it goes on is in the header `Link`."""
    events = [fitting(CloudEvent, _strict(plain(row))) for row in found.rows]
    if found.cursor is None:
        return JSONResponse(events, media_type=BATCH)
    following = request.url.include_query_params(cursor=found.cursor).remove_query_params("after")
    link = {"Link": f'<{following.path}?{following.query}>; rel="next"'}
    return JSONResponse(events, headers=link, media_type=BATCH)


def _strict(event: Mapping[str, Any]) -> dict[str, Any]:
    """Names of lower-case letters and digits, nothing null, and the position, which may leave 32 bits, as text."""
    renamed = {name: value for name, value in event.items() if name != "legal_entity"}
    entity = event["legal_entity"]
    return {**renamed, "position": str(event["position"]), **({"legalentity": entity} if entity else {})}
