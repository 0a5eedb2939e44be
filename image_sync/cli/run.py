"""`image-sync`: passes over the configured images."""

import os
from functools import partial

import click

from image_sync.cli import exit_codes
from image_sync.cli.display import Display
from image_sync.cli.options import Asked, of_a_pass, read_scope
from image_sync.cli.printing import print_report
from image_sync.events import Stopped, to_all
from image_sync.observe import Board, EventLog, was_cut_off
from image_sync.report import make_report, print_table


class _Nameless(click.Command):
    """What a command line means that names no verb."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As it is called: without a name."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.find_root().command_path, pieces)


@click.command(cls=_Nameless, hidden=True)
@click.option("--once", is_flag=True, help="One pass, then exit.")
@click.option("--dry-run", is_flag=True, help="One pass that decides and copies nothing.")
@of_a_pass
def run(asked: Asked, *, once: bool, dry_run: bool) -> int:
    """Keep container images fresh in a cache registry."""
    if once or dry_run:
        return one_pass(asked, dry_run=dry_run)
    if asked.output:
        raise click.UsageError("--output is the form of one pass's report: add --once")
    # Imported here, because neither help nor one pass needs what serves and displays.
    from image_sync.cli.daemon import until_stopped  # noqa: PLC0415

    return until_stopped(asked)


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
    board = Board()
    display = Display(board, plain=asked.log_format == "json")
    emit = to_all(EventLog(), board) if display.tasks else EventLog()
    swept = anyio.run(sweep, scope.resolved, orders, emit, dict(os.environ), display.tasks)
    if swept.signal is not None:
        emit(Stopped(signal=swept.signal, copies=sum(map(was_cut_off, swept.results))))
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
