"""The demo's images are images, and the same each time."""

import io
import tarfile

from image_sync.demo.images import ARCHITECTURES, make
from image_sync.oci import Digest, Manifest


def test_images_are_deterministic_and_versions_differ() -> None:
    """The picture of the demo does not change from run to run."""
    assert make("a", "1") == make("a", "1")
    one, other = make("a", "1"), make("a", "2")
    assert one.base == other.base
    assert not {blob.digest for blob in one.own} & {blob.digest for blob in other.own}


def test_an_image_is_what_our_own_parser_takes() -> None:
    """An index with a manifest for each platform, whose blobs are all there, and are tars."""
    image = make("a", "1")
    index = Manifest.parse(image.index.content)
    assert [platform.architecture for platform in index.platforms()] == list(ARCHITECTURES)
    assert [child.digest for child in index.children] == [each.digest for each in image.children]
    blobs = {blob.digest: blob.content for blob in image.blobs}
    for child in image.children:
        for blob in Manifest.parse(child.content).blobs:
            assert len(blobs[blob.digest]) == blob.size
            assert Digest.of(blobs[blob.digest]) == blob.digest
    for layer in (blob for blob in image.blobs if blob.media_type.endswith("tar")):
        with tarfile.open(fileobj=io.BytesIO(layer.content)) as tar:
            assert len(tar.getnames()) == 1
