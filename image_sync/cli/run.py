"""`image-sync`: passes over the configured images."""

import os
import sys
from collections.abc import Sequence
from functools import partial

import click

from image_sync.cli import exit_codes
from image_sync.cli.options import (
    Scope,
    read_scope,
    refuse_misplaced,
    start_log,
    with_output,
    with_scope,
)
from image_sync.cli.streams import Unwritable, complain, is_terminal, write_result
from image_sync.observe import EventLog
from image_sync.report import as_json, make_report, print_table


@click.command(hidden=True)
@with_scope
@click.option("--once", is_flag=True, help="One pass, then exit.")
@click.option("--dry-run", is_flag=True, help="One pass that decides and copies nothing.")
@with_output
def run(  # noqa: PLR0913 - one parameter per option
    references: Sequence[str],
    location: str | None,
    cache: str | None,
    globs: Sequence[str],
    shard: str | None,
    output: str | None,
    log_level: str,
    log_format: str | None,
    *,
    no_ledger: bool,
    once: bool,
    dry_run: bool,
) -> int:
    """Keep container images fresh in a cache registry."""
    start_log(log_level, log_format)
    refuse_misplaced(references)
    if not (once or dry_run):
        raise click.UsageError(
            "running until stopped is not there yet: use --once for one pass (a CronJob wants "
            "that, too), or --dry-run"
        )
    scope = read_scope(references, location, cache, globs, shard, no_ledger=no_ledger)
    return one_pass(scope, output, dry_run=dry_run)


def one_pass(
    scope: Scope,
    output: str | None,
    *,
    dry_run: bool,
    cost: bool = False,
    drift_matters: bool = False,
) -> int:
    """Make one pass, print its report, and say how it went as an exit code.

    Args:
        scope: What to work on.
        output: `json` or `table`; None for what suits standard output.
        dry_run: Copy nothing.
        cost: Find out what copies would move.
        drift_matters: Whether drift has an exit code of its own.
    """
    import anyio  # noqa: PLC0415 - `--help` does without

    from image_sync.compose import Orders, sweep  # noqa: PLC0415 - brings the HTTP libraries

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
    form = output or ("table" if is_terminal(sys.stdout) else "json")
    try:
        if form == "table":
            write_result(partial(print_table, report))
        else:
            write_result(lambda stream: print(as_json(report), file=stream))
    except Unwritable as error:
        complain(f"error: {error}")
        return exit_codes.unwritten(code)
    return code
