"""`image-sync` without a flag: passes until a signal ends the process."""

import os
import signal
from collections.abc import Mapping
from functools import partial
from importlib import metadata

import anyio

from image_sync.cli import exit_codes
from image_sync.cli.display import Display
from image_sync.cli.ending import telling_the_end
from image_sync.cli.options import Asked, fingerprint_of, read_scope
from image_sync.daemon import Process, Source
from image_sync.errors import ConfigError, ListenError, Problem
from image_sync.events import Emit, Listening, Warned, to_all
from image_sync.hosting import Purpose, hosted
from image_sync.observe import Board, EventLog, Interrupted
from image_sync.observe.metrics import Metrics
from image_sync.runtime.serve import Address, serving
from image_sync.server import application

_BEGIN = (signal.SIGHUP, signal.SIGUSR1)
"""Signals that ask for what the start does anyway."""


def until_stopped(asked: Asked) -> int:
    """Make passes until a signal ends the process."""
    for signum in _BEGIN:
        signal.signal(signum, signal.SIG_IGN)  # until the process acts on them; they would end it
    fingerprint = partial(fingerprint_of, asked)
    known, scope = fingerprint(), read_scope(asked)
    environ = dict(os.environ)
    board, metrics, interrupted = Board(), Metrics(metadata.version("image-sync")), Interrupted()
    display = Display(board, plain=asked.log_format == "json")
    emit = to_all(EventLog(), board, metrics, interrupted)
    source = Source(read=partial(read_scope, asked), fingerprint=fingerprint, known=known)
    process = Process(scope, source, emit, environ, display.print_status, beside=display.tasks)
    with telling_the_end(process, interrupted, emit):
        anyio.run(_live, process, metrics, emit, environ)
    return exit_codes.OK


async def _live(process: Process, metrics: Metrics, emit: Emit, environ: Mapping[str, str]) -> None:
    """Run the process, with its cache if that is the embedded registry.

    Raises:
        ConfigError: An address or a folder that was configured cannot be had.
    """
    async with hosted(process.scope.resolved, Purpose.LASTING, emit, environ):
        await _serve(process, metrics, emit)


async def _serve(process: Process, metrics: Metrics, emit: Emit) -> None:
    """Run the process, and tell how it is over HTTP meanwhile.

    Raises:
        ConfigError: The address that was configured cannot be had.
    """
    resolved = process.scope.resolved
    if resolved.listen is None:
        await process.run()
        return
    app = application(process, metrics.registry, emit)
    try:
        async with serving(app, Address(*resolved.listen)) as address:
            emit(Listening(str(address)))
            await process.run()
    except ListenError as error:
        if resolved.listen_is_named:
            raise ConfigError([Problem(str(error), path="settings.server.listen")]) from error
        text = f"{error}: no probes and metrics; settings.server.listen names another, or none"
        emit(Warned("server", text))
        await process.run()
