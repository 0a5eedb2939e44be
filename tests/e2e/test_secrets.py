"""No password shows anywhere: logs, report, arguments, environments, files left behind."""

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tests.e2e.conftest import StandIn
from tests.e2e.program import finish
from tests.real.accounts import OPERATOR
from tests.real.running import RunningRegistry

# Looks at its own arguments, environment and parent, as anybody on the machine could, and hangs.
SPY = """
import shutil
for name in ("cmdline", "environ"):
    shutil.copy(f"/proc/{os.getpid()}/{name}", folder / f"seen-child-{name}")
    shutil.copy(f"/proc/{os.getppid()}/{name}", folder / f"seen-parent-{name}")
time.sleep(3600)
"""


def spellings(secret: str) -> set[bytes]:
    """A secret as it could be written."""
    pair = f"{OPERATOR.username}:{secret}"
    encoded = {base64.b64encode(text.encode()).decode() for text in (secret, pair)}
    return {text.encode() for text in {secret, quote(secret, safe=""), *encoded}}


def test_no_password_shows_in_any_place_that_others_can_see(
    tmp_path: Path,
    source: RunningRegistry,
    stand_in: Callable[..., StandIn],
) -> None:
    """Debug log, report, /proc of parent and child, and the temporary folder are searched."""
    program, path = stand_in(SPY)
    program.settings["pull_timeout_secs"] = 2
    program.settings["pass_timeout_secs"] = 4
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    program.environment["TMPDIR"] = str(temporary)
    arguments = ("--once", "--config", str(program.config), "--log-level", "debug")
    run = finish(program.start(*arguments))
    assert source.recorder.matching("HEAD", "/manifests/")[-1].status == 200
    seen = {file.name: file.read_bytes() for file in path.glob("seen-*")}
    assert len(seen) == 4
    seen["stdout"], seen["stderr"] = run.stdout.encode(), run.stderr.encode()
    leaks = {
        (name, form)
        for name, content in seen.items()
        for form in spellings(OPERATOR.password)
        if form in content
    }
    assert leaks == set()
    assert list(temporary.iterdir()) == []
