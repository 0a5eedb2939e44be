"""Answers that are fixed beforehand: refusals in every form that registries and proxies use.

Not here: answers that keep score (`quota.py`) and redirects (`redirect.py`).
"""

import json
from datetime import datetime
from email.utils import format_datetime

from tests.hostile.fault import Exchange
from tests.hostile.response import Response, error, response


class Answer:
    """This status, these fields and this body, whatever was asked.

    The request's body is read first, unless `early`: then the answer comes while the client may
    still be sending. Rows 5-7, 14-17, 49, 51, 52 and every other row with a fixed answer.
    """

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *fields: tuple[str, str],
        media_type: str | None = None,
        early: bool = False,
    ) -> None:
        self._response = response(status, body, *fields, media_type=media_type)
        self._early = early

    async def __call__(self, exchange: Exchange) -> Response:
        """The fixed answer."""
        if not self._early:
            await exchange.connection.read_body(exchange.request)
        return self._response


class Refusal(Answer):
    """An error body of the OCI distribution spec 1.1, section Error Codes.

    Rows 5, 10, 12, 13, 15, 18, 44, 45, 49, 51-53: `Refusal(404, "MANIFEST_UNKNOWN")`.
    """

    def __init__(self, status: int, code: str, message: str = "", *fields: tuple[str, str]) -> None:
        refusal = error(status, code, message, *fields)
        media_type = refusal.headers.get("Content-Type")
        super().__init__(status, refusal.body, *fields, media_type=media_type)


class HtmlPage(Answer):
    """An error page of a proxy or CDN. Rows 14 and 16."""

    def __init__(self, status: int, *fields: tuple[str, str]) -> None:
        page = f"<html><body><h1>{status} from a proxy</h1></body></html>\n".encode()
        super().__init__(status, page, *fields, media_type="text/html")


class CdnDenial(Answer):
    """The XML of an object store whose signed URL ran out. Row 6."""

    def __init__(self) -> None:
        page = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
        super().__init__(403, page, media_type="application/xml")


class Unauthorized(Answer):
    """401 with this challenge, or with none. Rows 1-4 and 36."""

    def __init__(self, challenge: str | None = None, *, early: bool = False) -> None:
        fields = () if challenge is None else (("WWW-Authenticate", challenge),)
        body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "log in"}]}).encode()
        super().__init__(401, body, *fields, media_type="application/json", early=early)


class TooManyRequests(Answer):
    """429 with Retry-After in seconds, as a date, or as raw text. Rows 8, 10, 11 and 58.

    `date` is the Date of the answer itself, against which a Retry-After date counts.
    """

    def __init__(
        self,
        retry_after: int | datetime | str | None = None,
        *,
        date: datetime | None = None,
        body: bytes | None = None,
    ) -> None:
        fields = []
        if isinstance(retry_after, datetime):
            fields.append(("Retry-After", format_datetime(retry_after, usegmt=True)))
        elif retry_after is not None:
            fields.append(("Retry-After", str(retry_after)))
        if date is not None:
            fields.append(("Date", format_datetime(date, usegmt=True)))
        default = error(429, "TOOMANYREQUESTS", "too many requests").body
        super().__init__(429, default if body is None else body, *fields)
