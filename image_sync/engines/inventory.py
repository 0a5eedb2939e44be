"""Which tools are on this machine, whether any copy wants them or not."""

from image_sync.engines import crane, skopeo
from image_sync.engines.access import Access
from image_sync.engines.tool import Sight, Tool
from image_sync.events import Emit


async def look_around(access: Access, emit: Emit, named: str | None) -> list[Sight]:
    """Every tool as it is found.

    Args:
        access: Whose environment they are looked for in.
        emit: Told of an old one that is used because it was named.
        named: The tool that the configuration names; None if it names none.
    """
    profiles = (crane.PROFILE, skopeo.PROFILE)
    tools = [Tool(each, access, emit, named=named == each.name) for each in profiles]
    return [await tool.look() for tool in tools]
