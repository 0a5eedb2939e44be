"""A cache that loses uploads or will not mount (rows 44 and 48).

Forms of Location are `registry.uploads.location_form` (row 46), refusals are `Refusal`.
"""

import msgspec

from tests.hostile.fault import Exchange
from tests.hostile.response import Response
from tests.hostile.uploads import Uploads


class UploadLost:
    """Every open session is forgotten before the request is answered, honestly (row 44)."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def __call__(self, exchange: Exchange) -> Response:
        """404 BLOB_UPLOAD_UNKNOWN, from the honest registry."""
        self._uploads.forget()
        return await exchange.proceed()


class MountIgnored:
    """A mount is answered with a session, as if the blob were not there (row 48)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer to the same POST without its query."""
        return await exchange.proceed(msgspec.structs.replace(exchange.request, query=""))
