"""`image-sync version`."""

import platform
from importlib import metadata

import click

from image_sync.cli.streams import write_result


@click.command()
def version() -> None:
    """Print the version of image-sync."""
    text = f"image-sync {metadata.version('image-sync')} (Python {platform.python_version()})"
    write_result(lambda stream: print(text, file=stream))
