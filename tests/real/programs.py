"""Tiny static programs, cross-compiled by Go: what the test images hold."""

import os
import subprocess
from pathlib import Path
from typing import Final

from tests.real.tools import require

PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7")

_SOURCE = """package main

func main() { println("hello from a test image") }
"""

# Seconds. Compiling Go's runtime for three architectures took 25 s on two busy cores.
_TIMEOUT = 300.0


def build_programs(directory: Path) -> dict[str, bytes]:
    """The program's bytes by platform, in the order of PLATFORMS.

    The bytes are the same for the same Go, wherever and whenever they are built.
    """
    (directory / "main.go").write_text(_SOURCE, encoding="utf-8")
    (directory / "go.mod").write_text("module hello\n\ngo 1.21\n", encoding="utf-8")
    return {platform: _build(directory, platform) for platform in PLATFORMS}


def _build(directory: Path, platform: str) -> bytes:
    system, architecture, *variant = platform.split("/")
    output = directory / platform.replace("/", "-")
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOOS": system,
        "GOARCH": architecture,
        "GOFLAGS": "-trimpath",
        "GOTOOLCHAIN": "local",
    }
    if variant:
        environment["GOARM"] = variant[0].removeprefix("v")
    subprocess.run(
        [require("go"), "build", "-ldflags=-s -w -buildid=", "-o", output, "."],
        cwd=directory,
        env=environment,
        check=True,
        timeout=_TIMEOUT,
    )
    return output.read_bytes()
