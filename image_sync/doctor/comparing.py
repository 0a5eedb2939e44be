"""What a pass would do: a pass that copies nothing, with the parts that asked the registries.

So that a host that wants to be left alone is left alone, and a password that was refused is not
tried for every image.
"""

import os
from pathlib import Path

import anyio
import msgspec

from image_sync import config
from image_sync.compose import Orders, Parts
from image_sync.config import Resolved
from image_sync.events import Emit, Warned
from image_sync.examination import Changes, Finding, Level, changes_line
from image_sync.model import SyncResult

_LEDGER_SECONDS = 30.0
_PASS_SECONDS = 300
"""After which the images that are left count as failed: 10,000 checks take less unless a host
limits its requests, as Docker Hub does."""


async def compare(parts: Parts, resolved: Resolved, orders: Orders, emit: Emit) -> list[SyncResult]:
    """The result of every image in a pass that copies nothing."""
    with anyio.move_on_after(_LEDGER_SECONDS) as loading:
        await parts.ledger.load()
    if loading.cancelled_caught:
        emit(Warned("ledger", f"it could not be read within {_LEDGER_SECONDS:g} s"))
    longest = min(resolved.settings.pass_timeout_secs or _PASS_SECONDS, _PASS_SECONDS)
    settings = msgspec.structs.replace(resolved.settings, pass_timeout_secs=longest)
    bounded = msgspec.structs.replace(resolved, settings=settings)
    return await parts.a_pass(bounded, orders, emit).run()


def ledger_finding(resolved: Resolved) -> Finding:
    """The place of the ledger, after it was read without a warning."""
    match resolved.settings.ledger:
        case config.LEDGER_NOWHERE:
            text = "is kept nowhere: unchanged multi-platform images cost a manifest GET each pass"
            return Finding(Level.OK, "ledger", text)
        case config.LEDGER_IN_REGISTRY:
            where = resolved.cache.ledger.repository
            return Finding(Level.OK, "ledger", f"{where} can be read")
        case path:
            return _file_finding(Path(path))


def images_finding(changes: Changes, total: int) -> Finding:
    """How the images compare."""
    text = f"{total} configured: {changes_line(changes)}"
    if changes.failed:
        return Finding(Level.FAIL, "images", text, "see the reason at each of them below")
    if changes.not_compared:
        remedy = "mend what failed above first: they are compared then"
        return Finding(Level.WARN, "images", text, remedy)
    return Finding(Level.OK, "images", text)


def _file_finding(path: Path) -> Finding:
    if os.access(path if path.exists() else path.parent, os.W_OK):
        return Finding(Level.OK, "ledger", f"{path} can be read and written")
    remedy = "let this user write there, or set settings.ledger to registry"
    return Finding(Level.WARN, "ledger", f"{path} cannot be written", remedy)
