"""What the demo says: lines that fit 80 columns, in colour where there are colours."""

import io
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from image_sync.demo.images import ARCHITECTURES, Image, sizes
from image_sync.demo.stage import TAG, Stage
from image_sync.demo.steps import Step
from image_sync.demo.wire import Traffic
from image_sync.observe import human_bytes

_MARGIN = "   "


class Teller:
    """Tells people what happens.

    Args:
        console: Knows the colours.
        write: Takes each line, with its end.
    """

    def __init__(self, console: Console, write: Callable[[str], None]) -> None:
        self._console = console
        self._write = write
        self._number = 0

    def begin(self, images: dict[str, Image]) -> None:
        """Say what there is."""
        size = sizes(blob for image in images.values() for blob in image.blobs)
        platforms = " and ".join(f"linux/{each}" for each in ARCHITECTURES)
        self._say(Text("image-sync demo", "bold"), ": two registries on this machine, no network")
        self._say()
        self._say("source  ", f"{len(images)} images for {platforms}, {human_bytes(size)}")
        self._say("cache   ", "empty")

    def step(self, step: Step) -> None:
        """Tell a step that was done."""
        self._number += 1
        self._say()
        self._say(Text(f"{self._number}  {step.title}", "bold cyan"))
        for line in step.outcome:
            self._say(_MARGIN, line)
        self._say(_MARGIN, _source(step.source))
        self._say(_MARGIN, _cache(step.cache), f"{step.seconds:>8.1f} s")
        for line in step.wrong:
            self._say(_MARGIN, Text(f"WRONG  {line}", "bold red"))

    def end(self, steps: int, wrong: int, seconds: float) -> None:
        """Say how it went."""
        self._say()
        if wrong:
            self._say(Text(f"{wrong} of {steps} steps went wrong: see above", "bold red"))
            return
        self._say(
            Text(f"All {steps} steps went as they must", "bold green"),
            f", in {seconds:.1f} s. Next: image-sync --help",
        )

    def invite(self, stage: Stage, name: str) -> None:
        """Say how to look further."""
        self._say()
        self._say("Both registries run until Ctrl-C. To look further, in another terminal:")
        self._say()
        for line in (
            f"curl http://{stage.cache_host}/v2/_catalog",
            f"docker pull {stage.cache_host}/{name}:{TAG}",
            f"image-sync check --config {stage.file}",
            f"image-sync verify --deep --config {stage.file}",
        ):
            self._say(_MARGIN, Text(line, "bold"))

    def _say(self, *parts: str | Text) -> None:
        """A line of some parts, however wide the terminal is: it may be copied."""
        self._console.file = line = io.StringIO()  # or rich decides what a broken pipe does
        self._console.print(Text.assemble(*parts), soft_wrap=True)
        self._write(line.getvalue())


def _source(traffic: Traffic) -> Text:
    spent = "bold yellow" if traffic.pulls else "bold green"
    refused = f"   {_counted(traffic.refused, '429')}" if traffic.refused else ""
    return Text.assemble(
        f"source  {_counted(traffic.heads, 'HEAD')}   ",
        Text(_counted(traffic.pulls, "pull"), spent),
        f"   {_counted(traffic.blobs, 'blob')}   {human_bytes(traffic.sent):>8} sent{refused}",
    )


def _cache(traffic: Traffic) -> str:
    requests = f"{_counted(traffic.requests, 'request'):<33}"
    return f"cache   {requests}   {human_bytes(traffic.received):>8} received"


def _counted(number: int, noun: str) -> str:
    """As wide for one as for many."""
    return f"{number:>3} {noun}{' ' if number == 1 else 's'}"
