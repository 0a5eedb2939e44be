"""A registry that misbehaves on the wire, on purpose and on demand.

Real sockets in this process, on 127.0.0.0/8, each server owned by an `async with`. The table of
faults is in README.md; tests and code cite its rows by number. Nothing of `image_sync` is
imported here: what is under test must not check itself.
"""

from tests.hostile.authorization import Basic
from tests.hostile.behaviours.answer import (
    Answer,
    CdnDenial,
    HtmlPage,
    Refusal,
    TooManyRequests,
    Unauthorized,
)
from tests.hostile.behaviours.body import (
    Chunked,
    Document,
    Endless,
    GzipBomb,
    Gzipped,
    TooLong,
    WrongBytes,
)
from tests.hostile.behaviours.ending import Dropped, Refused, Reset, Truncated
from tests.hostile.behaviours.fields import HugeFields, WithExtraField, WithField, WithoutFields
from tests.hostile.behaviours.pace import Drip, Held, Impatient, Stalled, Unread
from tests.hostile.behaviours.parser import InformationalStorm, RawBytes
from tests.hostile.behaviours.quota import HubAbuseLimit, HubQuota
from tests.hostile.behaviours.ranges import OnlyRanged, RangeIgnored, ShiftedRange
from tests.hostile.behaviours.redirect import (
    FORBIDDEN_AUTHORITIES,
    Redirect,
    RedirectChain,
    RedirectLoop,
    RedirectWithoutLocation,
)
from tests.hostile.behaviours.tagmove import TagMoves
from tests.hostile.behaviours.uploading import (
    LargeRefused,
    MountIgnored,
    StreamsRefused,
    Torn,
    UploadLost,
)
from tests.hostile.fault import Behaviour, Composed, Exchange, Fault, Injected
from tests.hostile.gate import Gate
from tests.hostile.listener import closed_port
from tests.hostile.message import Headers, Request
from tests.hostile.rawport import HTTPS_ONLY, Manner, RawPort
from tests.hostile.referrers import ReferrersApi
from tests.hostile.registry import HostileRegistry
from tests.hostile.response import Response, error, response
from tests.hostile.sink import Sink
from tests.hostile.store import Store, digest_of
from tests.hostile.tokens import Bearer, TokenServer
from tests.hostile.uploads import LocationForm

__all__ = [
    "FORBIDDEN_AUTHORITIES",
    "HTTPS_ONLY",
    "Answer",
    "Basic",
    "Bearer",
    "Behaviour",
    "CdnDenial",
    "Chunked",
    "Composed",
    "Document",
    "Drip",
    "Dropped",
    "Endless",
    "Exchange",
    "Fault",
    "Gate",
    "GzipBomb",
    "Gzipped",
    "Headers",
    "Held",
    "HostileRegistry",
    "HtmlPage",
    "HubAbuseLimit",
    "HubQuota",
    "HugeFields",
    "Impatient",
    "InformationalStorm",
    "Injected",
    "LargeRefused",
    "LocationForm",
    "Manner",
    "MountIgnored",
    "OnlyRanged",
    "RangeIgnored",
    "RawBytes",
    "RawPort",
    "Redirect",
    "RedirectChain",
    "RedirectLoop",
    "RedirectWithoutLocation",
    "ReferrersApi",
    "Refusal",
    "Refused",
    "Request",
    "Reset",
    "Response",
    "ShiftedRange",
    "Sink",
    "Stalled",
    "Store",
    "StreamsRefused",
    "TagMoves",
    "TokenServer",
    "TooLong",
    "TooManyRequests",
    "Torn",
    "Truncated",
    "Unauthorized",
    "Unread",
    "UploadLost",
    "WithExtraField",
    "WithField",
    "WithoutFields",
    "WrongBytes",
    "closed_port",
    "digest_of",
    "error",
    "response",
]
