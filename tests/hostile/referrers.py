"""The referrers API, and things that refer: OCI distribution spec 1.1, Listing Referrers.

Signatures and the like are planted here in all three ways: by `subject`, in the index under the
fallback tag, and under cosign's tags.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from tests.hostile.message import Request
from tests.hostile.response import Response, response
from tests.hostile.store import (
    OCI_INDEX,
    OCI_MANIFEST,
    Repository,
    Store,
    StoredManifest,
    descriptor,
    document,
)

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
SIGNATURE = "application/vnd.example.signature"


class ReferrersApi(msgspec.Struct):
    """How a registry answers; `page` is how many are on one page, 0 for all."""

    page: int = 0

    def answer(self, request: Request, held: Repository, name: str, subject: str) -> Response:
        """One page of the list, filtered by `artifactType` where that is asked for."""
        query = request.parameters
        found = list(referrers_of(held, subject))
        wanted = query.get("artifactType")
        if wanted is not None:
            found = [entry for entry in found if entry.get("artifactType") == wanted]
        fields = (("OCI-Filters-Applied", "artifactType"),) if wanted is not None else ()
        first = int(query.get("from", "0"))
        last = first + self.page if self.page else len(found)
        if last < len(found):
            more = f'</v2/{name}/referrers/{subject}?from={last}>; rel="next"'
            fields = (*fields, ("Link", more))
        body = document(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found[first:last]}
        )
        return response(200, body, *fields, media_type=OCI_INDEX)


def subject_of(manifest: StoredManifest) -> str | None:
    """What a manifest refers to, if anything."""
    try:
        return str(json.loads(manifest.content)["subject"]["digest"])
    except (ValueError, TypeError, KeyError):
        return None


def referrers_of(held: Repository, subject: str) -> Sequence[Mapping[str, object]]:
    """The descriptors of what refers to a digest, in the order in which it was stored."""
    return [
        entry_of(manifest)
        for manifest in held.manifests.values()
        if subject_of(manifest) == subject
    ]


def entry_of(manifest: StoredManifest) -> dict[str, object]:
    """A referrer's descriptor: with its type and annotations."""
    parsed = json.loads(manifest.content)
    config = parsed.get("config", {}).get("mediaType")
    more = {"artifactType": parsed.get("artifactType", config)}
    annotations = parsed.get("annotations")
    return descriptor(manifest.media_type, manifest.content, **more) | (
        {"annotations": annotations} if annotations else {}
    )


def put_referrer(
    store: Store,
    repository: str,
    subject: str | None,
    content: bytes = b"a signature",
    *,
    tag: str | None = None,
    artifact_type: str = SIGNATURE,
) -> str:
    """The digest of an artifact with one layer that refers to a manifest, which may be absent."""
    about = {} if subject is None else {"subject": _about(store, repository, subject)}
    for blob in (b"{}", content):
        store.put_blob(repository, blob)
    manifest = document(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": descriptor(EMPTY_TYPE, b"{}"),
            "layers": [descriptor("application/octet-stream", content)],
            **about,
            "annotations": {"org.example.note": content.decode(errors="replace")[:40]},
        }
    )
    return store.put_manifest(repository, tag, manifest, OCI_MANIFEST)


def put_fallback(
    store: Store, repository: str, subject: str, referrers: Sequence[str], **more: object
) -> str:
    """The digest of the index that lists some referrers under the fallback tag."""
    held = store.repository(repository).manifests
    entries = [entry_of(held[digest]) | more for digest in referrers]
    index = document({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    return store.put_manifest(repository, fallback_tag(subject), index, OCI_INDEX)


def put_cosign(
    store: Store, repository: str, subject: str, kind: str = "sig", content: bytes = b"signed"
) -> str:
    """The digest of what is kept under cosign's tag for a manifest; `kind` is sig, att or sbom."""
    tag = f"{fallback_tag(subject)}.{kind}"
    return put_referrer(store, repository, None, content, tag=tag)


def fallback_tag(subject: str) -> str:
    """The tag for a sha256 digest."""
    return subject.replace(":", "-")


def _about(store: Store, repository: str, subject: str) -> dict[str, object]:
    held = store.repository(repository).manifests.get(subject)
    if held is None:
        return {"mediaType": OCI_MANIFEST, "digest": subject, "size": 2}
    return {
        "mediaType": held.media_type,
        "digest": subject,  # in its own algorithm
        "size": len(held.content),
    }
