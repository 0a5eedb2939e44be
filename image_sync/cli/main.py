"""The entry point: the group of verbs, and the boundary where errors become text."""

import gc
import logging
import sys
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError
from click.shell_completion import CompletionItem

from image_sync.cli import exit_codes
from image_sync.cli.check import check
from image_sync.cli.completion import completion
from image_sync.cli.config import config
from image_sync.cli.demo import demo
from image_sync.cli.doctor import doctor
from image_sync.cli.health import health
from image_sync.cli.run import run
from image_sync.cli.serve import serve
from image_sync.cli.streams import Unwritable, complain, prepare
from image_sync.cli.verify import verify
from image_sync.cli.version import version
from image_sync.errors import ConfigError, ImageSyncError
from image_sync.runtime.unforeseen import place_of, unwrapped

_EXAMPLES = """\
Examples:
  image-sync demo                               what it does, in seconds, without a network
  image-sync --once --config images.yaml        one pass, report as JSON
  image-sync --dry-run --config images.yaml     decide, copy nothing
  image-sync check --config images.yaml         what is out of date
  image-sync verify --config images.yaml        whether what is cached is whole
  image-sync doctor --config images.yaml        whether everything is as a pass needs it
  image-sync --once docker.io/library/nginx:1.27  into a registry of our own
  image-sync --once --cache localhost:5000 docker.io/library/nginx:1.27
  image-sync config validate --config images.yaml
"""


class _Verbs(click.Group):
    """A group in which everything that is not a verb belongs to `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default verb where none was given."""
        own = {*self.commands, *ctx.help_option_names, "--version"} - {str(run.name)}
        given = args and args[0] in own
        completing = not args and ctx.resilient_parsing
        return super().parse_args(ctx, args if given or completing else [str(run.name), *args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs, and the options of `run`."""
        bare = click.Context(run, parent=ctx)
        return super().shell_complete(ctx, incomplete) + run.shell_complete(bare, incomplete)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of `run`, then the verbs."""
        run.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call it."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] [IMAGE]...")
        formatter.write_usage(ctx.command_path, "VERB [OPTIONS] [ARGS]...", prefix="       ")

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Examples, as they are."""
        formatter.write_paragraph()
        formatter.write(_EXAMPLES)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="image-sync", prog_name="image-sync", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Keep container images fresh in a cache registry.

    image-sync asks each source registry for a digest, compares it with what the cache holds, and
    copies only what changed.
    """


for verb in (run, check, verify, doctor, health, serve, demo, config, version, completion):
    cli.add_command(verb)


_COLLECT_AFTER = 100_000
"""New containers before Python looks for garbage cycles. With its own 700 a pass over 1,000
unchanged images spends a seventh of its CPU time looking among objects that live to its end; the
peak of memory grows by 1 MB (medians of 7 runs)."""


def main() -> NoReturn:
    """Run the command line and exit."""
    gc.set_threshold(_COLLECT_AFTER)
    prepare()
    code = _guarded()
    gc.freeze()  # or Python looks for cycles among all that is left: 80 ms of 450
    sys.exit(code)


def _guarded() -> int:
    try:
        result = cli.main(prog_name="image-sync", standalone_mode=False)
    except click.ClickException as error:
        return _refuse(error)
    except ConfigError as error:
        for problem in error.problems:
            complain(f"error: {problem}")
        return exit_codes.USAGE
    except ImageSyncError as error:
        complain(f"error: {error}\n  {error.hint}")
        return exit_codes.FAILED
    except (KeyboardInterrupt, click.Abort):
        return exit_codes.INTERRUPTED
    except (OSError, Unwritable) as error:
        complain(f"error: {error}")
        return exit_codes.FAILED
    except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
        return _confess(error)
    return result if isinstance(result, int) else exit_codes.OK


def _refuse(error: click.ClickException) -> int:
    if isinstance(error, NoArgsIsHelpError):
        complain(error.format_message())
        return exit_codes.USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    complain(f"error: {error.format_message()}")
    if context is not None:
        verb = context.command_path.removesuffix(f" {run.name}")  # which is called without its name
        complain(f"try '{verb} --help'")
    return exit_codes.USAGE


def _confess(error: Exception) -> int:
    error = unwrapped(error)
    logging.getLogger("image_sync").debug("unexpected", exc_info=error)
    place = place_of(error)
    where = f" at {place}" if place else ""
    complain(
        f"error: this is a bug in image-sync: {type(error).__name__}: {error}{where}\n"
        "  please report it, with the output of the same command with --log-level debug"
    )
    return exit_codes.BUG
