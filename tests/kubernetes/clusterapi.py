"""A stand-in for the Kubernetes API: Leases with versions, accounts, and its ways to refuse.

Strict where the real one is lenient: a call that the real API would take and that takes part in no
election, such as a write without a version, is refused.
"""

import json
import re
import ssl
from typing import Any

from tests.hostile.message import Request
from tests.hostile.response import Response, response
from tests.hostile.server import Server

NAMESPACE = "registry-cache"
LEASE = "image-sync"
_PATH = re.compile(r"/apis/coordination\.k8s\.io/v1/namespaces/([a-z0-9-]+)/leases(?:/([^/]+))?")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

Document = dict[str, Any]


class ClusterApi(Server):
    """Keeps Leases of one namespace; takes the bearer tokens in `tokens`."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(tls=tls)
        self.tokens = {"token-1"}
        self.leases: dict[str, Document] = {}
        self._versions = 100

    def answer(self, request: Request) -> Response:
        """As the API server does."""
        found = _PATH.fullmatch(request.path)
        if (request.headers.get("Authorization") or "").removeprefix("Bearer ") not in self.tokens:
            return status(401, "Unauthorized")
        if found is None or request.headers.get("Accept") != "application/json":
            return status(406, f"not asked as agreed: {request.path}")
        namespace, name = found.groups()
        match request.method, name:
            case "GET", str():
                return self._read(name)
            case "POST", None:
                return self._make(namespace, self._document(request))
            case "PUT", str():
                return self._replace(name, self._document(request))
            case _:
                return status(405, "not a call of an election")

    def touch(self, name: str = LEASE) -> Document:
        """The Lease, with a version of its own from now on; change it as you like."""
        self._versions += 1
        self.leases[name]["metadata"]["resourceVersion"] = str(self._versions)
        return self.leases[name]

    def _read(self, name: str) -> Response:
        if name not in self.leases:
            return status(404, f'leases.coordination.k8s.io "{name}" not found')
        return document(200, self.leases[name])

    def _make(self, namespace: str, asked: Document) -> Response:
        name = asked["metadata"]["name"]
        if namespace != NAMESPACE:
            return status(404, f'namespaces "{namespace}" not found')
        if name in self.leases:
            return status(409, f'leases.coordination.k8s.io "{name}" already exists')
        if "resourceVersion" in asked["metadata"]:
            return status(400, "resourceVersion should not be set on objects to be created")
        return self._keep(name, asked, 201)

    def _replace(self, name: str, asked: Document) -> Response:
        if name not in self.leases:
            return status(404, f'leases.coordination.k8s.io "{name}" not found')
        if "resourceVersion" not in asked["metadata"] or asked["metadata"]["name"] != name:
            return status(400, "written without a version, or under another name")
        if asked["metadata"]["resourceVersion"] != self.leases[name]["metadata"]["resourceVersion"]:
            return status(409, "the object has been modified; please apply your changes to the ...")
        return self._keep(name, asked, 200)

    def _keep(self, name: str, asked: Document, code: int) -> Response:
        spec = asked["spec"]
        times = [spec[key] for key in ("acquireTime", "renewTime") if key in spec]
        if spec["leaseDurationSeconds"] <= 0 or spec["leaseTransitions"] < 0:
            return status(422, f'Lease "{name}" is invalid: must be greater than 0')
        if not all(map(_MICRO_TIME.fullmatch, times)):
            return status(400, f"no MicroTime: {times}")
        self.leases[name] = asked
        return document(code, self.touch(name))

    @staticmethod
    def _document(request: Request) -> Document:
        assert request.headers.get("Content-Type") == "application/json"
        asked: Document = json.loads(request.body)
        assert (asked["kind"], asked["apiVersion"]) == ("Lease", "coordination.k8s.io/v1")
        assert asked["metadata"]["namespace"] in request.path
        return asked


def document(code: int, content: Document) -> Response:
    """An object of the API."""
    return response(code, json.dumps(content).encode(), media_type="application/json")


def status(code: int, message: str) -> Response:
    """A refusal in the API's words."""
    return document(code, {"kind": "Status", "apiVersion": "v1", "message": message, "code": code})
