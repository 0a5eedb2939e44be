"""`image-sync verify`: whether what the cache holds is whole."""

import os
from functools import partial

import click

from image_sync.cli import exit_codes
from image_sync.cli.options import Asked, of_a_pass, read_scope
from image_sync.cli.printing import print_report
from image_sync.events import Stopped
from image_sync.observe import EventLog
from image_sync.verification import make_verification, print_verification


@click.command()
@click.option("--deep", is_flag=True, help="Read every blob to its last byte, and hash it.")
@click.option("--heal", is_flag=True, help="Copy what is damaged again, and look again.")
@of_a_pass
def verify(asked: Asked, *, deep: bool, heal: bool) -> int:
    """Say whether everything under the cached tags is there.

    The cache alone is asked: for each tag's manifests, which are hashed, and whether their blobs
    are there and have their sizes. Sources are asked for nothing, unless --heal finds damage.
    """
    scope = read_scope(asked)
    # Imported here, because help and a wrong configuration need neither event loop nor HTTP.
    import anyio  # noqa: PLC0415

    from image_sync.compose import Orders  # noqa: PLC0415
    from image_sync.once import inspect  # noqa: PLC0415

    orders = Orders(specs=scope.specs, shard=scope.shard)
    inspecting = partial(inspect, deep=deep, heal=heal)
    emit = EventLog()
    inspected = anyio.run(inspecting, scope.resolved, orders, emit, dict(os.environ))
    if inspected.signal is not None:
        emit(Stopped(signal=inspected.signal))
    report = make_verification(
        inspected.results,
        cache_registry=scope.resolved.cache.text,
        began=inspected.began,
        duration=inspected.duration,
        deep=deep,
    )
    code = exit_codes.of_verification(inspected.results, signal=inspected.signal)
    return print_report(report, partial(print_verification, report), asked.output, code)
