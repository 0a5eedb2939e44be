"""The part of the configuration that holds for all images: every key below `settings`.

Not here: what the values mean together (`config/resolve.py`).
"""

from typing import Annotated

from msgspec import Meta, Struct

from image_sync.config.values import (
    LEDGER_IN_REGISTRY,
    Amount,
    Bytes,
    Count,
    PathStyle,
    Platforms,
    Seconds,
    Text,
    Tool,
)
from image_sync.model import DockerManifests
from image_sync.oci.previous import MOST as MOST_PREVIOUS


class ServerEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told over HTTP while image-sync runs until it is stopped."""

    listen: Annotated[
        Text,
        Meta(
            description="`HOST:PORT` where `/livez`, `/readyz` and `/metrics` are served; `:PORT` "
            "for every address, as a Pod's probes need; `none` for nowhere. Not with `--once`.",
            extra={"expected": "HOST:PORT, :PORT, or none"},
        ),
    ] = "127.0.0.1:8080"


class LeaseEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Kubernetes Lease by which one of several replicas works, and the others wait."""

    name: Annotated[Text, Meta(description="Name of the Lease; replicas share it.")]
    namespace: Annotated[
        Text | None, Meta(description="Its namespace; the Pod's own if unset.")
    ] = None
    duration_secs: Annotated[
        Annotated[int, Meta(ge=10, le=3600)],
        Meta(
            description="Seconds after which another replica takes over from one that is silent; "
            "10 at least, because running copies have 6 of them to end."
        ),
    ] = 15


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all images."""

    concurrency: Annotated[Count, Meta(description="Images copied at once.")] = 2
    check_concurrency: Annotated[Count, Meta(description="Images checked at once.")] = 64
    pull_timeout_secs: Annotated[
        Seconds, Meta(description="Deadline of one attempt to copy an image, in seconds.")
    ] = 300
    interval_secs: Annotated[
        Seconds,
        Meta(
            description="Seconds from the start of one pass to the start of the next; `schedule` "
            "in its place if that is set. Not with `--once`."
        ),
    ] = 600
    jitter_secs: Annotated[
        Amount,
        Meta(
            description="Each pass begins up to so many seconds earlier or later, and the first so "
            "many after the start, so that many processes do not all ask at once; at most half "
            "of `interval_secs`."
        ),
    ] = 0
    schedule: Annotated[
        Text | None,
        Meta(
            description="When passes begin, as a cron expression of five fields, such as "
            "`*/15 6-22 * * *`; besides the one at the start."
        ),
    ] = None
    time_zone: Annotated[
        Text,
        Meta(
            description="The time zone of `schedule`, such as `Europe/Berlin`; where clocks are "
            "put forward or back, no turn is lost and none comes twice."
        ),
    ] = "UTC"
    shutdown_grace_secs: Annotated[
        Amount,
        Meta(
            description="Seconds that running copies have to finish after SIGTERM; then they are "
            "cancelled."
        ),
    ] = 25
    verify_interval_secs: Annotated[
        Amount,
        Meta(
            description="Seconds within which every unchanged image is once verified to be whole "
            "in the cache, and copied again if it is not; 0: never. Not with `--once`."
        ),
    ] = 86_400
    server: Annotated[ServerEntry, Meta(description="What is told over HTTP.")] = ServerEntry()
    lease: Annotated[
        LeaseEntry | None,
        Meta(
            description="The Kubernetes Lease by which one of several replicas works. Every "
            "process works if unset."
        ),
    ] = None
    pass_timeout_secs: Annotated[
        Seconds | None,
        Meta(
            description="Deadline of a pass for each of its images, in seconds from when it came "
            "due, waiting included; what is left is reported `failed`. No limit if unset."
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
