"""Events as log lines, one line each, as text or JSON.

Lines carry the fields `time`, `level`, `msg`, `logger` and, where they apply, `pass_id`, `image`,
`tag`, `registry`, `digest`, `action`, `duration_ms`, `bytes`, `error`, `error_kind`. State changes
and one summary per pass are info; an image that is cached already is debug, or 500 images every ten
minutes would be 72,000 lines a day.
"""

import logging
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from image_sync import events
from image_sync.observe.lines import describe

LOGGER = logging.getLogger("image_sync")


class Sink(Protocol):
    """Where lines go: a stream, or a display that makes room for them."""

    def write(self, text: str, /) -> object:
        """Take whole lines."""

    def flush(self) -> object:
        """Keep nothing back."""


def configure(level: str, *, as_json: bool, stream: Sink) -> None:
    """Have everything that logs in this process write lines of ours to a stream.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        as_json: JSON, else text.
        stream: Where to.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.raiseExceptions = False  # a log that cannot be written must not end a pass
    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(level.upper())


def redirect(stream: Sink) -> None:
    """Have lines written to another stream from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "msg": record.getMessage(),
            "logger": record.name,
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class TextFormatter(logging.Formatter):
    """`TIME LEVEL MESSAGE key=value ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        fields = " ".join(f"{key}={_quoted(value)}" for key, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class EventLog:
    """A subscriber that logs every event."""

    def __init__(self) -> None:
        self._pass_id: str | None = None

    def __call__(self, event: events.Event) -> None:
        """Log one event."""
        if isinstance(event, events.PassStarted):
            self._pass_id = event.pass_id
        if isinstance(event, events.RequestFinished) and not LOGGER.isEnabledFor(logging.DEBUG):
            return
        level, message, fields = describe(event)
        if LOGGER.isEnabledFor(level):
            known = {key: value for key, value in fields.items() if value is not None}
            if self._pass_id:
                known = {"pass_id": self._pass_id, **known}
            LOGGER.log(level, message, extra={"fields": known})


def _fields(record: logging.LogRecord) -> dict[str, str | int | float | bool]:
    fields: dict[str, str | int | float | bool] = getattr(record, "fields", {})
    return fields


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: str | float | bool) -> str:  # noqa: FBT001 - any field
    text = str(value)
    plain = text and all(c.isprintable() and c not in ' "=' for c in text)
    return text if plain else msgspec.json.encode(text).decode()
