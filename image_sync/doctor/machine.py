"""This machine: the tools on it, its clock, the port that probes and metrics would use."""

import sys
from collections.abc import Sequence

import anyio

from image_sync.config.listen import parse_listen
from image_sync.engines import Sight, spell
from image_sync.examination import Finding, Level
from image_sync.runtime.process import dies_with_us

_MOST_SECONDS = 60.0
"""By which clocks may differ: tokens of five minutes and less are judged by them."""
_NO_PLACE = "write HOST:PORT, :PORT or none"


def tool_findings(tools: Sequence[Sight], named: str | None) -> list[Finding]:
    """What is there of the tools.

    Args:
        tools: As they were found.
        named: The one that the configuration names; None if it names none.
    """
    findings = [_tool_finding(tool, named=tool.name == named) for tool in tools]
    findings.append(Finding(Level.OK, "builtin", "is a part of image-sync"))
    if any(tool.path for tool in tools) and sys.platform == "linux":
        findings.append(_parent_finding())
    return findings


def clock_finding(ahead: dict[str, float]) -> Finding | None:
    """How the clocks of registries differ from ours; None if nobody told the time.

    Args:
        ahead: Seconds by which each host's clock is before ours.
    """
    if not ahead:
        return None
    wrong = {host: seconds for host, seconds in ahead.items() if abs(seconds) > _MOST_SECONDS}
    if not wrong:
        return Finding(Level.OK, "clock", f"agrees with {', '.join(ahead)}")
    hosts = ", ".join(
        f"{host} is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
        for host, seconds in wrong.items()
    )
    remedy = "set the clock that is wrong (NTP): tokens and certificates are judged by it"
    return Finding(Level.WARN, "clock", f"differs: {hosts}", remedy)


async def listen_finding(listen: str) -> Finding:
    """Whether the address of probes and metrics is free."""
    try:
        address = parse_listen(listen)
        if address is None:
            return Finding(Level.OK, "server", "no probes and metrics are served")
        host, port = address
        listener = await anyio.create_tcp_listener(local_host=host or None, local_port=port)
    except ValueError:
        return Finding(Level.WARN, "server", f"{listen!a} is no address to listen on", _NO_PLACE)
    except OSError as error:
        remedy = "set settings.server.listen, unless it is image-sync that listens there already"
        reason = (error.strerror or str(error)).lower()
        return Finding(Level.WARN, "server", f"cannot listen on {listen}: {reason}", remedy)
    await listener.aclose()
    return Finding(Level.OK, "server", f"{listen} is free for probes and metrics")


def _tool_finding(tool: Sight, *, named: bool) -> Finding:
    if tool.path is None and not named:
        return Finding(Level.OK, tool.name, "is not on PATH, so others copy in its place")
    if tool.refusal is not None:
        return Finding(Level.WARN, tool.name, f"is not used: {tool.refusal.why}")
    version = spell(tool.version)
    return Finding(Level.OK, tool.name, f"{tool.path} is {version}")


def _parent_finding() -> Finding:
    if dies_with_us():
        return Finding(Level.OK, "setpriv", "ends running tools when image-sync is killed")
    text = "is not there: a tool goes on for a while when image-sync is killed"
    return Finding(Level.WARN, "setpriv", text, "install util-linux")
