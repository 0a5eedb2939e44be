"""Which engine copies, and when the next one may try."""

import msgspec
import pytest

from image_sync.engines import Copied, CopyRequest, Refusal, Selection, Turn, leads_on
from image_sync.errors import EngineError, ErrorKind
from tests.engines.support import request

pytestmark = pytest.mark.anyio


class Scripted(msgspec.Struct, frozen=True):
    """An engine that refuses, or not."""

    name: str
    answer: Refusal | None = None
    resumes: bool = False
    vouches: bool = False

    async def refusal(self, request: CopyRequest) -> Refusal | None:
        return self.answer

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        return Copied(None, None)


MISSING = Refusal("it is not installed", ErrorKind.TOOL)
UNFIT = Refusal("it knows no sha512 digests")


async def test_the_preferred_engine_comes_first() -> None:
    """All that can, in order, with nothing to explain."""
    candidates = await Selection([Scripted("crane"), Scripted("skopeo")]).candidates(request())
    assert [(c.engine.name, c.passed_over) for c in candidates] == [("crane", ()), ("skopeo", ())]


async def test_who_was_passed_over_is_told_with_who_takes_over() -> None:
    """Only those preferred to the chosen one need an explanation."""
    engines = [Scripted("crane", UNFIT), Scripted("skopeo"), Scripted("other", MISSING)]
    (candidate,) = await Selection(engines).candidates(request())
    assert candidate.engine.name == "skopeo"
    assert list(map(str, candidate.passed_over)) == ["crane: it knows no sha512 digests"]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((MISSING, MISSING), ErrorKind.TOOL),
        ((MISSING, UNFIT), ErrorKind.UNSUPPORTED),
        ((UNFIT, UNFIT), ErrorKind.UNSUPPORTED),
        ((), ErrorKind.TOOL),
    ],
)
async def test_no_engine_is_an_error_with_every_reason(
    answers: tuple[Refusal, ...], kind: ErrorKind
) -> None:
    """The operator learns of each engine why it does not."""
    engines = [Scripted(f"engine-{n}", answer) for n, answer in enumerate(answers)]
    with pytest.raises(EngineError, match="no engine can do this") as failure:
        await Selection(engines).candidates(request())
    assert failure.value.kind is kind
    for number, answer in enumerate(answers):
        assert f"engine-{number}: {answer.why}" in failure.value.message


LEADS_ON = {ErrorKind.TOOL, ErrorKind.UNSUPPORTED}


@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("progressed", [False, True])
@pytest.mark.parametrize("resumes", [False, True])
def test_only_a_tools_own_failure_leads_to_the_next(
    kind: ErrorKind,
    progressed: bool,  # noqa: FBT001
    resumes: bool,  # noqa: FBT001
) -> None:
    """What a registry said, another engine would hear again; one that was too slow is followed by
    one that can do with several deadlines, and by no other."""
    error = EngineError("failed", kind, engine="crane", progressed=progressed)
    expected = kind in LEADS_ON or (kind is ErrorKind.TIMEOUT and progressed and resumes)
    assert leads_on(error, Scripted("next", resumes=resumes)) is expected
