"""`image-sync doctor`: whether everything is as a pass needs it."""

import os
from functools import partial

import click

from image_sync.cli import exit_codes
from image_sync.cli.options import Asked, of_a_pass, read_scope
from image_sync.cli.printing import print_report
from image_sync.events import Stopped
from image_sync.examination import print_examination
from image_sync.observe import EventLog


@click.command()
@of_a_pass
def doctor(asked: Asked) -> int:
    """Say whether everything is as a pass needs it, and what a pass would do.

    Configuration, tools, credentials, every registry and the cache are looked at; nothing is
    copied and nothing written. Exit code 1 if something would make a pass fail.
    """
    scope = read_scope(asked)
    # Imported here, because help and a wrong configuration need neither event loop nor HTTP.
    import anyio  # noqa: PLC0415

    from image_sync.doctor import examine  # noqa: PLC0415

    emit = EventLog()
    examined = anyio.run(partial(examine, scope, emit, dict(os.environ)))
    if examined.signal is not None:
        emit(Stopped(signal=examined.signal))
    report = examined.report
    code = exit_codes.of_examination(report.summary.fail, signal=examined.signal)
    return print_report(report, partial(print_examination, report), asked.output, code)
