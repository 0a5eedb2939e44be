"""Whether the Kubernetes Lease of several replicas can be read; it is not written."""

from collections.abc import Mapping

import anyio

from image_sync.config import LeaseEntry
from image_sync.errors import ApiError, ConfigError
from image_sync.examination import Finding, Level
from image_sync.kubernetes import Pod, find_pod, reaching
from image_sync.oci.quoting import printable

_SUBJECT = "lease"
_SECONDS = 10.0  # for the API to answer; it takes a fraction of one


async def lease_finding(entry: LeaseEntry, environ: Mapping[str, str]) -> Finding:
    """What is known of the Lease."""
    try:
        pod = find_pod(environ)
    except ConfigError:
        remedy = "run image-sync doctor in the Pod itself: kubectl exec"
        return Finding(Level.WARN, _SUBJECT, "cannot be asked for: this is no Pod", remedy)
    return await read_lease(entry, pod)


async def read_lease(entry: LeaseEntry, pod: Pod) -> Finding:
    """What the API says of the Lease to a Pod."""
    with anyio.move_on_after(_SECONDS):
        try:
            return await _read(entry, pod)
        except ApiError as error:
            return Finding(Level.FAIL, _SUBJECT, f"cannot be read: {error.message}", error.hint)
    text, remedy = f"no answer within {_SECONDS:g} s", "see the state of the control plane"
    return Finding(Level.FAIL, _SUBJECT, text, remedy)


async def _read(entry: LeaseEntry, pod: Pod) -> Finding:
    async with reaching(pod, entry.name, entry.namespace) as leases:
        record = await leases.read()
    if record is None:
        return Finding(Level.OK, _SUBJECT, f"{leases} is not there: the first replica makes it")
    holder = printable(record.holder) or "nobody"
    return Finding(Level.OK, _SUBJECT, f"{leases} can be read and is held by {holder}")
