"""References: what is accepted, what is refused, and what is printed back.

The rows are those inputs on which crane 0.22.1 and skopeo 1.9 to 1.18 were measured to differ, or
to accept what no registry should ever be asked for; where they differ, ours is the stricter one.
"""

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from image_sync.oci import Digest, Reference, Repository
from image_sync.oci.reference import (
    MAX_NAME,
    api_host,
    host_name,
    parse_host,
    parse_path,
    parse_tag,
    split_host,
)

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("nginx", "docker.io/library/nginx:latest", id="bare-name"),
        pytest.param("library/nginx", "docker.io/library/nginx:latest", id="library"),
        pytest.param("docker.io/nginx", "docker.io/library/nginx:latest", id="docker.io"),
        pytest.param("index.docker.io/nginx", "docker.io/library/nginx:latest", id="index"),
        pytest.param("registry-1.docker.io/nginx", "docker.io/library/nginx:latest", id="api"),
        pytest.param("docker.io:443/nginx", "docker.io/library/nginx:latest", id="hub-with-443"),
        pytest.param("Docker.io/nginx", "docker.io/library/nginx:latest", id="hub-upper-case"),
        pytest.param("docker.io:5000/nginx", "docker.io:5000/nginx:latest", id="another-port"),
        pytest.param("grafana/loki:3", "docker.io/grafana/loki:3", id="hub-organisation"),
        pytest.param("host/x", "docker.io/host/x:latest", id="no-dot-no-host"),
        pytest.param("my_host/x", "docker.io/my_host/x:latest", id="underscore-is-hub"),
        pytest.param("localhost/x", "localhost/x:latest", id="localhost"),
        pytest.param("localhost:5000/x", "localhost:5000/x:latest", id="localhost-with-port"),
        pytest.param("zot:5000/x", "zot:5000/x:latest", id="bare-host-with-port"),
        pytest.param("zot:443/x", "zot:443/x:latest", id="bare-host-keeps-443"),
        pytest.param("HOST.com/x", "host.com/x:latest", id="host-upper-case"),
        pytest.param("quay.io:443/a/b:1", "quay.io/a/b:1", id="443-is-the-default"),
        pytest.param("[::1]:5000/x", "[::1]:5000/x:latest", id="ipv6-with-port"),
        pytest.param("[::1]/x", "[::1]/x:latest", id="ipv6"),
        pytest.param("[0:0::0:1]:443/x", "[::1]/x:latest", id="ipv6-spelled-out"),
        pytest.param("[FD00::A]:5000/x", "[fd00::a]:5000/x:latest", id="ipv6-upper-case"),
        pytest.param("127.0.0.2:5000/a/b", "127.0.0.2:5000/a/b:latest", id="ipv4"),
        pytest.param("xn--bcher-kva.example/x", "xn--bcher-kva.example/x:latest", id="punycode"),
        pytest.param("ghcr.io/a/b/c/d:v1.2_3-x", "ghcr.io/a/b/c/d:v1.2_3-x", id="deep-path"),
        pytest.param("ghcr.io/a__b/c---d.e_f:1", "ghcr.io/a__b/c---d.e_f:1", id="separators"),
        pytest.param("ghcr.io/a/b:_x", "ghcr.io/a/b:_x", id="tag-with-underscore-first"),
        pytest.param("a:5000", "docker.io/library/a:5000", id="a-number-without-slash-is-a-tag"),
        pytest.param(f"ghcr.io/a/b@{SHA256}", f"ghcr.io/a/b@{SHA256}", id="digest"),
        pytest.param(f"nginx@{SHA512}", f"docker.io/library/nginx@{SHA512}", id="sha512"),
        pytest.param(
            f"localhost:5000/x:1@{SHA256}", f"localhost:5000/x:1@{SHA256}", id="tag-and-digest"
        ),
    ],
)
def test_accepted(text: str, canonical: str) -> None:
    """It is printed in its canonical form, which reads as the same reference."""
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert Reference.parse(canonical) == reference


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" nginx", id="space-before"),
        pytest.param("nginx\n", id="newline-after"),
        pytest.param("HOST/x", id="upper-case-without-dot"),
        pytest.param("ghcr.io/A/b", id="upper-case-path"),
        pytest.param("a.b_c.com/x", id="underscore-in-host"),
        pytest.param("ghcr.io./a/b", id="trailing-dot-in-host"),
        pytest.param(".io/a", id="host-begins-with-dot"),
        pytest.param("-ghcr.io/a/b", id="host-begins-with-dash"),
        pytest.param("ghcr-.io/a/b", id="label-ends-with-dash"),
        pytest.param("ghcr..io/a/b", id="empty-label"),
        pytest.param(f"{'a' * 64}.io/x", id="label-too-long-for-dns"),
        pytest.param("host/lab/../lab/x", id="dot-dot"),
        pytest.param("ghcr.io/../x", id="dot-dot-first"),
        pytest.param("../x", id="dot-dot-alone"),
        pytest.param("./x", id="dot"),
        pytest.param("host//x", id="empty-component"),
        pytest.param("ghcr.io//x", id="empty-component-after-host"),
        pytest.param("ghcr.io/a/", id="slash-at-the-end"),
        pytest.param("ghcr.io/", id="host-alone"),
        pytest.param("/x", id="slash-first"),
        pytest.param("_x/y", id="underscore-first"),
        pytest.param("a..b/x", id="two-dots"),
        pytest.param("ghcr.io/a___b", id="three-underscores"),
        pytest.param("ghcr.io/a._b", id="mixed-separators"),
        pytest.param("ghcr.io/a-/b", id="component-ends-with-dash"),
        pytest.param("x:-tag", id="tag-begins-with-dash"),
        pytest.param("x:.tag", id="tag-begins-with-dot"),
        pytest.param("x:", id="empty-tag"),
        pytest.param(f"x:{'t' * 129}", id="tag-too-long"),
        pytest.param("x:a:b", id="two-tags"),
        pytest.param("x:a b", id="space-in-tag"),
        pytest.param("-x", id="reads-like-an-option"),
        pytest.param("--help", id="is-an-option"),
        pytest.param("file:///etc/passwd", id="file-url"),
        pytest.param("https://ghcr.io/a/b", id="https-url"),
        pytest.param("docker://nginx", id="skopeo-transport"),
        pytest.param("user:secret@ghcr.io/a/b", id="user-information"),
        pytest.param("ghcr.io/a?b", id="query"),
        pytest.param("ghcr.io/a#b", id="fragment"),
        pytest.param("ghcr.io/a%2e%2e/b", id="percent-encoding"),
        pytest.param("ghcr.io/a\\b", id="backslash"),
        pytest.param("0123456789abcdef" * 4, id="64-hex-digits"),
        pytest.param("library/" + "0123456789abcdef" * 4, id="library-and-64-hex-digits"),
        pytest.param("ghcr.io:0/a", id="port-0"),
        pytest.param("ghcr.io:65536/a", id="port-too-large"),
        pytest.param("ghcr.io:00000199999999/a", id="port-much-too-large-behind-zeros"),
        pytest.param("ghcr.io:080/a", id="port-with-leading-zero"),
        pytest.param("ghcr.io:/a", id="empty-port"),
        pytest.param("ghcr.io:http/a", id="port-by-name"),
        pytest.param("ghcr.io:+80/a", id="port-with-sign"),
        pytest.param("ghcr.io:٨٠/a", id="port-in-arabic-digits"),
        pytest.param("::1/x", id="ipv6-without-brackets"),
        pytest.param("[::1/x", id="ipv6-half-a-bracket"),
        pytest.param("[::1]x/x", id="ipv6-and-more"),
        pytest.param("[::1]:/x", id="ipv6-empty-port"),
        pytest.param("[fe80::1%eth0]/x", id="ipv6-zone"),
        pytest.param("[127.0.0.1]/x", id="ipv4-in-brackets"),
        pytest.param("[]/x", id="empty-brackets"),
        pytest.param("x@", id="empty-digest"),
        pytest.param("x@sha256:abc", id="short-digest"),
        pytest.param(f"x@{SHA256.upper()}", id="upper-case-digest"),
        pytest.param(f"x@{SHA256}@{SHA256}", id="two-digests"),
        pytest.param(f"x@md5:{'0' * 32}", id="md5"),
        pytest.param(f"@{SHA256}", id="digest-alone"),
        pytest.param("ngin\N{CYRILLIC SMALL LETTER HA}", id="homoglyph"),
        pytest.param("\N{KELVIN SIGN}ernel.org/x", id="kelvin-sign-is-no-k"),
        pytest.param("ghcr.io/a\N{ZERO WIDTH SPACE}b", id="zero-width"),
        pytest.param("\N{RIGHT-TO-LEFT OVERRIDE}xnign", id="right-to-left"),
        pytest.param("bücher.example/x", id="unencoded-international-name"),
        pytest.param("ghcr.io/a\0b", id="nul"),
        pytest.param(f"ghcr.io/{'a' * (MAX_NAME - 7)}", id="too-long"),
        pytest.param("a" * (MAX_NAME - 17), id="too-long-with-docker.io/library/"),
    ],
)
def test_refused(text: str) -> None:
    """Nothing that a tool, a URL or a file system could read as something else gets through."""
    with pytest.raises(ValueError, match=r"expected|carries|not a|longer|reads like"):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("ngin\N{CYRILLIC SMALL LETTER HA}", r"'ngin\u0445'", id="homoglyph"),
        pytest.param("a\x1b[31mb", r"'a\x1b[31mb'", id="terminal-escape"),
        pytest.param("x" * 10_000, "x" * 100 + ".*…", id="length"),
    ],
)
def test_refusals_show_the_text_escaped_and_bounded(text: str, part: str) -> None:
    """What looks like another letter is visible, and no message moves the cursor (row 75)."""
    with pytest.raises(ValueError, match=re.escape(part).replace(r"\.\*", ".*")) as caught:
        Reference.parse(text)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["ghcr.io/a/b:1", f"ghcr.io/a/b@{SHA256}"])
def test_a_repository_has_neither_tag_nor_digest(text: str) -> None:
    """Where a repository is expected, more than one is refused rather than dropped."""
    with pytest.raises(ValueError, match="only a repository is expected"):
        Repository.parse(text)


def test_the_parts_of_a_reference() -> None:
    """Repository, tag and digest are told apart, and a pin keeps its tag."""
    reference = Reference.parse(f"GHCR.io:443/a/b:1@{SHA256}")
    assert reference.repository == Repository("ghcr.io", "a/b")
    assert reference.tag == "1"
    assert reference.digest == Digest.parse(SHA256)
    assert reference.selector == SHA256


def test_without_digest_the_tag_selects() -> None:
    """What is asked for is the tag; without one it is `latest`, and with a digest no tag at all."""
    assert Reference.parse("ghcr.io/a/b:1").selector == "1"
    assert Reference.parse("ghcr.io/a/b").selector == "latest"
    assert Reference.parse(f"ghcr.io/a/b@{SHA256}").tag is None


def test_a_repository_makes_references() -> None:
    """Tags and digests join it as a parsed reference would."""
    repository = Repository.parse("ghcr.io/a/b")
    assert repository.tag("1") == Reference.parse("ghcr.io/a/b:1")
    assert repository.digest(Digest.parse(SHA256)) == Reference.parse(f"ghcr.io/a/b@{SHA256}")


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("zot", "zot", None),
        ("zot:443", "zot", 443),
        ("zot.svc", "zot.svc", None),
        ("localhost:5000", "localhost", 5000),
        ("10.0.0.1:65535", "10.0.0.1", 65_535),
        ("[::1]:5000", "::1", 5000),
        ("[::1]", "::1", None),
    ],
)
def test_a_host_is_a_name_and_perhaps_a_port(host: str, name: str, port: int | None) -> None:
    """Without a port there is none, and an address is without its brackets."""
    assert split_host(parse_host(host)) == (name, port)
    assert host_name(parse_host(host)) == name


def test_the_api_of_docker_hub_is_elsewhere() -> None:
    """Everybody else's answers under the registry's own name."""
    assert api_host("docker.io") == "registry-1.docker.io"
    assert api_host("ghcr.io:5000") == "ghcr.io:5000"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("zot", "zot"),
        ("zot:443", "zot:443"),
        ("LOCALHOST:443", "localhost"),
        ("Index.Docker.io:443", "docker.io"),
        ("[0::1]:443", "[::1]"),
    ],
)
def test_canonical_hosts(text: str, canonical: str) -> None:
    """Spellings of one host are one, but a bare name keeps the port that makes it a host."""
    assert parse_host(text) == canonical


def test_longest_names_are_accepted() -> None:
    """Host, slash and path together may have 255 characters, a tag 128."""
    path = "a" * (MAX_NAME - len("ghcr.io/"))
    text = f"ghcr.io/{path}:{'t' * 128}"
    assert str(Reference.parse(text)) == text


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=2, max_size=4).map(".".join)
addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(lambda ip: f"[{ip}]")
ports = st.just("") | st.integers(1, 65_535).map(lambda port: f":{port}")
hosts = st.builds("{}{}".format, names | addresses | st.just("localhost"), ports) | st.builds(
    "{}:{}".format, labels, st.integers(1, 65_535)
)
components = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}") | st.binary(
    min_size=64, max_size=64
).map(lambda raw: f"sha512:{raw.hex()}")


@given(hosts, paths, st.none() | tags, st.none() | digests)
def test_every_well_formed_reference_parses_and_is_stable(
    host: str, path: str, tag: str | None, digest: str | None
) -> None:
    """What the grammar allows is accepted, and its canonical form reads as itself."""
    pin = f"@{digest}" if digest else ""
    reference = Reference.parse(f"{host}/{path}" + (f":{tag}" if tag else "") + pin)
    assert reference.tag == (tag or (None if digest else "latest"))
    assert reference.digest == (Digest.parse(digest) if digest else None)
    assert Reference.parse(str(reference)) == reference
    assert str(Reference.parse(str(reference))) == str(reference)


@given(hosts)
def test_canonical_hosts_are_stable(host: str) -> None:
    """Parsing a canonical host changes nothing."""
    assert parse_host(parse_host(host)) == parse_host(host)


HOSTILE_PIECES = (
    *("..", "//", "://", "-", "--", "@sha256:", f"@{SHA256}", ":443", "docker.io", "localhost"),
    *("[::1]", "library/", "file:", "%2e%2e", "a/b", "x:1", ".", "_", "ghcr.io/", "host:5000/"),
    *("\r\n", "$(", *"aB1.:/@-_[]% ~\\?#\0\n\t\x7f", "é", "\N{KELVIN SIGN}", "\u200b", "\u202e"),
)
SAFE = re.compile(r"[A-Za-z0-9._:/@\[\]-]+")


def refused_or_safe(text: str) -> bool:
    """True if a text is a reference, which is then ASCII without white space or control
    characters, has nothing that reads like an option, a parent folder or a scheme, and is stable.
    """
    try:
        reference = Reference.parse(text)
    except ValueError:
        return False
    shown = str(reference)
    assert SAFE.fullmatch(shown), shown
    assert not shown.startswith(("-", ".")), shown
    assert "//" not in shown, shown
    assert ".." not in str(reference.repository), shown
    for component in reference.repository.path.split("/"):
        assert component.strip("-._") == component != "", shown
    assert not (reference.tag or "").startswith(("-", ".")), shown
    assert "/" not in reference.selector, shown
    assert Reference.parse(shown) == reference, shown
    return True


def test_no_hostile_text_gets_through() -> None:
    """Of 10,000 texts made of the pieces that attacks are made of, those that parse are safe."""
    chance = random.Random(1)  # the same texts every time
    texts = ("".join(chance.choices(HOSTILE_PIECES, k=chance.randint(1, 8))) for _ in range(10_000))
    parsed = sum(map(refused_or_safe, texts))
    assert 100 < parsed < 9_000  # both ways are taken


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(HOSTILE_PIECES) | components, max_size=8).map("".join)
    | st.builds("{}/{}".format, hosts, st.text(max_size=12))
)
def test_any_text_is_a_safe_reference_or_refused(text: str) -> None:
    """Nothing but ValueError is raised, and what parses is safe to build URLs and operands from."""
    refused_or_safe(text)


@pytest.mark.parametrize("parse", [parse_path, parse_tag, parse_host])
@given(text=st.text(max_size=300))
def test_any_text_is_a_part_or_refused(parse: Callable[[str], str], text: str) -> None:
    """The parsers of parts raise nothing but ValueError, and what they accept is stable."""
    try:
        parsed = parse(text)
    except ValueError:
        return
    assert parse(parsed) == parsed


@given(hosts, hosts)
def test_different_hosts_stay_different(one: str, other: str) -> None:
    """Folding never makes one registry of two names that are not known to be one."""
    hub = {"docker.io", "index.docker.io", "registry-1.docker.io"}
    assume(one.removesuffix(":443") != other.removesuffix(":443"))
    assume(not {one.removesuffix(":443"), other.removesuffix(":443")} <= hub)
    assert parse_host(one) != parse_host(other)
