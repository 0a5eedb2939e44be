"""`image-sync config`: the configuration, looked at."""

import os

import click

from image_sync import config as configuration
from image_sync.cli.options import with_config
from image_sync.cli.streams import write_result
from image_sync.report import counted


@click.group()
def config() -> None:
    """Validate, show, or describe the configuration."""


@config.command()
@with_config
def validate(location: str | None) -> None:
    """Check the configuration, with every rule; every problem is named with its line."""
    loaded = configuration.load(location, environ=os.environ)
    resolved = configuration.resolve(loaded)
    names = ", ".join(loaded.files)
    text = f"{names}: valid, {counted(len(resolved.specs), 'image')}"
    write_result(lambda stream: print(*resolved.warnings, text, sep="\n", file=stream))


@config.command()
@with_config
def show(location: str | None) -> None:
    """Print the effective configuration, and where each value comes from."""
    loaded = configuration.load(location, environ=os.environ)
    text = configuration.show(loaded)
    write_result(lambda stream: print(text, file=stream))


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors and checks."""
    write_result(lambda stream: print(configuration.schema_text(), end="", file=stream))
