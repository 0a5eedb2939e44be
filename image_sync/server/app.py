"""The pages: `/livez`, `/readyz`, `/metrics`, for GET and HEAD, in plain text.

Every answer names the program and its version, so that `image-sync health` takes no other's for it.
Nothing of a request is ever shown again. `/livez` speaks of this process only: a registry that is
down must not have it restarted (kubernetes.io/docs/concepts/configuration/liveness-readiness-
startup-probes).
"""

from importlib import metadata
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from image_sync.events import Emit, Warned
from image_sync.oci.quoting import printable
from image_sync.runtime.unforeseen import place_of

_VERSION = metadata.version("image-sync")
_VERSION_HEADER = "Image-Sync-Version"
"""A name of our own, because proxies put theirs into Server."""
_FINE = 200
_NOT_NOW = 503
_BUG = 500


class Vitals(Protocol):
    """How the process is; told at once, without asking anybody."""

    def alive(self) -> str | None:
        """Why it has to be restarted, None if it works."""

    def ready(self) -> str | None:
        """Why it cannot do its work at present, None if it can."""


def application(vitals: Vitals, registry: CollectorRegistry, emit: Emit) -> Starlette:
    """The ASGI application.

    Args:
        vitals: Asked for each probe.
        registry: Where the metrics are.
        emit: Told of bugs of ours, which are answered by 500.
    """
    pages = _Pages(vitals, registry, emit)
    routes = [
        Route("/livez", pages.livez),
        Route("/readyz", pages.readyz),
        Route("/metrics", pages.metrics),
    ]
    app = _Named(routes=routes, exception_handlers={Exception: pages.failed})
    app.router.redirect_slashes = False  # a redirect would show the Host of the request
    return app


class _Named(Starlette):
    """Says with every answer whose it is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_VERSION_HEADER] = _VERSION
            await send(message)

        await super().__call__(scope, receive, named)


class _Pages:
    def __init__(self, vitals: Vitals, registry: CollectorRegistry, emit: Emit) -> None:
        self._vitals = vitals
        self._registry = registry
        self._emit = emit

    async def livez(self, _: Request) -> Response:
        """Whether the process works: 200, or 503 with the reason."""
        return _verdict(self._vitals.alive())

    async def readyz(self, request: Request) -> Response:
        """Whether it can do its work: 200, or 503 with the reason; `?verbose` lists all checks."""
        checks = {"alive": self._vitals.alive(), "ready": self._vitals.ready()}
        reason = checks["alive"] or checks["ready"]
        if "verbose" not in request.query_params:
            return _verdict(reason)
        lines = "".join(_line(name, why) for name, why in checks.items())
        return PlainTextResponse(lines, _NOT_NOW if reason else _FINE)

    async def metrics(self, _: Request) -> Response:
        """Every metric, in the text format of Prometheus."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def failed(self, request: Request, error: Exception) -> Response:
        """The answer to a request that met a bug of ours."""
        page = printable(request.url.path)
        text = f"{page}: this is a bug in image-sync: {type(error).__name__} at {place_of(error)}"
        self._emit(Warned("server", f"{text}; please report it"))
        return PlainTextResponse("internal error", _BUG)


def _verdict(reason: str | None) -> Response:
    return PlainTextResponse(printable(reason), _NOT_NOW) if reason else PlainTextResponse("ok")


def _line(name: str, reason: str | None) -> str:
    return f"[-] {name}: {printable(reason)}\n" if reason else f"[+] {name}: ok\n"
