"""Options that several verbs share, and what they make of the configuration."""

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from image_sync import config
from image_sync.cli.streams import is_terminal
from image_sync.observe import configure

Verb = TypeVar("Verb", bound=Callable[..., object])

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
OUTPUTS = ("json", "table")
_CONFIG_SUFFIXES = {".yaml", ".yml"}
_MEANT = {
    "help": "--help says what there is",
    "once": "--once makes one pass",
    "sync": "--once makes one pass, and without it passes go on until it is stopped",
    "start": "without one, passes go on until it is stopped; leave it out",
    "daemon": "without one, passes go on until it is stopped; leave it out",
    "pull": "--once with the names of images copies them",
    "copy": "--once with the names of images copies them",
    "validate": "config validate looks at the configuration",
    "show": "config show prints the configuration",
    "schema": "config schema prints the configuration's schema",
}
"""What people type who know other programs; none of them is an image that anybody has."""
_CLOSE = 0.75
"""How alike a word must be to a verb to be taken for a slip: one letter of five."""


def with_config(verb: Verb) -> Verb:
    """`--config`."""
    return click.option(
        "-c",
        "--config",
        "location",
        metavar="FILE",
        type=click.Path(),
        help="Configuration: a file, a folder of *.yaml, or - for standard input.  [default: "
        "$IMAGE_SYNC_CONFIG, ./image-sync.yaml, /etc/image-sync/config.yaml]",
    )(verb)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of a pass say, as given.

    Attributes:
        references: Images named as arguments.
        location: `--config`.
        cache: `--cache`.
        globs: `--image`.
        shard: `--shard`.
        no_ledger: `--no-ledger`.
        output: `--output`; None for what suits standard output.
        log_format: `--log-format`; None for what suits standard error.
    """

    references: Sequence[str]
    location: str | None
    cache: str | None
    globs: Sequence[str]
    shard: str | None
    no_ledger: bool
    output: str | None
    log_format: str | None


_LOG_OPTIONS = (
    click.option(
        "--log-level",
        type=click.Choice(LEVELS),
        envvar="IMAGE_SYNC_LOG_LEVEL",
        default="info",
        show_default=True,
        help="How much to log, on standard error.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(FORMATS),
        envvar="IMAGE_SYNC_LOG_FORMAT",
        help="Form of the log.  [default: text on a terminal, json otherwise]",
    ),
)
_PASS_OPTIONS = (
    click.argument("references", nargs=-1, metavar="[IMAGE]..."),
    with_config,
    click.option(
        "--cache",
        metavar="HOST",
        help="Cache registry, above the file's; embedded is one of our own, and the default for "
        "images named as arguments.",
    ),
    click.option("--image", "globs", multiple=True, metavar="GLOB", help="Only images that match."),
    click.option("--shard", metavar="I/N", help="Only this shard of the images, from 0."),
    click.option("--no-ledger", is_flag=True, help="Do not keep remembered digest pairs."),
    click.option(
        "-o",
        "--output",
        type=click.Choice(OUTPUTS),
        help="Form of the report.  [default: table on a terminal, json otherwise]",
    ),
    *_LOG_OPTIONS,
)


def with_log(verb: Callable[..., int]) -> Callable[..., int]:
    """The options of the log alone; it has begun when the verb is called."""

    @wraps(verb)
    def call(log_level: str, log_format: str | None, **given: object) -> int:
        start_log(log_level, log_format)
        return verb(**given)

    return _with(_LOG_OPTIONS, call)


def of_a_pass(verb: Callable[..., int]) -> Callable[..., int]:
    """The options of every verb that makes a pass; the verb gets them as `asked`, its own beside.

    Logging has begun when the verb is called.
    """

    @wraps(verb)
    def call(log_level: str, log_format: str | None, **given: object) -> int:
        start_log(log_level, log_format)
        given["log_format"] = log_format
        shared = {name: given.pop(name) for name in Asked.__struct_fields__}
        asked = msgspec.convert(shared, Asked)
        refuse_misplaced(asked.references)
        return verb(asked, **given)

    return _with(_PASS_OPTIONS, call)


def _with(
    options: Sequence[Callable[[Callable[..., int]], Callable[..., int]]], verb: Callable[..., int]
) -> Callable[..., int]:
    """A verb with some options, in their order."""
    for option in reversed(options):
        verb = option(verb)
    return verb


def read_scope(asked: Asked) -> config.Scope:
    """The configuration that the options choose.

    Raises:
        ConfigError: It is wrong, or a glob matches nothing.
        click.UsageError: Options contradict each other.
    """
    overrides = []
    if asked.cache:
        overrides.append(config.Override("cache_registry", asked.cache, "--cache"))
    if asked.no_ledger:
        overrides.append(config.Override("settings.ledger", "none", "--no-ledger"))
    if asked.references and asked.location:
        raise click.UsageError("name images or --config, not both")
    if asked.references:
        loaded = config.from_arguments(asked.references, environ=os.environ, overrides=overrides)
    else:
        loaded = config.load(asked.location, environ=os.environ, overrides=overrides)
    mine = config.Shard.parse(asked.shard) if asked.shard else config.Shard(0, 1)
    resolved = config.resolve(loaded, shards=mine.count)
    specs = config.shard(config.narrow(resolved.specs, asked.globs), mine)
    return config.Scope(resolved=resolved, specs=specs, shard=mine, files=loaded.files)


def fingerprint_of(asked: Asked) -> bytes | None:
    """What changes whenever the files of the configuration do; None if there are none."""
    return None if asked.references else config.fingerprint(asked.location, os.environ)


def refuse_misplaced(references: Sequence[str]) -> None:
    """Say what was meant, if a verb or a file was taken for an image.

    Raises:
        click.UsageError: One was.
    """
    group = click.get_current_context().find_root().command
    commands = group.commands if isinstance(group, click.Group) else {}
    verbs = [name for name, verb in commands.items() if not verb.hidden]
    for name in references:
        if name in commands.keys() - verbs:
            text = f"{name} is no verb: image-sync makes passes without one, so leave it out"
            raise click.UsageError(text)
        if name in _MEANT:
            raise click.UsageError(f"{name} is no verb: {_MEANT[name]}")
        if name in verbs:
            raise click.UsageError(f"{name} is a verb and comes first: image-sync {name} …")
        if Path(name).suffix in _CONFIG_SUFFIXES or Path(name).is_file():
            raise click.UsageError(f"{name} is a file: did you mean --config {name}?")
        close = difflib.get_close_matches(name, verbs, n=1, cutoff=_CLOSE)
        if close:
            raise click.UsageError(f"{name} is no verb: did you mean {close[0]}?")


def start_log(level: str, form: str | None) -> None:
    """Log to standard error from now on."""
    as_json = form == "json" if form else not is_terminal(sys.stderr)
    configure(level, as_json=as_json, stream=sys.stderr or open(os.devnull, "w"))  # noqa: PTH123, SIM115
