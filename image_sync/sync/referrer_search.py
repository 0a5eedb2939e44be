"""What refers to an image at its source, and is not in the cache.

Asked for at every manifest of the image, one level deep. For an image of P manifests the source
gets P lists and 3 P HEADs, and one GET for each referrer that is missing, which its copy needs
anyway; a source without the API gets P HEADs more, and a GET for each list of it that is new. The
cache gets one list for each manifest that has any, and a HEAD for each of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Emit, Warned
from image_sync.model import ImageSpec
from image_sync.oci import Digest, mediatypes
from image_sync.oci.conversion import is_converted
from image_sync.oci.referrers import cosign_tags, subject_of
from image_sync.registry import RegistryClient, Tree
from image_sync.registry.referrers import Listed, ReferrerLists
from image_sync.runtime.parallel import IMAGE_REQUESTS, for_each
from image_sync.sync.bring import bounded
from image_sync.sync.hosts import Reserves

MAX_REFERRERS = 100
"""Referrers of one image (fault row 80)."""
_REMEMBERED = 10_000
"""Warnings that are remembered so that they are not repeated, and entries that are not true."""
_NOTHING_LISTED = Listed((), by_api=False)


class Referrer(msgspec.Struct, frozen=True):
    """One that the cache should have.

    Attributes:
        digest: Its manifest.
        subject: What it refers to.
        tag: Cosign's tag that names it; None if it names its subject itself.
    """

    digest: Digest
    subject: Digest
    tag: str | None = None


class ReferrerSearch:
    """Looks for referrers; remembers what it warned of, and which lists are wrong.

    Args:
        client: For all requests.
        lists: Reads lists of referrers.
        reserves: Says whether manifest GETs may be spent.
        deadline: Seconds for asking the source, for asking the cache, and for reading what is new.
        emit: Told of what is left out.
    """

    def __init__(
        self,
        client: RegistryClient,
        lists: ReferrerLists,
        reserves: Reserves,
        deadline: float,
        emit: Emit,
    ) -> None:
        self._client = client
        self._lists = lists
        self._reserves = reserves
        self._deadline = deadline
        self._emit = emit
        self._told: set[str] = set()
        self._disproved: set[Referrer] = set()

    async def missing(self, spec: ImageSpec, tree: Tree) -> tuple[Referrer, ...]:
        """What refers to an image at the source, and is not in the cache.

        Where reading that would spend pulls that are reserved, it is as the source lists it: to
        copy it would spend as many.

        Args:
            spec: The image.
            tree: It, as the cache holds it.

        Raises:
            RegistryError: A registry did not say.
        """
        if is_converted(tree.top):
            others = "at the source it speaks of another digest"
            self._warn(
                "converted",
                f"what refers to images that were converted, such as {spec}, is not copied: "
                f"{others} (settings.on_docker_manifest)",
            )
            return ()
        with bounded(spec.source, "asking what refers to it", self._deadline):
            found = await self._found(spec, [manifest.digest for manifest in tree.manifests])
        with bounded(spec.target, "asking what refers to it", self._deadline):
            lacking = [
                referrer
                for subject, group in by_subject(found)
                for referrer in await self._lacking(spec, subject, list(group))
            ]
        untrue = await self._untrue(spec, [each for each in lacking if each.tag is None])
        return tuple(each for each in lacking if each not in untrue)

    async def _found(self, spec: ImageSpec, subjects: Sequence[Digest]) -> list[Referrer]:
        """What refers to some manifests at the source, in their order."""
        questions = [
            (subject, tag) for subject in subjects for tag in (None, *cosign_tags(subject))
        ]
        answers: dict[tuple[Digest, str | None], list[Referrer]] = {}

        async def ask(question: tuple[Digest, str | None]) -> None:
            subject, tag = question
            if tag is None:
                answers[question] = await self._listed(spec, subject)
                return
            head = await self._client.head_manifest(spec.source, spec.source.repository.tag(tag))
            answers[question] = [Referrer(head.digest, subject, tag)] if head else []

        await for_each(ask, questions, workers=IMAGE_REQUESTS)
        found = [referrer for question in questions for referrer in answers[question]]
        if len(found) > MAX_REFERRERS:
            self._warn_of_more(spec)
        return found[:MAX_REFERRERS]

    async def _listed(self, spec: ImageSpec, subject: Digest) -> list[Referrer]:
        """What the source lists as referring to a manifest."""
        listed = await self._lists.read(spec.source, subject, MAX_REFERRERS)
        if listed.cut_off:
            self._warn_of_more(spec)
        known = mediatypes.INDEXES_AND_MANIFESTS
        strange = {each.media_type for each in listed.referrers} - known
        if strange:
            types = ", ".join(sorted(strange))
            self._warn(f"{subject}", f"{spec}: referrers of unknown types are left out: {types!r}")
        found = [
            Referrer(each.digest, subject) for each in listed.referrers if each.media_type in known
        ]
        return [referrer for referrer in found if referrer not in self._disproved]

    async def _lacking(
        self, spec: ImageSpec, subject: Digest, found: Sequence[Referrer]
    ) -> list[Referrer]:
        """Those of a manifest's referrers that the cache has not, or not where they belong."""
        lists = any(referrer.tag is None for referrer in found)
        listing = await self._lists.read(spec.target, subject) if lists else _NOTHING_LISTED
        lacking = {each for each in found if each.tag is None and listing.lacks(each.digest)}

        async def look(referrer: Referrer) -> None:
            place = spec.target.repository
            wanted = place.tag(referrer.tag) if referrer.tag else place.digest(referrer.digest)
            head = await self._client.head_manifest(spec.target, wanted)
            if head is None or head.digest != referrer.digest:
                lacking.add(referrer)

        present = [each for each in found if each not in lacking]
        await for_each(look, present, workers=IMAGE_REQUESTS)
        return [each for each in found if each in lacking]

    async def _untrue(self, spec: ImageSpec, listed: Sequence[Referrer]) -> set[Referrer]:
        """Those that a list has wrongly: gone, or naming another subject than the list's."""
        host, untrue = spec.source.host, set[Referrer]()
        if not self._reserves.allows(host, len(listed)):
            return untrue

        async def look(referrer: Referrer) -> None:
            reference = spec.source.repository.digest(referrer.digest)
            try:
                manifest = await self._client.get_manifest(spec.source, reference)
            except RegistryError as error:
                if error.kind is not ErrorKind.NOT_FOUND:
                    raise
                why = "and has it no more"
            else:
                if subject_of(manifest) == referrer.subject:
                    return
                why = "which does not say so"
                self._disprove(referrer)
            untrue.add(referrer)
            lists = f"the source lists {referrer.digest} among the referrers of {referrer.subject}"
            self._warn(f"{referrer}", f"{spec}: {lists}, {why}: it is left out")

        with (
            bounded(spec.source, "reading what refers to it", self._deadline),
            self._reserves.promising(host, len(listed)),
        ):
            await for_each(look, listed, workers=IMAGE_REQUESTS)
        return untrue

    def _disprove(self, referrer: Referrer) -> None:
        """Remember for good what an entry's digest stands for, so that it is not read again."""
        if len(self._disproved) >= _REMEMBERED:
            self._disproved.clear()
        self._disproved.add(referrer)

    def _warn_of_more(self, spec: ImageSpec) -> None:
        kept = f"the first {MAX_REFERRERS} are copied"
        self._warn(f"{spec}", f"{spec} has more than {MAX_REFERRERS} referrers: {kept}")

    def _warn(self, about: str, message: str) -> None:
        """Say something once."""
        if about in self._told:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.add(about)
        self._emit(Warned("referrers", message))


def by_subject(referrers: Iterable[Referrer]) -> Iterator[tuple[Digest, Iterator[Referrer]]]:
    """Referrers that follow each other, by what they refer to."""
    return groupby(referrers, key=lambda referrer: referrer.subject)
