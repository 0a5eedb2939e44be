"""Every mistake is told at once: where, which key, what was found, what is expected."""

import pytest

from tests.config.support import complaints, with_images, with_registries, with_settings

_DIGEST = f"sha256:{'a' * 64}"
_SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            "images: []", "<stdin>:1:1: cache_registry: is missing: expected host", id="no-cache"
        ),
        pytest.param(
            "cache_registry: a.b",
            "<stdin>:1:1: images: is missing: expected a list",
            id="no-images",
        ),
        pytest.param(
            "cache_registry: a.b\nimages: []\nconcurency: 3",
            "<stdin>:3:1: unknown key 'concurency' (did you mean settings.concurrency?)",
            id="settings-key-at-the-top",
        ),
        pytest.param(
            with_images("{source: a/b, tag: 1, platfrom: all}"),
            "<stdin>:3:27: images[0]: unknown key 'platfrom' (did you mean platform?)",
            id="typo-in-an-image",
        ),
        pytest.param(
            with_images("{source: a/b, tgas: [1, 2]}"),
            "<stdin>:3:19: images[0]: unknown key 'tgas' (did you mean tags?)",
            id="typo-in-what-an-image-needs",
        ),
        pytest.param(
            with_images("{source: a/b, tga: {}}"),
            "<stdin>:3:19: images[0]: unknown key 'tga' (did you mean tag?)",
            id="typo-before-a-wrong-value",
        ),
        pytest.param(
            with_images("{sorce: a/b, tag: 1}"),
            "<stdin>:3:6: images[0]: unknown key 'sorce' (did you mean source?)",
            id="typo-in-a-source",
        ),
        pytest.param(
            "cache_registri: a.b\nimages: []",
            "<stdin>:1:1: unknown key 'cache_registri' (did you mean cache_registry?)",
            id="typo-in-a-key-that-is-needed",
        ),
        pytest.param(
            with_images("{source: a/b, tag: 1, tga: 2}"),
            "<stdin>:3:27: images[0]: unknown key 'tga' (did you mean tag?)",
            id="typo-beside-the-right-key",
        ),
        pytest.param(
            with_settings(speed="1"),
            "<stdin>:4:3: settings: unknown key 'speed'; known here: concurrency",
            id="unknown",
        ),
        pytest.param(
            with_settings(preferred_tool="skopoe"),
            "found 'skopoe', expected crane or skopeo or builtin (did you mean skopeo?)",
            id="unknown-engine",
        ),
        pytest.param(
            with_settings(path_style="flat"),
            "settings.path_style: found 'flat', expected strip or prefixed",
            id="unknown-style",
        ),
        pytest.param(
            with_settings(ledger="ledger.json"),
            "expected registry, none, or a file name that contains a /",
            id="ledger-without-slash",
        ),
        pytest.param(
            with_settings(default_platform="[]"),
            "settings.default_platform: the list is empty",
            id="no-platform",
        ),
        pytest.param(
            with_settings(default_platform="[linux/amd64, all]"),
            "settings.default_platform[1]: 'all' is not a platform",
            id="all-in-a-list",
        ),
        pytest.param(
            "cache_registry: [a]\nimages: []",
            "<stdin>:1:17: cache_registry: found a list, expected host",
            id="cache-list",
        ),
        pytest.param(
            "cache_registry: 5000\nimages: []", "found '5000', expected host", id="cache-number"
        ),
        pytest.param(
            "cache_registry: {path: /x, listen: here}\nimages: []",
            "cache_registry.listen: 'here' is no address to listen on",
            id="listen",
        ),
        pytest.param(
            "cache_registry: http://zot.svc:5000\nimages: []",
            "carries a scheme: write zot.svc:5000; for plain HTTP set",
            id="scheme",
        ),
        pytest.param(
            "cache_registry: zot\nimages: []",
            "'zot' has a host without dot and port",
            id="cache-that-tools-misread",
        ),
        pytest.param(
            "cache_registry: zot.svc/\nimages: []",
            "ends in a slash: leave it out",
            id="cache-slash",
        ),
        pytest.param(
            "cache_registry: zot.svc/A\nimages: []", "'A' is not a repository", id="cache-prefix"
        ),
        pytest.param(
            "cache_registry: a.b\nimages: {}",
            "images: found keys and values, expected a list of images",
            id="images-mapping",
        ),
        pytest.param(
            with_images("a/b"),
            "images[0]: 'a/b' has no tag: set tag or tags",
            id="short-form-without-tag",
        ),
        pytest.param(
            with_images("{source: a/b, tags: []}"), "images[0]: 'a/b' has no tag", id="no-tags"
        ),
        pytest.param(
            with_images("{source: a/b, tag: 1, tags: [2]}"),
            "<stdin>:3:33: images[0].tags: stands beside tag",
            id="tag-and-tags",
        ),
        pytest.param(
            with_images("{source: a/b, tag: '1 2'}"),
            "<stdin>:3:24: images[0].tag: '1 2' is not a tag",
            id="bad-tag",
        ),
        pytest.param(
            with_images("{source: a/b, tag: sha256:abc}"),
            "images[0].tag: 'sha256:abc' is not a digest",
            id="bad-digest",
        ),
        pytest.param(
            with_images(f"{{source: a/b, tag: 'sha512:{'a' * 128}'}}"),
            "only sha256 digests can be configured",
            id="sha512",
        ),
        pytest.param(
            with_images("{source: a/b:1, tag: 1}"),
            "images[0].source: 'a/b:1' carries a tag",
            id="tag-in-source",
        ),
        pytest.param(
            with_images("{source: 'https://quay.io/a/b', tag: 1}"),
            "images[0].source: 'https://quay.io/a/b' carries a scheme",
            id="scheme-in-source",
        ),
        pytest.param(
            with_images("{source: '[::1]:5000/a', tag: 1}"),
            "IPv6 address for a host: set cache_as",
            id="ipv6",
        ),
        pytest.param(
            with_images("{source: a/b, tag: 1, cache_as: B}"),
            "images[0].cache_as: 'B' is not a repository",
            id="cache-as",
        ),
        pytest.param(
            with_images("{source: a/b, tag: 1, platform: linux}"),
            "images[0].platform: 'linux' is not a platform",
            id="platform",
        ),
        pytest.param(
            with_images('{source: "doc\\u212aer.io/a", tag: 1}'),
            "'doc\\u212aer.io/a' holds characters other than ASCII",
            id="look-alike",
        ),
        pytest.param(
            with_images('{source: "a/b\\e[31m", tag: 1}'),
            "'a/b\\x1b[31m' is not a repository",
            id="escape-sequence",
        ),
        pytest.param(
            with_images("[a]"),
            "<stdin>:3:5: images[0]: found a list, expected keys and values",
            id="list-as-image",
        ),
        pytest.param(
            with_registries("https://quay.io: {}"),
            "'https://quay.io' carries a scheme",
            id="registry-scheme",
        ),
        pytest.param(
            with_registries("docker.io: {}", "index.docker.io: {}"),
            "<stdin>:5:3: registries.index.docker.io: "
            "is the same registry as registries.docker.io (<stdin>:4:3)",
            id="registry-twice",
        ),
        pytest.param(
            with_registries("a.b: {tls_verify: true, plain_http: true}"),
            "plain_http and tls_verify contradict",
            id="tls-contradiction",
        ),
        pytest.param(
            with_registries("a.b: {requests_per_second: 0}"),
            "expected a number above 0",
            id="no-requests",
        ),
        pytest.param(
            with_registries("a.b: {requests_per_second: 1e400}"),
            "found '1e400', expected a number",
            id="endless-requests",
        ),
        pytest.param(
            with_registries("a.b: {realm_hosts: ['x y']}"),
            "registries.a.b.realm_hosts[0]: 'x y' is not a host",
            id="realm-host",
        ),
        pytest.param(
            with_registries("a.b: {proxy: 'socks5://p:1'}"),
            "registries.a.b.proxy: 'socks5://p:1' is not a proxy: expected http",
            id="proxy-scheme",
        ),
        pytest.param(
            with_settings(proxy="'http://[::1'"),
            "settings.proxy: 'http://[::1' is not a proxy",
            id="proxy-host",
        ),
        pytest.param(
            with_registries("a.b: {ca_file: /no/such}"),
            "registries.a.b.ca_file: /no/such: no such file",
            id="ca-file",
        ),
        pytest.param(
            with_registries("a.b: {auth_file: /}"),
            "<stdin>:4:20: registries.a.b.auth_file: /: cannot be read: Is a directory",
            id="auth-file-folder",
        ),
        pytest.param(
            with_settings(auth_files="[/no/such]"),
            "<stdin>:4:16: settings.auth_files[0]: /no/such: no such file",
            id="auth-files",
        ),
        pytest.param(
            with_registries("a.b: {client_key_file: /dev/null}"),
            "client_key_file: needs client_cert_file",
            id="key-alone",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, line: str) -> None:
    """Place, key, what was found, what is expected."""
    found = complaints(text)
    assert len(found) == 1, found
    assert line in found[0]


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (
            ("{source: docker.io/a/b, tag: 1}", "{source: ghcr.io/a/b, tag: 1}"),
            "4:32: images[1].tag: would be kept as a/b:1, where images[0].tag (<stdin>:3:34) is",
        ),
        (("a/b:1", "{source: a/b, tags: [2, 1]}"), "images[1].tags[1]: would be kept as a/b:1"),
        (("{source: a/b, tags: [1, 1]}",), "images[0].tags[1]: would be kept as a/b:1"),
        ((f"a/b@{_DIGEST}", f"a/b:pinned.sha256.{'a' * 64}"), "images[1].tag: would be kept as"),
        (("a/b:1", f"a/b:1@{_DIGEST}"), "images[1].tag: would be kept as a/b:1"),
        (
            ("zot.svc:5000/x:1", "{source: a/b, tag: 1, cache_as: zot.svc_5000/x}"),
            "images[1].tag: ",
        ),
        (("image-sync/ledger:1",), "images[0].source: image-sync/ledger holds the ledger"),
        (
            ("{source: zot.svc:5000/x, cache_as: x, tag: 1}",),
            "images[0].cache_as: zot.svc:5000/x would be copied onto itself",
        ),
    ],
)
def test_two_images_never_share_a_place(images: tuple[str, ...], line: str) -> None:
    """What would overwrite another tag, the ledger or its own source is refused at load."""
    (found,) = complaints(with_images(*images))
    assert line in found


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """Unknown keys do not hide wrong values, wrong types do not hide wrong references."""
    text = """\
        cache_registry: zot
        setings: {}
        images:
          - source: A/b
            tag: "a b"
            platform: {}
          - a/b:1
          - docker.io/a/b:1
          - {source: a/b, tga: 2}
        settings:
          concurrency: x
          proxy: ftp://x
        registries:
          quay.io: {ca_file: /no/such, tls: true}
        """
    places = [line.split(": ", 1)[0] for line in complaints(text)]
    assert places == [f"<stdin>:{place}" for place in (
        "1:17", "2:1", "6:15", "8:5", "9:19", "11:16", "12:10", "14:22", "14:32"
    )]  # fmt: skip


def test_thousands_of_mistakes_are_thousands_of_lines() -> None:
    """Nothing stops at a first few."""
    assert len(complaints(with_images(*["A/b:1"] * 2000))) == 2000


@pytest.mark.parametrize(
    "text",
    [
        f"cache_registry: https://bob:{_SECRET}@zot:5000/x\nimages: []",
        f"cache_registry: bob:{_SECRET}@zot:5000\nimages: []",
        with_images(f"https://bob:{_SECRET}@quay.io/a/b:1"),
        with_images(f"bob:{_SECRET}@quay.io/a/b:1"),
        with_images(f"https://{_SECRET}@quay.io/a/b:1"),
        with_images(f"{{source: 'bob:x/{_SECRET}@quay.io/a/b', tag: 1}}"),
        with_images(f"{{source: a/b, tag: 1, password: {_SECRET}}}"),
        with_settings(proxy=f"http://bob:{_SECRET}@proxy:3128"),
        with_settings(proxy=f"http://{_SECRET}@proxy:3128/x?y#z"),
        with_registries(f"quay.io: {{proxy: 'http://bob:{_SECRET}/@p:1', token: {_SECRET}}}"),
        with_registries(f"'bob:{_SECRET}@quay.io': {{}}"),
    ],
)
def test_no_message_shows_a_password(text: str) -> None:
    """What looks like credentials is masked wherever it is echoed."""
    lines = complaints(text)
    assert lines
    assert _SECRET not in "\n".join(lines)
