"""What a configuration means: one spec for each image and tag, policies for hosts, the cache.

Defaults and overrides meet here, and what only the whole configuration shows is refused here: two
images kept in one place, an image kept where the ledger is, a cache that is its own source.

Not here: which specs this process works on (`config/select.py`).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from image_sync.config.cache import CacheRegistry, read_cache
from image_sync.config.findings import Findings, in_order
from image_sync.config.listen import parse_listen
from image_sync.config.loaded import Loaded
from image_sync.config.registries import check_proxy, read_registries, share_of, tls_of
from image_sync.config.schema import ImageEntry
from image_sync.config.settings import Settings
from image_sync.config.targets import LEDGER_PATH, Wanted, derived_path, parse_wanted
from image_sync.config.timing import Timing, read_timing
from image_sync.config.values import LEDGER_IN_REGISTRY, LEDGER_NOWHERE
from image_sync.config.wording import has_user_info, quoted
from image_sync.errors import ConfigError, Problem, Side
from image_sync.model import Endpoint, HostPolicy, ImageSpec
from image_sync.oci import Platform, PlatformChoice, PlatformList, Reference, Repository
from image_sync.oci.platform import parse_choice
from image_sync.oci.previous import MAX_TAG, kept_for, previous_tag
from image_sync.oci.reference import MAX_NAME, parse_path

_LISTEN = "settings.server.listen"


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root needs to know.

    Attributes:
        specs: What to keep fresh, in the order of the configuration.
        hosts: What was said of registries, by canonical host; Docker Hub is always in it.
        cache: Where everything is kept.
        settings: The settings, with file names made absolute.
        timing: When passes begin.
        listen: Address and port where probes and metrics are served; None for nowhere.
        listen_is_named: That was set by somebody and is not the default.
        tool_is_named: `preferred_tool` was set by somebody and is not the default.
        warnings: What is worth saying once, each in one line.
    """

    specs: tuple[ImageSpec, ...]
    hosts: Mapping[str, HostPolicy]
    cache: CacheRegistry
    settings: Settings
    timing: Timing
    listen: tuple[str, int] | None = None
    listen_is_named: bool = False
    tool_is_named: bool = False
    warnings: tuple[str, ...] = ()


def resolve(loaded: Loaded, *, shards: int = 1) -> Resolved:
    """What a configuration means for one of a number of processes that share its work.

    Raises:
        ConfigError: Something is wrong; it carries every problem there is.
    """
    findings = Findings(loaded)
    resolver = _Resolver(loaded, shards, findings)
    specs = resolver.specs(range(len(loaded.config.images)))
    if findings.problems:
        raise ConfigError(in_order(findings.problems))
    warnings = () if specs else ("images is empty: there is nothing to keep fresh",)
    return Resolved(
        specs=specs,
        hosts={host: registry.policy for host, registry in resolver.registries.items()},
        cache=resolver.cache,
        settings=resolver.settings,
        timing=resolver.timing,
        listen=resolver.listen,
        listen_is_named=_LISTEN in loaded.origins,
        tool_is_named="settings.preferred_tool" in loaded.origins,
        warnings=(*loaded.warnings, *warnings),
    )


def problems_of(loaded: Loaded, numbers: Sequence[int]) -> list[Problem]:
    """What is wrong with the part of a configuration that fits the schema.

    Args:
        loaded: That part.
        numbers: The places of its images in the list as it is written, from 0.
    """
    findings = Findings(loaded)
    _Resolver(loaded, 1, findings).specs(numbers)
    return findings.problems


class _Resolver:
    """Resolves one configuration, noting what is wrong."""

    def __init__(self, loaded: Loaded, shards: int, findings: Findings) -> None:
        self._config = loaded.config
        self._findings = findings
        self.registries = read_registries(loaded.config, shards, findings)
        self.settings = self._settings(loaded.config.settings, shards)
        self.timing = read_timing(loaded.config.settings, findings)
        self.listen = findings.parsed(_LISTEN, self.settings.server.listen, parse_listen)
        self.cache = read_cache(loaded.config, self.registries, findings)
        self._default = self._platforms("settings.default_platform", self.settings.default_platform)
        self._taken: dict[Reference, str] = {}

    def specs(self, numbers: Iterable[int]) -> tuple[ImageSpec, ...]:
        """The specs of all images."""
        images = zip(numbers, self._config.images, strict=True)
        specs = tuple(spec for number, image in images for spec in self._image(number, image))
        self._check_earlier()
        return specs

    def _settings(self, settings: Settings, shards: int) -> Settings:
        findings = self._findings
        files = tuple(
            findings.readable(f"settings.auth_files[{number}]", name)
            for number, name in enumerate(settings.auth_files)
        )
        ledger = settings.ledger
        if ledger not in (LEDGER_IN_REGISTRY, LEDGER_NOWHERE):
            ledger = findings.absolute("settings.ledger", ledger)
        return msgspec.structs.replace(
            settings,
            auth_files=files,
            ledger=ledger,
            proxy=check_proxy("settings.proxy", settings.proxy, findings),
            bandwidth_limit=share_of(settings.bandwidth_limit, shards),
        )

    def _image(self, number: int, image: ImageEntry) -> Iterable[ImageSpec]:
        path = f"images[{number}]"
        source = self._findings.parsed(f"{path}.source", image.source, Repository.parse)
        tags = self._tags(path, image)
        platforms = self._default
        if image.platform is not None:
            platforms = self._platforms(f"{path}.platform", image.platform)
        target = source and self._target(path, image, source)
        if source is None or target is None or platforms is None:
            return
        endpoints = self._endpoints(image, source, target)
        referrers = image.referrers
        for tag_path, tag, wanted in tags:
            if self._is_free(tag_path, target.tag(wanted.target_tag)):
                yield ImageSpec(
                    image=image.source,
                    tag=tag,
                    source=endpoints[0],
                    source_tag=wanted.source_tag,
                    pin=wanted.pin,
                    target=endpoints[1],
                    target_tag=wanted.target_tag,
                    platforms=platforms,
                    referrers=self.settings.referrers if referrers is None else referrers,
                    interval=float(image.interval_secs) if image.interval_secs else None,
                )

    def _tags(self, path: str, image: ImageEntry) -> list[tuple[str, str, Wanted]]:
        """What is wanted of an image: path, text and meaning of each tag that is right."""
        texts = [(f"{path}.tag", image.tag)] if image.tag is not None else []
        if image.tags is not None:
            texts += [(f"{path}.tags[{number}]", tag) for number, tag in enumerate(image.tags)]
            if image.tag is not None:
                self._findings.add(f"{path}.tags", "stands beside tag: keep one of them")
        if not texts and not has_user_info(image.source):
            advice = "set tag or tags, or write SOURCE:TAG in the short form"
            self._findings.add(path, f"{quoted(image.source)} has no tag: {advice}")
        parsed = ((at, tag, self._findings.parsed(at, tag, parse_wanted)) for at, tag in texts)
        return [(at, tag, wanted) for at, tag, wanted in parsed if wanted is not None]

    def _platforms(self, path: str, value: str | tuple[str, ...]) -> PlatformChoice | None:
        if isinstance(value, str):
            return self._findings.parsed(path, value, parse_choice)
        if not value:
            self._findings.add(path, "the list is empty: name a platform, or write all")
            return None
        places = ((f"{path}[{number}]", text) for number, text in enumerate(value))
        parsed = [self._findings.parsed(place, text, Platform.parse) for place, text in places]
        return PlatformList.of(platform for platform in parsed if platform is not None)

    def _target(self, path: str, image: ImageEntry, source: Repository) -> Repository | None:
        """The repository that keeps an image; None if it may not be kept there."""
        if image.cache_as is not None:
            below = self._findings.parsed(f"{path}.cache_as", image.cache_as, parse_path)
        else:
            below = self._derived(path, image, source)
        if below is None:
            return None
        target = self.cache.repository(below)
        at = f"{path}.source" if image.cache_as is None else f"{path}.cache_as"
        if len(str(target)) > MAX_NAME:
            self._findings.add(at, f"its repository in the cache exceeds {MAX_NAME} characters")
        elif below == LEDGER_PATH:
            text = f"{target.path} holds the ledger of image-sync: set another cache_as"
            self._findings.add(at, text)
        elif target == source:
            self._findings.add(at, f"{target} would be copied onto itself: source is the cache")
        else:
            return target
        return None

    def _derived(self, path: str, image: ImageEntry, source: Repository) -> str | None:
        try:
            return derived_path(image.source, source, self.settings.path_style)
        except ValueError as error:
            self._findings.add(f"{path}.source", str(error))
            return None

    def _endpoints(
        self, image: ImageEntry, source: Repository, target: Repository
    ) -> tuple[Endpoint, Endpoint]:
        settings = self.settings
        verify = image.source_tls_verify
        source_tls = tls_of(
            self.registries,
            source.host,
            insecure=None if verify is None else not verify,
            default=not settings.source_tls_verify,
        )
        if self.cache.embedded is not None:
            target_tls = self.cache.tls
        else:
            target_tls = tls_of(
                self.registries,
                target.host,
                insecure=image.cache_insecure,
                default=settings.cache_insecure,
            )
        return Endpoint(Side.SOURCE, source, source_tls), Endpoint(Side.TARGET, target, target_tls)

    def _check_earlier(self) -> None:
        """Note targets that are where earlier images of others are kept, or have no room for it.

        Also while none are to be kept: those of a time when some were are removed.
        """
        most = self.settings.keep_previous
        if most is None:
            return
        for target, path in self._taken.items():
            tag = target.tag or ""
            whose = kept_for(tag)
            other = self._taken.get(target.repository.tag(whose)) if whose else None
            if other:
                kept, place = f"{target.repository.path}:{tag}", self._findings.place(other)
                what = f"would be kept as {kept}, which is for earlier images of {place}"
                self._findings.add(path, f"{what}: set another cache_as")
            if most and len(previous_tag(tag, most)) > MAX_TAG:
                what = f"{previous_tag('', most)} would make its tag longer than {MAX_TAG}"
                advice = "its earlier images cannot be kept: set settings.keep_previous to 0"
                self._findings.add(path, f"{what} characters, so {advice}")

    def _is_free(self, path: str, target: Reference) -> bool:
        """True the first time a target is asked for; another time is a problem that names both."""
        first = self._taken.setdefault(target, path)
        if first is path:
            return True
        other = self._findings.place(first)
        kept = f"{target.repository.path}:{target.tag}"
        self._findings.add(path, f"would be kept as {kept}, where {other} is: set another cache_as")
        return False
