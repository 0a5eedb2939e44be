"""`image-sync check`: the dry run, for people and scripts."""

import click

from image_sync.cli.options import Asked, of_a_pass
from image_sync.cli.run import one_pass


@click.command()
@click.option("--exit-code", is_flag=True, help="Exit 3 if an image is not up to date.")
@click.option("--cost", is_flag=True, help="Say how many bytes copies would move; spends pulls.")
@of_a_pass
def check(asked: Asked, *, exit_code: bool, cost: bool) -> int:
    """Say what is out of date in the cache, and copy nothing.

    The same decisions as in a pass, by the same code: one HEAD at either side, and one manifest
    GET for an image of which one platform is wanted and whose digest pair is not remembered.
    """
    return one_pass(asked, dry_run=True, cost=cost, drift_matters=exit_code)
