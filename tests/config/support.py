"""Loading configurations that stand in a test, as if they came on standard input."""

import io
import textwrap
from collections.abc import Mapping, Sequence

from image_sync import config
from image_sync.errors import ConfigError


def loaded(
    text: str,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[config.Override] = (),
) -> config.Loaded:
    """What a text loads as."""
    stream = io.BytesIO(textwrap.dedent(text).encode())
    return config.load("-", environ=environ or {}, overrides=overrides, stdin=stream)


def resolved(text: str, *, shards: int = 1) -> config.Resolved:
    """What a text means."""
    return config.resolve(loaded(text), shards=shards)


def complaints(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a text, one line each; empty if nothing is."""
    try:
        config.resolve(loaded(text, environ))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def with_images(*images: str) -> str:
    """A configuration of some images, each a line of YAML in flow or plain style."""
    lines = "\n".join(f"  - {image}" for image in images)
    return f"cache_registry: zot.svc:5000\nimages:\n{lines}\n"


def with_settings(**settings: str) -> str:
    """A configuration without images and with some settings."""
    lines = "\n".join(f"  {key}: {value}" for key, value in settings.items())
    return f"cache_registry: zot.svc:5000\nimages: []\nsettings:\n{lines}\n"


def with_registries(*registries: str) -> str:
    """A configuration without images and with some registries, one a line."""
    lines = "\n".join(f"  {registry}" for registry in registries)
    return f"cache_registry: zot.svc:5000\nimages: []\nregistries:\n{lines}\n"
