"""Docker Hub's two limits (rows 8-10): the pull quota, and the one against abuse.

The quota counts GETs of manifests, children included, and no HEAD; its figures stand on both.
"""

import msgspec

from tests.hostile.fault import Exchange
from tests.hostile.response import Response, error, response

_WINDOW_SECONDS = 21_600  # 6 hours: docs.docker.com/docker-hub/usage


class HubQuota:
    """Counts down with every manifest GET; at zero GETs get 429 (rows 9 and 10).

    Inject it for `"GET|HEAD"` on `/v2/*/manifests/*`.
    """

    def __init__(self, *, limit: int = 100, remaining: int = 100) -> None:
        self.limit = limit  # manifest GETs in a window
        self.remaining = remaining

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer with the quota's fields, or its 429."""
        spends = exchange.request.method == "GET"
        if spends and self.remaining <= 0:
            answer = error(
                429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit."
            )
        else:
            answer = await exchange.proceed()
            self.remaining -= spends
        return self._marked(answer)

    def _marked(self, answer: Response) -> Response:
        headers = answer.headers
        for name, value in (
            ("ratelimit-limit", f"{self.limit};w={_WINDOW_SECONDS}"),
            ("ratelimit-remaining", f"{self.remaining};w={_WINDOW_SECONDS}"),
            ("docker-ratelimit-source", "192.0.2.1"),
        ):
            headers = headers.replacing(name, value)
        return msgspec.structs.replace(answer, headers=headers)


class HubAbuseLimit:
    """Docker Hub's 429 against abuse: plain text, on HEAD too, no quota fields (row 10)."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The refusal."""
        text = b"Too Many Requests (HAP429)\n"
        return response(429, text, media_type="text/plain")
