"""Events as log lines, one line each, as text or JSON.

Lines carry the fields `time`, `level`, `msg`, `logger` and, where they apply, `pass_id`, `image`,
`tag`, `registry`, `digest`, `action`, `duration_ms`, `bytes`, `error`, `error_kind`. State changes
and one summary per pass are info; an image that is cached already is debug, or 500 images every ten
minutes would be 72,000 lines a day.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO, assert_never

import msgspec

from image_sync import events
from image_sync.model import Action, Condition, ImageSpec, Security, SyncResult, Verified

LOGGER = logging.getLogger("image_sync")

Fields = Mapping[str, str | int | float | bool | None]


def configure(level: str, *, as_json: bool, stream: TextIO) -> None:
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
        level, message, fields = _describe(event)
        if LOGGER.isEnabledFor(level):
            known = {key: value for key, value in fields.items() if value is not None}
            if self._pass_id:
                known = {"pass_id": self._pass_id, **known}
            LOGGER.log(level, message, extra={"fields": known})


def _describe(event: events.Event) -> tuple[int, str, Fields]:
    """Level, message and fields of an event."""
    match event:
        case events.ImageFinished() | events.ImageVerified():
            return _describe_outcome(event)
        case events.PassStarted():
            dry = " (dry run)" if event.dry_run else ""
            return logging.INFO, f"pass started{dry}", {"images": event.images}
        case events.PassFinished():
            return logging.INFO, "pass finished", _pass_fields(event)
        case events.TagMoved():
            fields = {**_of(event.spec), "digest": str(event.new)}
            old = event.old or "nothing"
            return logging.INFO, f"{event.reference} moved: {old} -> {event.new}", fields
        case events.CopyStarted():
            fields = {**_of(event.spec), "digest": str(event.digest), "attempt": event.attempt}
            return logging.INFO, f"copying with {event.engine}", fields
        case events.CopyProgress():
            fields = {**_of(event.spec), "bytes": event.bytes_moved}
            return logging.DEBUG, f"{event.engine} is copying", fields
        case events.AttemptFailed():
            fields = {
                **_of(event.spec),
                "attempt": event.attempt,
                "error": event.error,
                "error_kind": event.error_kind,
            }
            return logging.WARNING, f"trying again in {event.retry_in:.1f} s", fields
        case events.EngineFailed():
            fields = {
                **_of(event.spec),
                "command": " ".join(event.command),
                "exit_code": event.exit_code,
                "said": event.said,
            }
            return logging.DEBUG, f"{event.engine} failed", fields
        case events.EngineSkipped():
            message = f"{event.chosen} instead of {event.engine}: {event.why}"
            return logging.INFO, message, _of(event.spec)
        case _:
            return _describe_host(event)


_HostEvent = (
    events.RequestFinished
    | events.HostPaused
    | events.PullQuota
    | events.CircuitOpened
    | events.WeakSecurity
    | events.CredentialsFound
    | events.Warned
)


def _describe_host(event: _HostEvent) -> tuple[int, str, Fields]:
    match event:
        case events.RequestFinished():
            fields: Fields = {
                "registry": event.host,
                "side": event.side,
                "status": event.status,
                "tries": event.tries,
                "duration_ms": round(event.duration * 1000),
            }
            return logging.DEBUG, f"{event.method} {event.path}", fields
        case events.HostPaused():
            what = "pulls from" if event.pulls_only else "requests to"
            message = f"{what} {event.host} pause for {event.seconds:.0f} s: {event.why}"
            return logging.WARNING, message, {"registry": event.host}
        case events.PullQuota():
            message = f"{event.remaining} of {event.limit} pulls left"
            return logging.DEBUG, message, {"registry": event.host}
        case events.CircuitOpened():
            message = f"{event.host} keeps failing: asked again in {event.seconds:.0f} s"
            return logging.WARNING, message, {"registry": event.host}
        case events.WeakSecurity():
            return _weak(event)
        case events.CredentialsFound():
            return logging.INFO, f"credentials from {event.where}", {"registry": event.host}
        case events.Warned():
            return logging.WARNING, event.message, {"subject": event.subject}
        case _:
            assert_never(event)


def _weak(event: events.WeakSecurity) -> tuple[int, str, Fields]:
    fields: Fields = {"registry": event.host}
    if event.security is Security.CLEAR:
        level = logging.WARNING if event.credentials else logging.INFO
        clear = "; credentials travel in clear" if event.credentials else ""
        return level, f"{event.host} speaks plain HTTP{clear}", fields
    sent = "; credentials are sent to it nevertheless" if event.credentials else ""
    return logging.INFO, f"{event.host} shows a certificate that does not verify{sent}", fields


def _describe_outcome(
    event: events.ImageFinished | events.ImageVerified,
) -> tuple[int, str, Fields]:
    match event:
        case events.ImageFinished(result=result):
            return _finished(result)
        case events.ImageVerified(verified=verified):
            return _verified(verified)
        case _:
            assert_never(event)


def _finished(result: SyncResult) -> tuple[int, str, Fields]:
    level = {
        Action.PULLED: logging.INFO,
        Action.ALREADY_CACHED: logging.DEBUG,
        Action.SKIPPED: logging.INFO,
        Action.FAILED: logging.ERROR,
    }[result.action]
    fields: Fields = {
        **_of(result.spec),
        "action": result.action,
        "reason": result.reason,
        "digest": str(result.expected_digest) if result.expected_digest else None,
        "engine": result.engine,
        "bytes": result.bytes_copied,
        "duration_ms": round(result.duration * 1000),
        "error": result.error,
        "error_kind": result.error_kind,
    }
    return level, str(result.action).replace("_", " "), fields


def _verified(verified: Verified) -> tuple[int, str, Fields]:
    level = {
        Condition.WHOLE: logging.DEBUG,
        Condition.HEALED: logging.INFO,
        Condition.MISSING: logging.INFO,
        Condition.DAMAGED: logging.ERROR,
        Condition.UNKNOWN: logging.ERROR,
    }[verified.condition]
    fields: Fields = {
        **_of(verified.spec),
        "target": str(verified.spec.target_reference),
        "digest": str(verified.digest) if verified.digest else None,
        "damaged_parts": len(verified.damage) or None,
        "damage": verified.damage[0].what if verified.damage else None,
        "duration_ms": round(verified.duration * 1000),
        "error": verified.error,
        "error_kind": verified.error_kind,
    }
    return level, f"in the cache: {verified.condition}", fields


def _pass_fields(event: events.PassFinished) -> Fields:
    tally = event.tally
    return {
        "already_cached": tally.already_cached,
        "pulled": tally.pulled,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "deferred": tally.deferred,
        "bytes": tally.bytes_copied,
        "duration_ms": round(event.duration * 1000),
        "interrupted": event.interrupted or None,
    }


def _of(spec: ImageSpec) -> dict[str, str | int | float | bool | None]:
    return {"image": spec.image, "tag": spec.tag, "registry": spec.source.host}


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
