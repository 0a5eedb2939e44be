"""The configuration: what an operator writes, and the plain values that follow from it.

`load` reads files, environment and flags into a `Loaded`; `resolve` turns that into specs and
policies, which is all that the layers below see. Both raise `ConfigError` with every problem at
once. What belongs here reads or explains configuration; what acts on it belongs below. Nothing
here imports an HTTP library.
"""

from image_sync.config.cache import CacheRegistry
from image_sync.config.environment import from_environment
from image_sync.config.files import fingerprint
from image_sync.config.jsonschema import schema_text
from image_sync.config.load import from_arguments, load
from image_sync.config.loaded import Loaded, Override
from image_sync.config.reference import reference_markdown
from image_sync.config.resolve import Resolved, resolve
from image_sync.config.schema import Config, EmbeddedEntry, ImageEntry, RegistryEntry
from image_sync.config.scope import Scope
from image_sync.config.select import Shard, narrow, shard
from image_sync.config.settings import LeaseEntry, ServerEntry, Settings
from image_sync.config.show import show
from image_sync.config.timing import Timing
from image_sync.config.tree import Where
from image_sync.config.values import LEDGER_IN_REGISTRY, LEDGER_NOWHERE, Tool

__all__ = [
    "LEDGER_IN_REGISTRY",
    "LEDGER_NOWHERE",
    "CacheRegistry",
    "Config",
    "EmbeddedEntry",
    "ImageEntry",
    "LeaseEntry",
    "Loaded",
    "Override",
    "RegistryEntry",
    "Resolved",
    "Scope",
    "ServerEntry",
    "Settings",
    "Shard",
    "Timing",
    "Tool",
    "Where",
    "fingerprint",
    "from_arguments",
    "from_environment",
    "load",
    "narrow",
    "reference_markdown",
    "resolve",
    "schema_text",
    "shard",
    "show",
]
