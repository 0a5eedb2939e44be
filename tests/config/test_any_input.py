"""Whatever comes in: a configuration or one of our errors; what goes out comes in again."""

import io
import string

from hypothesis import example, given
from hypothesis import strategies as st

from image_sync import config
from image_sync.config.images import split
from image_sync.errors import ConfigError
from tests.config.support import loaded

_PRINTABLE = frozenset(string.printable)


def _attempt(data: bytes, environ: dict[str, str] | None = None) -> None:
    """Loads and resolves; what is raised is ours and can be printed."""
    try:
        config.resolve(config.load("-", environ=environ or {}, stdin=io.BytesIO(data)))
    except ConfigError as error:
        lines = [str(problem) for problem in error.problems]
    else:
        return
    assert lines
    assert all(line.isprintable() for line in lines)


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"? \n: \n")
@example(b"- &a !!set {a, *a}")
@example(b"cache_registry: &a [*a]")
@example(b"%YAML 1.1\n---\na: 1")
@example(b"a: 'x\ny")
@example(b"a: \x85\xc2\x85")
def test_any_bytes(data: bytes) -> None:
    """No other exception, and no message that writes to the terminal."""
    _attempt(data)


_words = st.sampled_from(
    [
        *("cache_registry", "images", "settings", "registries", "source", "tag", "tags", "x-a"),
        *(
            "platform",
            "concurrency",
            "proxy",
            "ledger",
            "<<",
            "embedded",
            "true",
            "null",
            "~",
            "1.20",
        ),
        *(
            "a/b:1",
            "zot.svc:5000",
            "http://u:p@x:1",
            "[",
            "]",
            "{",
            "}",
            "&a",
            "*a",
            "!!str",
            "'",
            '"',
        ),
        *(
            ": ",
            "- ",
            "\n",
            "\n  ",
            "\n    ",
            ", ",
            "#",
            "---",
            "\t",
            "\u202e",
            "\\",
            "all",
            "99999999999",
        ),
    ]
)


@given(st.lists(_words, max_size=40).map("".join))
def test_any_words_of_ours(text: str) -> None:
    """The same, closer to what people write."""
    _attempt(text.encode())


_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "cache_registry": _values,
            "images": st.lists(_values, max_size=3) | _values,
            "settings": st.dictionaries(
                st.sampled_from(config.Settings.__struct_fields__), _values
            ),
            "registries": st.dictionaries(
                st.text(max_size=8) | _words,
                st.dictionaries(st.sampled_from(config.RegistryEntry.__struct_fields__), _values),
                max_size=2,
            ),
        },
    )
)
def test_any_values_of_any_key(document: dict[str, object]) -> None:
    """The same, with the right keys and whatever in them."""
    _attempt(_yaml(document).encode("utf-8", "replace"))


@given(st.dictionaries(st.text(max_size=12).map(lambda rest: f"IMAGE_SYNC_{rest}"), st.text()))
def test_any_environment(environ: dict[str, str]) -> None:
    """Names and values that no shell could set are errors, too."""
    _attempt(b"cache_registry: a.b\nimages: []\n", environ)


@given(st.sampled_from(sorted(config.Settings.__struct_fields__)), st.text())
def test_any_value_of_a_variable(key: str, value: str) -> None:
    """The same for the variables that are keys."""
    _attempt(b"cache_registry: a.b\nimages: []\n", {f"IMAGE_SYNC_SETTINGS__{key.upper()}": value})


@given(st.text())
def test_any_reference_splits_without_loss(text: str) -> None:
    """Source and tag put together are the reference."""
    source, tag = split(text)
    assert text in {source, f"{source}:{tag}", f"{source}@{tag}"} or text.endswith(":")


_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_counts = st.integers(1, 2**31 - 1)
_platforms = _text | st.lists(_text, max_size=3).map(tuple)
_images = st.builds(
    config.ImageEntry,
    source=_text,
    tag=st.none() | _text,
    tags=st.none() | st.lists(_text, max_size=3).map(tuple),
    cache_as=st.none() | _text,
    platform=st.none() | _platforms,
    source_tls_verify=st.none() | st.booleans(),
    cache_insecure=st.none() | st.booleans(),
)
_settings = st.builds(
    config.Settings,
    concurrency=_counts,
    pass_timeout_secs=st.none() | _counts,
    skip_on_error=st.booleans(),
    default_platform=_platforms,
    preferred_tool=st.sampled_from(config.Tool),
    auth_files=st.lists(_text, max_size=2).map(tuple),
    ledger=st.sampled_from(["registry", "none", "/a b/c: d"]),
)
_registries = st.builds(
    config.RegistryEntry,
    concurrency=st.none() | _counts,
    requests_per_second=st.none() | st.floats(1e-6, 1e5),
    reserve_pulls=st.integers(0, 2**31 - 1),
    ca_file=st.none() | _text,
    plain_http=st.booleans(),
    redirect_hosts=st.lists(_text, max_size=2).map(tuple),
)
_configs = st.builds(
    config.Config,
    cache_registry=_text | st.builds(config.EmbeddedEntry, path=st.none() | _text),
    images=st.lists(_images, max_size=3).map(tuple),
    settings=_settings,
    registries=st.dictionaries(_text, _registries, max_size=2),
)


@given(_configs)
def test_a_configuration_that_is_shown_loads_as_itself(written: config.Config) -> None:
    """`config show` prints a configuration that says the same, secrets apart."""
    text = config.show(config.Loaded(config=written, origins={}))
    if "***@" not in text:
        assert loaded(text).config == written


def _yaml(value: object) -> str:
    """A value in flow style."""
    match value:
        case dict():
            return (
                "{" + ", ".join(f"{_yaml(key)}: {_yaml(item)}" for key, item in value.items()) + "}"
            )
        case list():
            return "[" + ", ".join(map(_yaml, value)) + "]"
        case bool() | None:
            return str(value).lower() if value is not None else "~"
        case str() if not set(value) <= _PRINTABLE:
            return '"' + "".join(f"\\U{ord(char):08X}" for char in value) + '"'
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return str(value)
