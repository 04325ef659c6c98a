"""A document as its customer gets it: PDF with backup sheet and XML inside, or the XML alone."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from tieout.api.requests import Who
from tieout.documents.formats import as_file
from tieout.hub import billing

routes = APIRouter(prefix="/v1", tags=["invoices"])
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {
            "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            "application/xml": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@routes.get(
    "/invoices/{ref}/document", operation_id="get_document", response_class=Response, responses=_FILES
)
@routes.get(
    "/credit-notes/{ref}/document",
    operation_id="get_credit_note_document",
    response_class=Response,
    responses=_FILES,
)
def document(who: Who, ref: str, format: Literal["pdf", "ubl", "cii"] = "pdf") -> Response:
    """The document as a file; a draft is marked as one. Scope `invoices:read` (`credit-notes:read`)."""
    with who.reading() as conn:
        record, backup = billing.document(conn, ref, who.actor)
    made = as_file(record, backup, format)
    named = {
        "Content-Disposition": f'attachment; filename="{made.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(made.content, media_type=made.media_type, headers=named)
