"""Who may use the registry."""

import base64
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.embedded.accounts import Accounts, read_accounts
from image_sync.errors import ConfigError

pytestmark = pytest.mark.anyio

CHEAP = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
DEAR = bcrypt.hashpw(b"secret", bcrypt.gensalt(5))
LONG = "x" * 100


def basic(name: str, password: str) -> str:
    """The field that a client sends: RFC 7617."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "admitted"),
    [
        pytest.param(basic("ann", "secret"), True, id="right"),
        pytest.param(basic("ann", "secret").replace("Basic", "bAsIc"), True, id="scheme-by-case"),
        pytest.param(basic("ann", "wrong"), False, id="wrong"),
        pytest.param(basic("bob", "secret"), False, id="unknown-name"),
        pytest.param(basic("ann", ""), False, id="empty"),
        pytest.param(basic("ann", "secret\0"), False, id="nul"),
        pytest.param("", False, id="nothing"),
        pytest.param("Basic", False, id="no-value"),
        pytest.param("Basic !!!", False, id="no-base64"),
        pytest.param("Basic \u0661\u0661", False, id="other-digits"),
        pytest.param("Bearer secret", False, id="other-scheme"),
        pytest.param("Basic " + base64.b64encode(b"ann").decode(), False, id="no-colon"),
    ],
)
async def test_who_is_admitted(authorization: str, *, admitted: bool) -> None:
    """Also the second time."""
    accounts = Accounts({"ann": CHEAP})
    assert await accounts.admit(authorization) is admitted
    assert await accounts.admit(authorization) is admitted


async def test_a_colon_may_be_in_a_password_and_more_than_72_bytes_do_not_count() -> None:
    """As `htpasswd -B` takes them."""
    accounts = Accounts(
        {
            "ann": bcrypt.hashpw(b"a:b", bcrypt.gensalt(4)),
            "bob": bcrypt.hashpw(LONG[:72].encode(), bcrypt.gensalt(4)),
        }
    )
    assert await accounts.admit(basic("ann", "a:b"))
    assert await accounts.admit(basic("bob", LONG))


async def test_a_right_password_is_hashed_once_and_a_wrong_one_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pull has many requests; a wrong one must not become right, nor cheap."""
    hashed: list[bytes] = []
    check = bcrypt.checkpw

    def checking(password: bytes, hashed_password: bytes) -> bool:
        hashed.append(hashed_password)
        return check(password, hashed_password)

    monkeypatch.setattr(bcrypt, "checkpw", checking)
    accounts = Accounts({"ann": CHEAP})
    for _ in range(3):
        assert await accounts.admit(basic("ann", "secret"))
    assert len(hashed) == 1
    for _ in range(3):
        assert not await accounts.admit(basic("ann", "wrong"))
    assert len(hashed) == 4


async def test_an_unknown_name_costs_as_much_as_a_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or the time would tell which names there are."""
    costs: list[bytes] = []

    def checking(_: bytes, hashed: bytes) -> bool:
        costs.append(hashed[4:6])
        return False

    monkeypatch.setattr(bcrypt, "checkpw", checking)
    accounts = Accounts({"ann": CHEAP, "bob": DEAR})
    assert not await accounts.admit(basic("bob", "x"))
    assert not await accounts.admit(basic("nobody", "x"))
    assert costs == [b"05", b"05"]


@given(
    authorization=st.text(max_size=40)
    | st.binary(max_size=20).map(lambda content: "Basic " + base64.b64encode(content).decode())
)
def test_any_field_is_no_account_or_one_of_ours(authorization: str) -> None:
    """Never something else."""
    import anyio  # noqa: PLC0415 - an event loop for each example

    assert not anyio.run(Accounts({"ann": CHEAP}).admit, authorization)


async def test_a_file_has_an_account_in_each_line(tmp_path: Path) -> None:
    """And comments, and empty lines."""
    path = tmp_path / "htpasswd"
    path.write_bytes(b"# people\n\nann:" + CHEAP + b"\n  \nbob:" + DEAR.replace(b"$2b$", b"$2y$"))
    accounts = read_accounts(path)
    assert await accounts.admit(basic("ann", "secret"))
    assert await accounts.admit(basic("bob", "secret"))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("ann:$apr1$x$y", id="md5"),
        pytest.param("ann:{SHA}x", id="sha1"),
        pytest.param("ann:secret", id="plain"),
        pytest.param("ann", id="no-colon"),
        pytest.param(f":{CHEAP.decode()}", id="no-name"),
        pytest.param("ann:$2y$05$short", id="half-a-hash"),
        pytest.param(f"ann:{CHEAP.decode()}x", id="more-than-a-hash"),
        pytest.param(f"ann:{CHEAP.decode().replace('$04$', '$31$')}", id="a-week-for-each-try"),
    ],
)
def test_a_line_that_is_none_is_told_with_its_number_and_without_what_it_says(
    tmp_path: Path, line: str
) -> None:
    """A hash is a secret."""
    path = tmp_path / "htpasswd"
    path.write_text(f"bob:{CHEAP.decode()}\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        read_accounts(path)
    (problem,) = refused.value.problems
    assert problem.message == (
        f"{path}:2 is not NAME:HASH with a bcrypt hash: write it with htpasswd -B"
    )
    assert problem.path == "--auth-file"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(None, "cannot be read", id="absent"),
        pytest.param(b"\xff\xfe", "cannot be read", id="no-text"),
        pytest.param(b"\n# none\n", "has no account: add one with htpasswd -B", id="empty"),
    ],
)
def test_a_file_without_accounts_is_refused(
    tmp_path: Path, content: bytes | None, text: str
) -> None:
    """A registry that lets everybody in, or nobody, is not what was meant."""
    path = tmp_path / "htpasswd"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=text):
        read_accounts(path)
