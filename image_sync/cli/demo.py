"""`image-sync demo`: what image-sync does, shown on this machine alone."""

import io
import sys
from functools import partial

import click

from image_sync.cli import exit_codes
from image_sync.cli.options import start_log
from image_sync.cli.streams import write_result
from image_sync.runtime.unforeseen import unwrapped


@click.command()
@click.option("--keep", is_flag=True, help="Leave both registries running until a signal comes.")
def demo(*, keep: bool) -> int:
    """Show what image-sync does, within seconds.

    Two registries on this machine, images made on the spot, and real passes: no network, no
    account, no other program. Everything is in a temporary folder, which is removed at the end.
    Exit code 1 if something did not go as it must.
    """
    # Imported here, because help needs neither event loop nor servers.
    import anyio  # noqa: PLC0415

    from image_sync.demo import Teller, play  # noqa: PLC0415
    from image_sync.report import console_for  # noqa: PLC0415

    start_log("warning", None)
    teller = Teller(console_for(sys.stdout or io.StringIO()), _write)
    try:
        outcome = anyio.run(partial(play, teller, keep=keep))
    except ExceptionGroup as error:
        raise unwrapped(error) from error
    return exit_codes.of_demo(outcome.wrong, signal=outcome.signal)


def _write(text: str) -> None:
    write_result(lambda stream: print(text, end="", file=stream))
