"""The one web process: `/v1`, its documentation, and the console, on one database engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import Route

from tieout import __version__
from tieout.api import answers, contract, desk, documents, ingest, invoices, problems, resources
from tieout.api.requests import Guard, known_query
from tieout.api.schemas import Catalog
from tieout.bootstrap import Settings, open_database

WEB_CONNECTIONS = 8
ABOUT = """The governed API of Tieout.

Sign in with `Authorization: Bearer <token>` (`tieout people token`). Lists come as pages (`limit`, `cursor`), filter
with `filter[name]=value`, choose with `fields=a,b`. Every POST needs an `Idempotency-Key`; a change of a versioned
record needs `If-Match` with the ETag you read. Errors are RFC 9457 problem details with a stable `code`."""


def create_app(settings: Settings, *, console: bool = True) -> FastAPI:
    """The application; its database is opened when it starts and closed when it ends."""
    app = FastAPI(
        title="Tieout", version=__version__, description=ABOUT, openapi_url="/v1/openapi.json",
        docs_url=None, redoc_url=None, lifespan=_lifespan(settings),
        responses={"default": {"model": problems.Problem, "description": "A problem"}},
    )  # fmt: skip
    app.state.settings = settings
    problems.install(app)
    routers = [ingest.routes, invoices.routes, documents.routes, desk.routes, resources.router()]
    for router in routers:
        app.include_router(router)
    app.router.routes[:0] = ingest.served()
    app.add_api_route("/v1/catalog", lambda: JSONResponse(answers.fitting(Catalog, {"data": catalog(app)})),
                      methods=["GET"], tags=["catalog"], operation_id="get_catalog", responses=answers.gives(Catalog),
                      summary="Every operation with its lifecycle.", dependencies=[Depends(known_query)])  # fmt: skip
    app.add_api_route("/health", _health, methods=["GET"], include_in_schema=False)
    own = [route for route in app.routes if isinstance(route, Route)]
    nothing = problems.Nothing([*own, *(route for router in routers for route in router.routes)])
    app.router.routes.extend([Route("/v1", nothing), Route("/v1/{rest:path}", nothing)])
    contract.complete(app)
    app.add_middleware(Guard)
    if console:
        from tieout.console.app import mount

        mount(app, settings)
    return app


def _lifespan(settings: Settings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.engine = stack.enter_context(open_database(settings, pool_size=WEB_CONNECTIONS))
            app.state.hints = await stack.enter_async_context(ingest.running(app.state.engine))
            yield

    return lifespan


def catalog(app: FastAPI) -> list[dict[str, Any]]:
    """Every operation of `/v1`: method, path, summary, lifecycle (draft, published, deprecated, retired)."""
    return [
        {"operation": told["operationId"], "method": method.upper(), "path": path,
         "summary": told.get("description", told["summary"]).split("\n")[0], "lifecycle": "deprecated" if told.get("deprecated") else "published"}
        for path, operations in app.openapi()["paths"].items()
        for method, told in operations.items()
    ]  # fmt: skip


def _health() -> dict[str, str]:
    return {"status": "up", "version": __version__}
