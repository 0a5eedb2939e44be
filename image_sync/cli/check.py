"""`image-sync check`: the dry run, for people and scripts."""

from collections.abc import Sequence

import click

from image_sync.cli.options import (
    read_scope,
    refuse_misplaced,
    start_log,
    with_output,
    with_scope,
)
from image_sync.cli.run import one_pass


@click.command()
@with_scope
@click.option("--exit-code", is_flag=True, help="Exit 3 if an image is not up to date.")
@click.option("--cost", is_flag=True, help="Say how many bytes copies would move; spends pulls.")
@with_output
def check(  # noqa: PLR0913 - one parameter per option
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
    exit_code: bool,
    cost: bool,
) -> int:
    """Say what is out of date in the cache, and copy nothing.

    The same decisions as in a pass, by the same code: one HEAD at either side, and one manifest
    GET for an image of which one platform is wanted and whose digest pair is not remembered.
    """
    start_log(log_level, log_format)
    refuse_misplaced(references)
    scope = read_scope(references, location, cache, globs, shard, no_ledger=no_ledger)
    return one_pass(scope, output, dry_run=True, cost=cost, drift_matters=exit_code)
