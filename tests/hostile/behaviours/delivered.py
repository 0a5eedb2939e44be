"""The base of behaviours that leave the answer alone and spoil how it is sent."""

from abc import ABC, abstractmethod

import msgspec

from tests.hostile.connection import Connection
from tests.hostile.fault import Exchange
from tests.hostile.response import Response


class Delivered(ABC):
    """The inner answer, sent by `deliver`."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer; its effect on the store has happened."""
        return msgspec.structs.replace(await exchange.proceed(), delivery=self)

    @abstractmethod
    async def deliver(self, response: Response, connection: Connection) -> None:
        """Send it."""
