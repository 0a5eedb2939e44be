"""The picture of the demo in the README: a terminal, drawn from a run of the real command.

Nothing in it is made up or altered: times are those of that run.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

COMMAND: Final = "image-sync demo"
COLUMNS: Final = 80
_WEB_FONT: Final = re.compile(r"@font-face \{[^}]*\}\s*")  # the reader's own does
PATIENCE: Final = 60.0  # seconds; a run takes five


def run() -> str:
    """What the demo writes to a terminal with colours."""
    ended = subprocess.run(
        [sys.executable, "-m", "image_sync", "demo"],
        env={"PATH": os.defpath, "FORCE_COLOR": "1", "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return ended.stdout


def draw(written: str) -> str:
    """A terminal with the command and what it wrote, as SVG; the same for the same text."""
    console = Console(file=io.StringIO(), record=True, width=COLUMNS, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), (COMMAND, "bold")))
    console.print(Text.from_ansi(written))
    drawn = console.export_svg(title=COMMAND, unique_id="demo")
    return _WEB_FONT.sub("", drawn)


def main() -> None:
    """Draw the picture into the file that is named."""
    Path(sys.argv[1]).write_text(draw(run()), encoding="utf-8")


if __name__ == "__main__":
    main()
