"""What the embedded registry keeps in its folder is what it said that it took."""

from pathlib import Path

from tests.real.images import bulk
from tests.real.registries import embedded


def test_a_tag_that_moved_stays_where_it_is(tmp_path: Path) -> None:
    """After later pushes, and after a restart; what it named before is there by digest."""
    former, present, other = (bulk(1000, label) for label in ("former", "present", "other"))
    with embedded(tmp_path) as registry:
        registry.push("lab/app", "1.0", former)
        registry.push("lab/app", "1.0", present)
        registry.push("lab/app", "2.0", other)
        assert registry.api.digest_of("lab/app", "1.0") == present.digest
    with embedded(tmp_path) as registry:
        assert registry.api.tags("lab/app") == ["1.0", "2.0"]
        assert registry.api.digest_of("lab/app", "1.0") == present.digest
        assert registry.api.digest_of("lab/app", former.digest) == former.digest


def test_a_tag_that_moved_is_listed_once(tmp_path: Path) -> None:
    """Others read the folder too: no entry but one has the tag."""
    with embedded(tmp_path) as registry:
        registry.push("lab/app", "1.0", bulk(1000, "former"))
        registry.push("lab/app", "1.0", bulk(1000, "present"))
        index = (registry.root / "lab" / "app" / "index.json").read_text(encoding="utf-8")
    assert index.count('"1.0"') == 1
