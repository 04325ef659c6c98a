"""Errors as RFC 9457 problem details: a stable code, what was seen, that nothing was written, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from tieout.hub.refusals import Refusal
from tieout.telemetry.logs import get_logger

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be read", 401: "Not signed in", 403: "Not allowed", 404: "Not found",
    405: "Method not allowed", 409: "Conflict", 412: "The record changed", 413: "Too large",
    415: "Unsupported media type", 422: "The request is wrong", 428: "A condition is required",
    429: "Too many requests", 500: "Error", 503: "Not available now",
}  # fmt: skip

log = get_logger("api")


class FieldProblem(BaseModel):
    """What is wrong with one part of the request."""

    pointer: str = Field(description="path of the field, or the name of the parameter or header")
    detail: str


class Problem(BaseModel):
    """The body of every error: problem details of RFC 9457."""

    type: str = Field(json_schema_extra={"format": "uri"}, examples=["urn:tieout:problem:TIE-204"])
    title: str
    status: int = Field(ge=400, le=599)
    code: str = Field(pattern="^TIE-[0-9]+$", description="stable; see docs/api.md", examples=["TIE-204"])
    detail: str = Field(description="what was refused, seen and expected, and what was written")
    remedy: str = Field(description="what to do next; may be empty")
    errors: list[FieldProblem]
    trace_id: str = Field(description="also the header X-Trace-Id")


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    remedy: str = "",
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error answer."""
    body = Problem(
        type=f"urn:tieout:problem:{code}", title=TITLES.get(status, "Error"), status=status, code=code,
        detail=detail, remedy=remedy, trace_id=getattr(request.state, "trace_id", ""),
        errors=[FieldProblem(pointer=name, detail=wrong) for name, wrong in (fields or {}).items()],
    )  # fmt: skip
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Turn every error of the application into a problem."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unkeepable)
    app.add_exception_handler(UnicodeEncodeError, _unkeepable)
    app.add_exception_handler(OperationalError, _no_database)
    app.add_exception_handler(PoolTimeout, _no_database)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(Exception, _broken)


class Nothing:
    """ASGI: the answer for every address under `/v1` that no operation has, and for methods that an address lacks.

    It is the last route of `/v1`, in front of the console, which would answer with a page.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404, or 405 with the methods that the address has."""
        others = (route for route in self._routes if route.matches(scope)[0] is Match.PARTIAL)
        methods = sorted({method for route in others for method in getattr(route, "methods", None) or ()})
        if methods:
            raise HTTPException(405, headers={"Allow": ", ".join(methods)})
        raise HTTPException(404)


def _refused(request: Request, error: Any) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return problem(request, error.status, error.code, error.message, error.remedy, error.fields, headers)


def _invalid(request: Request, error: Any) -> JSONResponse:
    fields = {"/".join(str(part) for part in found["loc"]): found["msg"] for found in error.errors()[:20]}
    return problem(
        request, 422, "TIE-101", "The request does not fit what this operation takes. Nothing was written.",
        "Compare it with /v1/openapi.json.", fields,
    )  # fmt: skip


def _http(request: Request, error: Any) -> JSONResponse:
    detail = error.detail if error.status_code != 404 else f"There is nothing at {request.url.path[:200]}."
    return problem(request, error.status_code, f"TIE-{error.status_code}", str(detail), headers=error.headers)


def _unkeepable(request: Request, error: Any) -> JSONResponse:
    """No column takes such a value (a zero byte, half a character, a number beyond its range): no record has it."""
    log.warning(
        "a value that the database cannot hold",
        path=request.url.path[:200],
        error=ascii(getattr(error, "orig", error))[:200],
    )
    return problem(
        request, 422, "TIE-115", "The request holds a character or number that no record can have. Nothing was written.",
        "Send plain text without zero bytes, and numbers in the range of the field.",
    )  # fmt: skip


def _no_database(request: Request, error: Any) -> JSONResponse:
    log.warning("the database does not answer", error=type(error).__name__)
    return problem(
        request, 503, "TIE-503", "The database does not answer now. Nothing was written.",
        "Try again in a few seconds.", headers={"Retry-After": "5"},
    )  # fmt: skip


def _too_deep(request: Request, error: Any) -> JSONResponse:
    return problem(request, 422, "TIE-114", "The body is nested too deeply. Nothing was written.")


def _broken(request: Request, error: Any) -> JSONResponse:
    log.error("an unexpected error", path=request.url.path, exc_info=error)
    return problem(
        request, 500, "TIE-500", "Something broke here; it was logged under the trace id. Nothing was written.",
        "Report the trace id to who runs this installation.",
    )  # fmt: skip
