"""What users of image-sync 0.1.1 have keeps working."""

from pathlib import Path

from image_sync import config
from image_sync.model import ImageSpec, TlsPolicy

_FIXTURE = Path(__file__).parent / "fixtures" / "image-sync-0.1.1.yaml"


def _resolved() -> config.Resolved:
    return config.resolve(config.load(str(_FIXTURE), environ={}))


def test_every_key_of_0_1_1_loads_unchanged() -> None:
    """The configuration with all its keys means what it meant."""
    result = _resolved()
    (spec,) = result.specs
    assert str(spec.source.repository) == "docker.io/library/nginx"
    assert str(spec.target_reference) == "zot.zot.svc:5000/library/nginx:1.27"
    assert (spec.image, spec.tag) == ("docker.io/library/nginx", "1.27")
    assert str(spec.platforms) == "linux/amd64"
    assert (spec.source.tls, spec.target.tls) == (TlsPolicy.VERIFY, TlsPolicy.LENIENT)
    assert result.warnings == ()


def test_the_values_it_shows_are_our_defaults() -> None:
    """A configuration that leaves its optional keys out means the same."""
    written = config.load(str(_FIXTURE), environ={}).config
    assert written.settings == config.Settings()


def test_report_fields_come_from_the_text_as_written() -> None:
    """The cache and the images are reported as the operator wrote them."""
    result = _resolved()
    assert result.cache.text == "zot.zot.svc:5000"
    assert all(isinstance(spec, ImageSpec) for spec in result.specs)
