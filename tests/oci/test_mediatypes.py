"""Media types: what is asked for, and how a Content-Type is read."""

import pytest

from image_sync.oci import mediatypes


def test_every_manifest_request_offers_all_types() -> None:
    """A registry that is not offered what it holds converts it, or says that it has nothing."""
    offered = {part.strip() for part in mediatypes.ACCEPT.split(",")}
    assert offered == mediatypes.INDEXES | mediatypes.MANIFESTS
    assert not offered & mediatypes.SCHEMA1


def test_every_manifest_type_of_docker_s_has_one_of_the_oci_s() -> None:
    """And what the OCI's are called stays as it is; foreign layers stay foreign."""
    known = mediatypes.OCI_FOR_DOCKER
    assert {known[each] for each in mediatypes.DOCKER} == mediatypes.OCI
    assert not set(known) & set(known.values())
    for docker, oci in known.items():
        foreign = docker.startswith(mediatypes.NONDISTRIBUTABLE)
        assert oci.startswith(mediatypes.NONDISTRIBUTABLE) == foreign


@pytest.mark.parametrize(
    ("content_type", "essence"),
    [
        ("application/vnd.oci.image.index.v1+json", mediatypes.OCI_INDEX),
        ("Application/VND.OCI.image.index.v1+JSON; charset=utf-8", mediatypes.OCI_INDEX),
        ("  application/vnd.oci.image.index.v1+json  ;q=1", mediatypes.OCI_INDEX),
        ("text/html;charset=utf-8", "text/html"),
        ("", ""),
        (";", ""),
    ],
)
def test_essence(content_type: str, essence: str) -> None:
    """Parameters, case and white space do not count: RFC 9110, section 8.3.1."""
    assert mediatypes.essence(content_type) == essence
