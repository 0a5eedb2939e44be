"""`image-sync`: passes over the configured images."""

import os
from functools import partial

import click

from image_sync.cli import exit_codes
from image_sync.cli.options import Asked, of_a_pass, read_scope
from image_sync.cli.printing import print_report
from image_sync.observe import EventLog
from image_sync.report import make_report, print_table


@click.command(hidden=True)
@click.option("--once", is_flag=True, help="One pass, then exit.")
@click.option("--dry-run", is_flag=True, help="One pass that decides and copies nothing.")
@of_a_pass
def run(asked: Asked, *, once: bool, dry_run: bool) -> int:
    """Keep container images fresh in a cache registry."""
    if not (once or dry_run):
        raise click.UsageError(
            "running until stopped is not there yet: use --once for one pass (a CronJob wants "
            "that, too), or --dry-run"
        )
    return one_pass(asked, dry_run=dry_run)


def one_pass(
    asked: Asked,
    *,
    dry_run: bool,
    cost: bool = False,
    drift_matters: bool = False,
) -> int:
    """Make one pass, print its report, and say how it went as an exit code.

    Args:
        asked: What to work on, and how to print it.
        dry_run: Copy nothing.
        cost: Find out what copies would move.
        drift_matters: Whether drift has an exit code of its own.
    """
    scope = read_scope(asked)
    # Imported here, because help and a wrong configuration need neither event loop nor HTTP.
    import anyio  # noqa: PLC0415

    from image_sync.compose import Orders  # noqa: PLC0415
    from image_sync.once import sweep  # noqa: PLC0415

    orders = Orders(specs=scope.specs, shard=scope.shard, dry_run=dry_run, cost=cost)
    swept = anyio.run(partial(sweep, scope.resolved, orders, EventLog(), dict(os.environ)))
    report = make_report(
        swept.results,
        cache_registry=scope.resolved.cache.text,
        began=swept.began,
        duration=swept.duration,
        dry_run=dry_run,
    )
    code = exit_codes.of_pass(
        swept.results,
        signal=swept.signal,
        skip_on_error=scope.resolved.settings.skip_on_error,
        drift_matters=drift_matters,
    )
    return print_report(report, partial(print_table, report), asked.output, code)
