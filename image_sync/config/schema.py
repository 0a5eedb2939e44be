"""The configuration as an operator writes it: every key, its type, default and meaning.

The JSON Schema, the reference in the README and the messages of `config/convert.py` are all made
from these structs, so a key is described here and nowhere else. A default that is not `None` is
the value in force; `None` means that nothing was said.

Not here: what the values mean together (`config/resolve.py`).
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from image_sync.model import DockerManifests
from image_sync.oci.previous import MOST as MOST_PREVIOUS

_MAX_INT = 2**31 - 1
"""Bound of whole numbers: what fits every timer and semaphore below; 68 years in seconds."""
_MAX_RATE = 100_000.0
"""Requests per second; ten times what one process can send (measured: aiohttp, 9,940)."""


class Tool(StrEnum):
    """The engines that an operator can prefer."""

    CRANE = "crane"
    SKOPEO = "skopeo"
    BUILTIN = "builtin"


class PathStyle(StrEnum):
    """How the repository in the cache follows from the source."""

    STRIP = "strip"
    PREFIXED = "prefixed"


LEDGER_IN_REGISTRY = "registry"
LEDGER_NOWHERE = "none"
EMBEDDED = "embedded"
"""The value of `cache_registry` that asks for a registry of our own."""

Count = Annotated[int, Meta(ge=1, le=_MAX_INT)]
Amount = Annotated[int, Meta(ge=0, le=_MAX_INT)]
Seconds = Annotated[int, Meta(ge=1, le=_MAX_INT)]
Bytes = Annotated[int, Meta(ge=1, le=2**40)]
"""Bytes per second; a terabyte is far beyond any network."""
Rate = Annotated[float, Meta(gt=0, le=_MAX_RATE)]
Text = Annotated[str, Meta(min_length=1)]
Platforms = Text | tuple[Text, ...]


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
        Text | None, Meta(description="Folder of its images; one of its own if unset.")
    ] = None
    listen: Annotated[Text, Meta(description="`HOST:PORT` to listen on.")] = "127.0.0.1:5050"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all images."""

    concurrency: Annotated[Count, Meta(description="Images copied at once.")] = 2
    check_concurrency: Annotated[Count, Meta(description="Images checked at once.")] = 64
    pull_timeout_secs: Annotated[
        Seconds, Meta(description="Deadline of one attempt to copy an image, in seconds.")
    ] = 300
    pass_timeout_secs: Annotated[
        Seconds | None,
        Meta(
            description="Deadline of a whole pass, in seconds; what is left is reported `failed`. "
            "No limit if unset."
        ),
    ] = None
    skip_on_error: Annotated[
        bool,
        Meta(
            description="Failed images do not fail the exit code; they are reported `failed` all "
            "the same."
        ),
    ] = False
    default_platform: Annotated[
        Platforms, Meta(description="Platform of images that name none.")
    ] = "linux/amd64"
    cache_insecure: Annotated[
        bool,
        Meta(
            description="The cache may show any certificate, or speak plain HTTP if it speaks no "
            "TLS; `false`: only verified TLS."
        ),
    ] = True
    source_tls_verify: Annotated[
        bool,
        Meta(description="Sources must show a certificate that verifies; `false`: as above."),
    ] = True
    preferred_tool: Annotated[
        Tool,
        Meta(
            description="The engine tried first: `crane`, `skopeo` or `builtin`. What it cannot "
            "do goes to the other tool, then to `builtin`."
        ),
    ] = Tool.CRANE
    on_docker_manifest: Annotated[
        DockerManifests,
        Meta(
            description="`keep`: manifests of Docker's types are copied as they are; `convert`: "
            "they become the OCI's, by their media types only; `auto`: kept, and converted "
            "for a cache that refused them."
        ),
    ] = DockerManifests.AUTO
    referrers: Annotated[
        bool,
        Meta(
            description="Copy signatures, attestations and SBOMs that refer to an image, too, also "
            "such as come later."
        ),
    ] = False
    keep_previous: Annotated[
        Annotated[int, Meta(ge=0, le=MOST_PREVIOUS)] | None,
        Meta(
            description="How many earlier images are kept under `TAG.previous-1` and so on when a "
            "tag moves; tags beyond are removed. None are kept and none removed if unset."
        ),
    ] = None
    bandwidth_limit: Annotated[
        Bytes | None,
        Meta(
            description="Bytes per second of all copies together, divided by the number of shards; "
            "kept by the builtin engine. No limit if unset."
        ),
    ] = None
    proxy: Annotated[
        Text | None,
        Meta(
            description="Proxy for source registries, `http://host:port`; the cache is asked "
            "directly unless `registries.<host>.proxy` says otherwise."
        ),
    ] = None
    auth_files: Annotated[
        tuple[Text, ...],
        Meta(
            description="Docker config files with credentials, asked before `$DOCKER_CONFIG`, "
            "`$REGISTRY_AUTH_FILE` and `~/.docker/config.json`; names are relative to the "
            "configuration file."
        ),
    ] = ()
    path_style: Annotated[
        PathStyle,
        Meta(
            description="`strip`: the repository in the cache is the source without a leading "
            "`docker.io/`, `registry-1.docker.io/` or `ghcr.io/`; `prefixed`: the registry's host "
            "always comes first, and Docker Hub's official images are below `library/`. A port's "
            "colon becomes `_`."
        ),
    ] = PathStyle.STRIP
    ledger: Annotated[
        Annotated[str, Meta(pattern=r"^(registry|none|.*/.*)$")],
        Meta(
            description="Where digests are remembered so that unchanged images cost no pull: "
            "`registry` (in the cache, as `image-sync/ledger`), `none`, or a file, such as "
            "`/var/lib/image-sync/ledger.json`.",
            extra={"expected": "registry, none, or a file name that contains a /"},
        ),
    ] = LEDGER_IN_REGISTRY


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """image-sync's configuration. Keys that begin with `x-` are free at the top, for anchors."""

    cache_registry: Annotated[
        Text | EmbeddedEntry,
        Meta(
            description="`host[:port][/prefix]` of the cache; `embedded` is not in this version.",
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
