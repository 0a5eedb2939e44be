"""What a log line says of each event: its level, its message and its fields.

Not here: how a line is written (`log.py`).
"""

import logging
from collections.abc import Mapping
from signal import Signals
from typing import assert_never

from image_sync import events
from image_sync.model import Action, Condition, ImageSpec, Security, SyncResult, Verified

Fields = Mapping[str, str | int | float | bool | None]


_ProcessEvent = (
    events.ProcessStarted
    | events.Listening
    | events.Stopping
    | events.Stopped
    | events.RegistryServed
    | events.RegistryShared
    | events.GarbageCollected
    | events.LeadershipChanged
)
_PassEvent = (
    events.PassStarted
    | events.PassResized
    | events.PassFinished
    | events.PassPlanned
    | events.ConfigAdopted
    | events.ConfigRejected
)
_ImageEvent = (
    events.ImageFinished
    | events.ImageVerified
    | events.TagMoved
    | events.CopyStarted
    | events.CopyProgress
    | events.AttemptFailed
    | events.Postponed
    | events.EngineFailed
    | events.EngineSkipped
)


def describe(event: events.Event) -> tuple[int, str, Fields]:
    """Level, message and fields of an event."""
    if isinstance(event, _ImageEvent):
        return _describe_image(event)
    if isinstance(event, _PassEvent):
        return _describe_pass(event)
    if isinstance(event, _ProcessEvent):
        return _describe_process(event)
    return _describe_host(event)


def _describe_image(event: _ImageEvent) -> tuple[int, str, Fields]:
    match event:
        case events.ImageFinished(result=result):
            return _finished(result)
        case events.ImageVerified(verified=verified):
            return _verified(verified)
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
        case events.Postponed():
            message = f"waiting {event.seconds:.0f} s for a registry"
            return logging.DEBUG, message, {**_of(event.spec), "error": event.error}
        case events.EngineSkipped():
            message = f"{event.chosen} instead of {event.engine}: {event.why}"
            return logging.INFO, message, _of(event.spec)
        case _:
            return _describe_failure(event)


def _describe_failure(event: events.AttemptFailed | events.EngineFailed) -> tuple[int, str, Fields]:
    match event:
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
        case _:
            assert_never(event)


def _where_to_pull(event: events.RegistryServed | events.RegistryShared) -> str:
    pull = f"docker pull {_named(event.address)}/NAME:TAG"
    if isinstance(event, events.RegistryShared):
        return f"the registry over {event.root} is served by another image-sync: {pull}"
    ends = f" while this runs; {event.afterwards} serves it afterwards" if event.afterwards else ""
    return f"a registry over {event.root}: {pull}{ends}"


def _named(address: str) -> str:
    """An address that can be asked: others name those that stand for all of a machine's."""
    host, _, port = address.rpartition(":")
    return f"HOST:{port}" if host in {"0.0.0.0", "[::]"} else address  # noqa: S104 - no binding


def _describe_process(event: _ProcessEvent) -> tuple[int, str, Fields]:
    match event:
        case events.ProcessStarted():
            return logging.INFO, "running until stopped; a CronJob wants --once", {}
        case events.Listening():
            return logging.INFO, f"probes and metrics at http://{event.address}", {}
        case events.Stopping():
            fields: Fields = {"copies": event.copies, "grace_seconds": round(event.grace)}
            return logging.INFO, f"{Signals(event.signal).name}: stopping", fields
        case events.Stopped():
            return _stopped(event)
        case events.RegistryServed() | events.RegistryShared():
            return logging.INFO, _where_to_pull(event), {}
        case events.GarbageCollected():
            gone: Fields = {
                "manifests": event.manifests,
                "blobs": event.blobs,
                "bytes": event.size,
            }
            return logging.INFO, "removed from the registry what nothing needs", gone
        case events.LeadershipChanged():
            waits = f"this replica does not lead; {event.leader or 'nobody known'} does"
            return logging.INFO, "this replica leads" if event.leads else waits, {}
        case _:
            assert_never(event)


def _stopped(event: events.Stopped) -> tuple[int, str, Fields]:
    fields: Fields = {"copies_cut_off": event.copies, "error": event.error}
    if event.error is not None:
        return logging.ERROR, "stopped by an error", fields
    cause = f"{Signals(event.signal).name}: " if event.signal else ""
    at_once = " at once, by a second signal" if event.at_once else ""
    return logging.INFO, f"{cause}stopped{at_once}", fields


def _describe_pass(event: _PassEvent) -> tuple[int, str, Fields]:
    match event:
        case events.PassStarted():
            dry = " (dry run)" if event.dry_run else ""
            return logging.INFO, f"pass started{dry}", {"images": event.images}
        case events.PassResized():
            return logging.DEBUG, "the pass has another number of images", {"images": event.images}
        case events.PassFinished():
            return logging.INFO, "pass finished", _pass_fields(event)
        case events.PassPlanned():
            return logging.DEBUG, f"the next pass begins in {event.seconds:.0f} s", {}
        case events.ConfigAdopted():
            fields: Fields = {
                "images": len(event.specs),
                "added": event.added,
                "changed": event.changed,
                "removed": event.removed,
            }
            return logging.INFO, "configuration in force", fields
        case events.ConfigRejected():
            kept = "the changed configuration is wrong, the one before stays in force"
            message = f"{kept}: {'; '.join(event.problems)}"
            return logging.ERROR, message, {"problems": len(event.problems)}
        case _:
            assert_never(event)


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
        "unfinished": event.unfinished or None,
    }


def _of(spec: ImageSpec) -> dict[str, str | int | float | bool | None]:
    return {"image": spec.image, "tag": spec.tag, "registry": spec.source.host}
