"""YAML is read strictly: fault row 74."""

import pytest
import yaml

from image_sync.config import yamltree
from image_sync.config.tree import Entry, Mapping, Node, Scalar, Sequence
from image_sync.errors import ConfigError
from tests.config.support import complaints


def _message(data: bytes) -> str:
    try:
        _, problems = yamltree.parse(data, "f.yaml")
    except ConfigError as error:
        problems = list(error.problems)
    return "\n".join(map(str, problems))


def _plain(node: Node) -> object:
    match node:
        case Scalar():
            return node.value()
        case Sequence():
            return [_plain(item) for item in node.items]
        case Mapping():
            return {key: _plain(entry.node) for key, entry in node.entries.items()}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"a: [", "f.yaml:2:1: not valid YAML", id="syntax"),
        pytest.param(b"a:\n\tb: 1", "indent with blanks, not tabs", id="tab"),
        pytest.param(
            b"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' stands here again", id="twice"
        ),
        pytest.param(b"a: {b: 1, b: 2}", "f.yaml:1:11: the key 'b' stands", id="twice-in-flow"),
        pytest.param(b"a: !!python/name:os x", "f.yaml:1:4: the tag", id="python-tag"),
        pytest.param(b"a: !mine x", "f.yaml:1:4: the tag '!mine' is not", id="own-tag"),
        pytest.param(b"a: !!int 3", "f.yaml:1:4: the tag '!!int' is not", id="number-tag"),
        pytest.param(b"a: &a [*a]", "f.yaml:1:8: the alias *a stands inside", id="cycle"),
        pytest.param(b"a: *b", "f.yaml:1:4: the alias *b has no anchor", id="no-anchor"),
        pytest.param(b"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document", id="two-documents"),
        pytest.param(b"a: b\xff", "f.yaml:1:5: the file is not UTF-8", id="not-utf-8"),
        pytest.param(
            "ä: \x07".encode(), "f.yaml:1:4: the character U+0007", id="control-character"
        ),
        pytest.param(b"? [a, b]\n: c\n", "f.yaml:1:3: a key must be a word", id="list-as-key"),
        pytest.param(b"<<: 3", "f.yaml:1:5: << takes an alias", id="merge-of-a-number"),
        pytest.param(b"[" * 100_000, "nesting", id="deep-list"),
        pytest.param(b"{a: " * 100, "f.yaml:1:254: more than 64 levels", id="deep-mapping"),
        pytest.param(
            b"#" * (yamltree.MAX_BYTES + 1), "f.yaml: the file has more than 8 MiB", id="big"
        ),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(data: bytes, message: str) -> None:
    """A file that another reader would take in some way of its own is an error."""
    assert message in _message(data)


@pytest.mark.parametrize("width", [2, 9], ids=["narrow", "wide"])
def test_an_alias_bomb_is_refused_before_it_grows(width: int) -> None:
    """Few bytes that expand to hundreds of millions of values cost nothing."""
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, 40)
    ]
    assert "once aliases are expanded" in _message("\n".join(lines).encode())


def test_several_mistakes_show_at_once() -> None:
    """The second equal key does not hide the third."""
    assert _message(b"a: 1\na: 2\na: 3\nb: !x 1\n").count("\n") == 2


def test_a_scalar_is_what_yaml_1_2_says() -> None:
    """None of the surprises of YAML 1.1."""
    words = "1.20 22:22 on no 1_000 2024-01-01 true ~ 0x1F 0o17 017 -3 1e3 .5 '8' .inf"
    node, _ = yamltree.parse(f"[{words.replace(' ', ', ')}]".encode(), "f.yaml")
    assert node is not None
    assert _plain(node) == [
        *(1.2, "22:22", "on", "no", "1_000", "2024-01-01", True, None),
        *(31, 15, 17, -3, 1000.0, 0.5, "8", ".inf"),
    ]


def test_merge_keys_fill_in_what_a_mapping_leaves_open() -> None:
    """`<<` brings the keys of an anchor; its own keys win, then the first of a list."""
    text = b"a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 9}\n"
    node, problems = yamltree.parse(text, "f.yaml")
    assert isinstance(node, Mapping)
    assert problems == []
    assert _plain(node.entries["c"].node) == {"x": 9, "y": 1, "z": 2}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    """Files from Windows editors load."""
    node, _ = yamltree.parse(b"\xef\xbb\xbfa: 1\n", "f.yaml")
    assert isinstance(node, Mapping)
    assert list(node.entries) == ["a"]


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"---\n", b"~"], ids=repr)
def test_nothing_is_told_from_something(data: bytes) -> None:
    """An empty document is None, not an empty mapping."""
    assert yamltree.parse(data, "f.yaml") == (None, [])


def test_places_count_from_one_in_characters() -> None:
    """A place is what editors show."""
    node, _ = yamltree.parse("ä: ö\nb: c\n".encode(), "f.yaml")
    assert isinstance(node, Mapping)
    entry: Entry = node.entries["b"]
    assert (str(entry.key), str(entry.node.where)) == ("f.yaml:2:1", "f.yaml:2:4")
    assert str(node.entries["ä"].node.where) == "f.yaml:1:4"


def test_libyaml_reads_here() -> None:
    """The fast reader is in use where PyYAML has it; the other is 20 times slower."""
    assert yaml.__with_libyaml__
    assert yamltree._LOADER is yaml.CSafeLoader


def test_syntax_errors_reach_the_operator() -> None:
    """The loader passes on what the reader found."""
    (line,) = complaints("cache_registry: a.b\nimages: [\n")
    assert line.startswith("<stdin>:3:1: not valid YAML")
