"""A Lease kept by the Kubernetes API: `coordination.k8s.io/v1` on the wire.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1 (v1.34).
Statuses become words for people here; when to read and write is `election.py`'s.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

import msgspec

from image_sync.errors import ApiError, ErrorKind
from image_sync.http import Answer, ApiClient
from image_sync.kubernetes.pod import Pod
from image_sync.kubernetes.record import Record
from image_sync.oci.quoting import printable

_GROUP = "coordination.k8s.io"
_VERSION = f"{_GROUP}/v1"
_FAULTS = 500  # statuses from here on are the server's fault: RFC 9110, section 15.6
_NOT_THE_API = "see what answers at KUBERNETES_SERVICE_HOST: it should be the Kubernetes API"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What bytes raise that are no such JSON."""


class Api(Protocol):
    """Asks the API."""

    async def ask(self, method: str, path: str, *, token: str, content: bytes = b"") -> Answer:
        """The answer, whatever its status.

        Raises:
            ApiError: There is none.
        """
        ...


class Account(Protocol):
    """Whom the API knows us as."""

    def token(self, *, fresh: bool = False) -> str:
        """A bearer token; a new one if the last is not taken any more.

        Raises:
            ApiError: There is none.
        """
        ...


class _Spec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, frozen=True, rename="camel"):
    metadata: dict[str, msgspec.Raw]
    spec: _Spec = _Spec()
    kind: str = "Lease"
    api_version: str = _VERSION


class _Status(msgspec.Struct, frozen=True):
    message: str = ""


class PodLeases:
    """One Lease; satisfies `Leases`.

    Args:
        api: Asks the API.
        account: Whose token it is asked with.
        namespace: Of the Lease.
        name: Of the Lease.
    """

    def __init__(self, api: Api, account: Account, namespace: str, name: str) -> None:
        self._api = api
        self._account = account
        self._namespace = namespace
        self._name = name
        self._all = f"/apis/{_VERSION}/namespaces/{quote(namespace, safe='')}/leases"
        self._one = f"{self._all}/{quote(name, safe='')}"

    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"

    async def read(self) -> Record | None:
        """What it says now; None if there is none."""
        answer = await self._ask("GET", self._one)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return self._record(answer, HTTPStatus.OK)

    async def write(self, record: Record) -> Record | None:
        """The Lease as it is from now on; None if another wrote or deleted it meanwhile."""
        content = msgspec.json.encode(self._document(record))
        if not record.version:
            answer = await self._ask("POST", self._all, content)
            if answer.status == HTTPStatus.CONFLICT:
                return None
            return self._record(answer, HTTPStatus.CREATED)
        answer = await self._ask("PUT", self._one, content)
        if answer.status in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
            return None
        return self._record(answer, HTTPStatus.OK)

    async def _ask(self, method: str, path: str, content: bytes = b"") -> Answer:
        token = self._account.token()
        answer = await self._api.ask(method, path, token=token, content=content)
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return answer
        token = self._account.token(fresh=True)
        return await self._api.ask(method, path, token=token, content=content)

    def _document(self, record: Record) -> _Lease:
        own = {"name": self._name, "namespace": self._namespace}
        if record.version:
            own["resourceVersion"] = record.version
        encoded = {key: msgspec.Raw(msgspec.json.encode(text)) for key, text in own.items()}
        spec = _Spec(
            holder_identity=record.holder,
            lease_duration_seconds=record.duration,
            acquire_time=record.acquired or None,
            renew_time=record.renewed or None,
            lease_transitions=record.transitions,
        )
        return _Lease({**record.metadata, **encoded}, spec)

    def _record(self, answer: Answer, expected: HTTPStatus) -> Record:
        if answer.status != expected:
            raise self._refusal(answer)
        record = _decode(answer.body)
        if record is None:
            message = "its answer is no Lease"
            raise ApiError(message, ErrorKind.BAD_CONTENT, status=answer.status, hint=_NOT_THE_API)
        return record

    def _refusal(self, answer: Answer) -> ApiError:
        said = _said(answer.body)
        words = f": {said}" if said else ""
        match answer.status:
            case HTTPStatus.UNAUTHORIZED:
                kind, hint = ErrorKind.UNAUTHORIZED, "see that the service account exists still"
            case HTTPStatus.FORBIDDEN:
                kind, hint = ErrorKind.DENIED, self._permissions()
            case HTTPStatus.NOT_FOUND:
                kind, hint = ErrorKind.NOT_FOUND, self._place()
            case HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.BAD_REQUEST:
                kind, hint = ErrorKind.CONFIG, "see settings.lease"
            case status if status == HTTPStatus.TOO_MANY_REQUESTS or status >= _FAULTS:
                kind, hint = ErrorKind.UNAVAILABLE, "see the state of the control plane"
            case _:
                kind, hint = ErrorKind.BAD_CONTENT, _NOT_THE_API
        return ApiError(f"it answers {answer.status}{words}", kind, status=answer.status, hint=hint)

    def _permissions(self) -> str:
        return (
            f"in namespace {printable(self._namespace)} the Pod's service account needs a Role for "
            f"leases in apiGroup {_GROUP}: create, and get and update on {printable(self._name)}"
        )

    def _place(self) -> str:
        return (
            f"see that namespace {printable(self._namespace)} exists, or leave "
            "settings.lease.namespace out for the Pod's own"
        )


@asynccontextmanager
async def reaching(pod: Pod, name: str, namespace: str | None) -> AsyncIterator[PodLeases]:
    """A Lease as a Pod reaches it, for as long as the `async with`.

    Args:
        pod: Who asks.
        name: Of the Lease.
        namespace: Of the Lease; None for the Pod's own.

    Raises:
        ApiError: The Pod's account cannot be used.
    """
    place = namespace or pod.namespace()
    async with ApiClient(pod.url, pod.ca_file) as api:
        yield PodLeases(api, pod, place, name)


def _decode(body: bytes) -> Record | None:
    try:
        lease = msgspec.json.decode(body, type=_Lease)
        version = msgspec.json.decode(lease.metadata.get("resourceVersion", b'""'), type=str)
    except _UNREADABLE:
        return None
    if not version or lease.kind != "Lease":
        return None
    spec = lease.spec
    return Record(
        version=version,
        holder=spec.holder_identity or "",
        duration=spec.lease_duration_seconds or 0,
        acquired=spec.acquire_time or "",
        renewed=spec.renew_time or "",
        transitions=spec.lease_transitions or 0,
        metadata=lease.metadata,
    )


def _said(body: bytes) -> str:
    """The API's own words: https://kubernetes.io/docs/reference, meta/v1, Status."""
    try:
        return printable(msgspec.json.decode(body, type=_Status).message)
    except _UNREADABLE:
        return ""
