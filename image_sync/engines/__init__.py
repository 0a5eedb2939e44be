"""What copies: engines behind one protocol, and which of them does a copy.

An engine copies one manifest by digest with everything below it, and never moves a tag. What is
copied, when, and whether it arrived is decided elsewhere (`sync/`).
"""

from image_sync.engines.access import Access
from image_sync.engines.base import Copied, CopyRequest, Credentials, Engine, Refusal, Turn
from image_sync.engines.builtin import Bandwidth, Builtin
from image_sync.engines.crane import Crane
from image_sync.engines.inventory import look_around
from image_sync.engines.select import Candidate, PassedOver, Selection, leads_on
from image_sync.engines.skopeo import Skopeo
from image_sync.engines.tool import Sight
from image_sync.engines.versions import spell

__all__ = [
    "Access",
    "Bandwidth",
    "Builtin",
    "Candidate",
    "Copied",
    "CopyRequest",
    "Crane",
    "Credentials",
    "Engine",
    "PassedOver",
    "Refusal",
    "Selection",
    "Sight",
    "Skopeo",
    "Turn",
    "leads_on",
    "look_around",
    "spell",
]
