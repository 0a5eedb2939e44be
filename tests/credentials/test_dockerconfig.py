"""What a docker config file says."""

import base64
import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.credentials.credential import Credential
from image_sync.credentials.dockerconfig import BrokenFile, DockerConfig, parse_config
from image_sync.credentials.keys import Key
from tests.credentials.dockerfiles import CANARY, auth

HOST = Key("h.example", "")


def parse(**document: object) -> DockerConfig:
    return parse_config(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        pytest.param(auth("me", "pw"), Credential("me", "pw"), id="auth"),
        pytest.param(auth("me", "p:w:"), Credential("me", "p:w:"), id="colons"),
        pytest.param(auth("me", "pw\0\0"), Credential("me", "pw"), id="padded"),
        pytest.param(auth("me", "p\u00e4"), Credential("me", "p\u00e4"), id="utf-8"),
        pytest.param({"username": "me", "password": "pw"}, Credential("me", "pw"), id="plain"),
        pytest.param(
            {**auth("me", "pw"), "username": "old", "password": "old"},
            Credential("me", "pw"),
            id="auth-first",
        ),
        pytest.param({"identitytoken": "tok"}, Credential("", "", "tok"), id="token"),
        pytest.param(
            {**auth("00000000-0000", ""), "identitytoken": "tok"},
            Credential("00000000-0000", "", "tok"),
            id="azure",
        ),
        pytest.param({**auth("me", "pw"), "email": None}, Credential("me", "pw"), id="email"),
    ],
)
def test_an_entry_is_read(entry: dict[str, object], credential: Credential) -> None:
    """As docker, podman, kubectl and cloud tools write them."""
    assert parse(auths={"h.example": entry}).auths == {HOST: credential}


@pytest.mark.parametrize("entry", [{}, {"auth": ""}, {"auth": None}, {"email": "x"}])
def test_an_empty_entry_is_no_credential(entry: dict[str, object]) -> None:
    """`docker login` leaves one behind when a helper keeps the secret."""
    assert parse(auths={"h.example": entry}).auths == {}


def test_helpers_are_read() -> None:
    """For hosts and for everything else."""
    config = parse(credHelpers={"h.example": "ecr-login"}, credsStore="desktop")
    assert config.helpers == {HOST: "ecr-login"}
    assert config.helper_names == {"ecr-login", "desktop"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b'{"auths": {', "not JSON", id="torn"),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b"\xff\xfe", "not JSON", id="utf-16"),
        pytest.param(b"[" * 100_000, "not JSON", id="deep"),
        pytest.param(b" " * 2_000_000, "bytes", id="huge"),
        pytest.param(b'{"auths": []}', "auths is not", id="auths"),
        pytest.param(b'{"auths": {"h": 1}}', "auths['h']", id="entry"),
        pytest.param(b'{"auths": {"h": {"auth": 1}}}', "auth of auths['h']", id="type"),
        pytest.param(b'{"auths": {"h": {"auth": "%%"}}}', "not base64", id="base64"),
        pytest.param(b'{"auths": {"h": {"auth": "bWU="}}}', "user:password", id="no-colon"),
        pytest.param(b'{"auths": {"h": {"auth": "OnB3"}}}', "user:password", id="no-user"),
        pytest.param(b'{"credHelpers": {"h": "../x"}}', "credHelpers['h']", id="helper-path"),
        pytest.param(b'{"credHelpers": {"h": 1}}', "credHelpers['h']", id="helper-type"),
        pytest.param(
            rb'{"auths": {"h": {"username": "me", "password": "\ud800"}}}',
            "password of auths['h'] is not Unicode",
            id="half-a-character",
        ),
        pytest.param(
            rb'{"auths": {"h": {"identitytoken": "a\udfff"}}}',
            "identitytoken of auths['h'] is not Unicode",
            id="half-a-token",
        ),
        pytest.param(b'{"credsStore": "a b"}', "credsStore", id="store"),
        pytest.param(b'{"credsStore": ["x"]}', "credsStore", id="store-type"),
    ],
)
def test_a_broken_file_says_what_is_broken(content: bytes, words: str) -> None:
    """Key by key, in words."""
    with pytest.raises(BrokenFile) as caught:
        parse_config(content)
    assert words in str(caught.value)


@given(st.binary() | st.text().map(str.encode))
def test_any_content_is_a_config_or_broken(content: bytes) -> None:
    """A value or one of our errors."""
    try:
        assert isinstance(parse_config(content), DockerConfig)
    except BrokenFile:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON, JSON, JSON)
def test_any_json_is_a_config_or_broken(auths: object, helpers: object, store: object) -> None:
    """Wrong types anywhere."""
    try:
        parse(auths=auths, credHelpers=helpers, credsStore=store)
    except BrokenFile:
        return


@given(st.text(min_size=1).filter(lambda t: ":" not in t), st.text())
def test_what_docker_writes_is_what_is_read(username: str, secret: str) -> None:
    """Round trip, but for the padding that docker trims, too."""
    found = parse(auths={"h.example": auth(username, secret)}).auths[HOST]
    assert (found.username, found.secret) == (username, secret.rstrip("\0"))


ANY_TEXT = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs, too


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_any_credential_that_is_read_can_be_sent(username: str, secret: str, token: str) -> None:
    """Nothing that JSON can hold crashes a request later."""
    entry = {"username": username, "password": secret, "identitytoken": token}
    try:
        found = parse(auths={"h.example": entry}).auths
    except BrokenFile:
        return
    for credential in found.values():
        assert f"{credential.username}:{credential.secret}:{credential.identity_token}".encode()


@pytest.mark.parametrize(
    "content",
    [
        f'{{"auths": {{"h": {{"auth": "{CANARY}!"}}}}}}',
        f'{{"auths": {{"h": {{"auth": "{base64.b64encode(CANARY.encode()).decode()}"}}}}}}',
        f'{{"auths": {{"h": {{"identitytoken": ["{CANARY}"]}}}}}}',
        f'{{"auths": {{"h": {{"password": "{CANARY}"',
    ],
)
def test_no_error_shows_what_stands_in_the_file(content: str) -> None:
    """Not in its text, nor in what it is chained to."""
    with pytest.raises(BrokenFile) as caught:
        parse_config(content.encode())
    shown = "".join(traceback.format_exception(caught.value)).split("BrokenFile", 1)[1]
    assert CANARY not in f"{shown} {caught.value!r}"


def test_no_representation_shows_a_secret() -> None:
    """Neither of a credential nor of a file."""
    config = parse(auths={"h.example": {**auth("me", CANARY), "identitytoken": CANARY}})
    assert CANARY not in f"{config!r} {config} {config.auths!r} {list(config.auths.values())}"
