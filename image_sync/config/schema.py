"""The configuration as an operator writes it: every key, its type, default and meaning.

The JSON Schema, the reference in the README and the messages of `config/convert.py` are all made
from these structs and those of `config/settings.py`, so a key is described there and nowhere else.
A default that is not `None` is the value in force; `None` means that nothing was said.

Not here: what the values mean together (`config/resolve.py`).
"""

from typing import Annotated

from msgspec import Meta, Struct

from image_sync.config.settings import Settings
from image_sync.config.values import Amount, Bytes, Count, Platforms, Rate, Seconds, Text


class ImageEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image to keep fresh; the short form `- docker.io/library/nginx:1.27` says the same."""

    source: Annotated[
        Text,
        Meta(
            description="Repository without tag, such as `docker.io/library/nginx`.",
            extra={"expected": "a repository such as docker.io/library/nginx"},
        ),
    ]
    tag: Annotated[
        Text | None,
        Meta(
            description="Tag; `sha256:...` for a fixed digest, kept under the tag "
            "`pinned.sha256.<hex>`; or `tag@sha256:...` for a fixed digest kept under its tag."
        ),
    ] = None
    tags: Annotated[
        tuple[Text, ...] | None, Meta(description="Several tags, in place of `tag`.")
    ] = None
    cache_as: Annotated[
        Text | None,
        Meta(
            description="Repository in the cache; derived as `settings.path_style` says if unset."
        ),
    ] = None
    platform: Annotated[
        Platforms | None,
        Meta(
            description="`os/arch[/variant]`; a list of them; or "
            "`all`. `settings.default_platform` if unset."
        ),
    ] = None
    interval_secs: Annotated[
        Seconds | None,
        Meta(
            description="Seconds between two checks of it, in place of `settings.interval_secs` "
            "or `settings.schedule`."
        ),
    ] = None
    source_tls_verify: Annotated[
        bool | None, Meta(description="Overrides registry and `settings.source_tls_verify`.")
    ] = None
    cache_insecure: Annotated[
        bool | None, Meta(description="Overrides registry and `settings.cache_insecure`.")
    ] = None
    referrers: Annotated[bool | None, Meta(description="Overrides `settings.referrers`.")] = None


class RegistryEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is special about one registry."""

    concurrency: Annotated[
        Count | None,
        Meta(
            description="Requests in flight on each side; uploads count apart, up to as many again."
        ),
    ] = None
    requests_per_second: Annotated[
        Rate | None,
        Meta(
            description="Requests per second, divided by the number of shards; Docker Hub has 25 "
            "if unset, because its abuse limit counts checks too."
        ),
    ] = None
    reserve_pulls: Annotated[
        Amount,
        Meta(
            description="Pulls of the quota to leave alone, divided by the number of shards; "
            "copies that would go below are deferred."
        ),
    ] = 0
    bandwidth_limit: Annotated[
        Bytes | None,
        Meta(
            description="Bytes per second of all copies from or to it together, divided by the "
            "number of shards; kept by the builtin engine."
        ),
    ] = None
    proxy: Annotated[
        Text | None, Meta(description="Proxy for this registry, `http://host:port`.")
    ] = None
    auth_file: Annotated[
        Text | None, Meta(description="Docker config file that is asked first for credentials.")
    ] = None
    ca_file: Annotated[
        Text | None, Meta(description="CA certificates (PEM), added to the system's roots.")
    ] = None
    client_cert_file: Annotated[
        Text | None, Meta(description="Client certificate (PEM) to show to this registry.")
    ] = None
    client_key_file: Annotated[
        Text | None, Meta(description="Its key (PEM), if not in the same file.")
    ] = None
    tls_verify: Annotated[
        bool | None,
        Meta(
            description="`false`: take any certificate, or plain HTTP if it speaks no TLS; `true`: "
            "insist; the settings decide if unset."
        ),
    ] = None
    plain_http: Annotated[bool, Meta(description="It speaks plain HTTP only.")] = False
    realm_hosts: Annotated[
        tuple[Text, ...],
        Meta(description="Other hosts that may receive its credentials to issue tokens."),
    ] = ()
    redirect_hosts: Annotated[
        tuple[Text, ...],
        Meta(description="Hosts that it may redirect to although their addresses are private."),
    ] = ()


class EmbeddedEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry of our own, in place of `cache_registry: host`."""

    path: Annotated[
        Text | None,
        Meta(
            description="Folder of its images, relative to the configuration file; "
            "`$XDG_DATA_HOME/image-sync/registry` if unset, or "
            "`~/.local/share/image-sync/registry` if that is."
        ),
    ] = None
    listen: Annotated[
        Text,
        Meta(
            description="`HOST:PORT` to listen on; an address that only this machine can reach. "
            "For others there is `image-sync serve`, with accounts."
        ),
    ] = "127.0.0.1:5050"


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """image-sync's configuration. Keys that begin with `x-` are free at the top, for anchors."""

    cache_registry: Annotated[
        Text | EmbeddedEntry,
        Meta(
            description="`host[:port][/prefix]` of the cache; or `embedded`, a registry that is "
            "served by image-sync itself.",
            extra={"expected": "host[:port][/prefix] of the cache, or embedded"},
        ),
    ]
    images: Annotated[
        tuple[ImageEntry, ...],
        Meta(
            description="The images to keep fresh.",
            extra={"expected": "a list of images, which may be empty"},
        ),
    ]
    settings: Annotated[Settings, Meta(description="What holds for all images.")] = Settings()
    registries: Annotated[
        dict[str, RegistryEntry],
        Meta(
            description="What is special about a registry, by its host. docker.io, "
            "index.docker.io and registry-1.docker.io are one, and `:443` says nothing. "
            "File names are relative to the configuration file."
        ),
    ] = {}
