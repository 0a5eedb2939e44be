"""The demo from its start to its end: its folder, its signals, and what becomes of both."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec

from image_sync.demo.stage import Stage, staged
from image_sync.demo.steps import NAMES, Steps
from image_sync.demo.telling import Teller
from image_sync.events import Event
from image_sync.runtime.files import private_folder, sweep_private_folders
from image_sync.runtime.signals import ENDING, Ending, acting_on


class Outcome(msgspec.Struct, frozen=True):
    """How the demo went.

    Attributes:
        wrong: How many steps went wrong.
        signal: The signal that cut it short; None if all steps were done.
    """

    wrong: int
    signal: int | None = None


async def play(teller: Teller, *, keep: bool) -> Outcome:
    """Do all steps, and leave nothing behind.

    Args:
        teller: Tells what happens.
        keep: Serve both registries afterwards, until a signal comes.

    Raises:
        OSError: There is no folder for temporary files, or it is full.
        ImageSyncError: A registry could not be served or filled.
    """
    sweep_private_folders()  # which a killed process of ours left behind
    began, wrong = time.monotonic(), 0
    scope, finished = anyio.CancelScope(), False
    ending = Ending(lambda _: scope.cancel())
    async with acting_on(dict.fromkeys(ENDING, ending)):
        with scope:
            async with _opened() as stage:
                steps = Steps(stage)
                await steps.prepare()
                teller.begin(steps.images)
                for do in steps.all():
                    step = await do()
                    teller.step(step)
                    wrong += bool(step.wrong)
                teller.end(len(steps.all()), wrong, time.monotonic() - began)
                finished = True
                if keep:
                    teller.invite(stage, NAMES[0])
                    await anyio.sleep_forever()
    return Outcome(wrong, None if finished else ending.signal)


@asynccontextmanager
async def _opened() -> AsyncIterator[Stage]:
    """Both registries in a folder that is removed at the end."""
    with private_folder() as folder:
        async with staged(folder, NAMES, _ignore) as stage:
            yield stage


def _ignore(_: Event) -> None:
    """Steps tell what is to be told."""
