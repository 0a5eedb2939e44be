"""Manifests that are hostile, or merely rare, by themselves (rows 31, 32 and 38-43).

Bytes and small graphs, to be planted in a `Store` or served by `Document`. They are written as
text where a JSON library would repair them.
"""

from tests.hostile.store import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Store,
    descriptor,
    digest_of,
    document,
)

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def ambiguous() -> bytes:
    """Layers and manifests in one document (row 31, CVE-2021-41190)."""
    return document(
        {
            "schemaVersion": 2,
            "config": descriptor(OCI_CONFIG, b"{}"),
            "layers": [],
            "manifests": [],
        }
    )


def untyped_index() -> bytes:
    """An index without a mediaType of its own: legal in OCI."""
    return document({"schemaVersion": 2, "manifests": []})


def _with_two(first: str, second: str) -> bytes:
    config = document(descriptor(OCI_CONFIG, b"{}")).decode()
    good = document([descriptor(OCI_LAYER, b"good")]).decode()
    evil = document([descriptor(OCI_LAYER, b"evil")]).decode()
    return (
        f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},'
        f'"{first}":{good},"{second}":{evil}}}'
    ).encode()


def duplicate_keys() -> bytes:
    """`layers` twice: the last wins in most parsers, not in all (row 32)."""
    return _with_two("layers", "layers")


def case_variant_keys() -> bytes:
    """`layers` and `LAYERS`, which Go takes for the same key (row 32)."""
    return _with_two("layers", "LAYERS")


def folded_keys() -> bytes:
    """`layers` and one with a long s (U+017F), which Go folds to the same key (row 32)."""
    return _with_two("layers", "layer\N{LATIN SMALL LETTER LONG S}")


def not_a_number() -> bytes:
    """NaN as a size, which Python's parser takes and JSON does not have (row 32)."""
    return b'{"schemaVersion":2,"config":{"size":NaN},"layers":[]}'


def huge_integer() -> bytes:
    """A size beyond 2^53, which parsers round differently (row 32)."""
    return b'{"schemaVersion":2,"config":{"size":9007199254740993},"layers":[]}'


def nested_json(depth: int = 5000) -> bytes:
    """Lists in lists, deeper than a recursive parser's stack (row 32)."""
    return b'{"schemaVersion":2,"annotations":' + b"[" * depth + b"]" * depth + b"}"


def schema1() -> bytes:
    """A manifest of Docker's schema 1, which ended in 2019 (row 41). Serve it as `SCHEMA1`."""
    return document({"schemaVersion": 1, "name": "old", "tag": "1", "fsLayers": [], "history": []})


def put_foreign_layer(store: Store, repository: str, tag: str, url: str) -> str:
    """The digest of an image whose one layer lies at a URL and not in the registry (row 40)."""
    config = document({"os": "windows", "architecture": "amd64"})
    store.put_blob(repository, config)
    layer = descriptor(FOREIGN_LAYER, b"a layer elsewhere", urls=[url])
    content = document(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, config),
            "layers": [layer],
        }
    )
    return store.put_manifest(repository, tag, content, OCI_MANIFEST)


def put_nested_indexes(store: Store, repository: str, tag: str, depth: int) -> str:
    """The digest of `depth` indexes in each other, an image in the innermost (row 38)."""
    held = store.repository(repository).manifests
    digest = store.put_image(repository)
    for _ in range(depth):
        digest = put_index_of(store, repository, None, [held[digest].content])
    store.tag(repository, tag, digest)
    return digest


def put_diamond(store: Store, repository: str, tag: str, levels: int) -> str:
    """The digest of a graph of 2 x `levels` indexes with 2^`levels` paths through it (row 38)."""
    held = store.repository(repository).manifests
    below = [store.put_image(repository, layers=[name]) for name in (b"left", b"right")]
    for level in range(levels):
        children = [held[digest].content for digest in below]
        below = [
            put_index_of(store, repository, None, children, note=f"{level} {side}")
            for side in ("left", "right")
        ]
    store.tag(repository, tag, below[0])
    return below[0]


def put_wide_index(store: Store, repository: str, tag: str, children: int) -> str:
    """The digest of an index over that many different images (row 38)."""
    held = store.repository(repository).manifests
    images = [
        held[store.put_image(repository, layers=[f"child {number}".encode()])].content
        for number in range(children)
    ]
    return put_index_of(store, repository, tag, images)


def put_sparse_index(store: Store, repository: str, tag: str) -> str:
    """The digest of an index one of whose two children is not in the registry (row 43)."""
    platforms = ("linux/amd64", "linux/arm64")
    digest = store.put_platforms(repository, tag, platforms=platforms)
    missing = store.put_image(
        repository, layers=[f"{repository} for linux/arm64".encode()], platform="linux/arm64"
    )
    del store.repository(repository).manifests[missing]
    return digest


def put_index_of(
    store: Store, repository: str, tag: str | None, children: list[bytes], *, note: str = ""
) -> str:
    """The digest of an index over manifests given by their bytes, without platforms."""
    held = store.repository(repository).manifests
    entries = [descriptor(held[digest_of(child)].media_type, child) for child in children]
    annotations = {"annotations": {"note": note}} if note else {}
    content = document(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **annotations}
    )
    return store.put_manifest(repository, tag, content, OCI_INDEX)
