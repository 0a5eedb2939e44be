"""What a key of a docker config file stands for.

Keys were written by many tools: `ghcr.io`, `https://index.docker.io/v1/`, `HOST:443`,
`http://host:5000`, `host/namespace` (containers-auth.json(5)). Here they become a canonical host
and a namespace.
"""

import re
from typing import NamedTuple

from image_sync.oci.reference import DOCKER_HUB, parse_host

HUB_SERVER = "https://index.docker.io/v1/"
"""What credential helpers know Docker Hub by: docker/cli, `cli/config/credentials`."""
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_API_VERSION = re.compile(r"/v[12]/?")  # of the API, as in HUB_SERVER; no namespace


class Key(NamedTuple):
    """Which repositories an entry is for."""

    host: str  # canonical
    namespace: str  # of the repository path; empty for the whole host

    def covers(self, host: str, path: str) -> bool:
        """True if a repository is meant."""
        if host != self.host:
            return False
        inside = path == self.namespace or path.startswith(f"{self.namespace}/")
        return inside or not self.namespace

    @property
    def server(self) -> str:
        """What to ask a credential helper for."""
        if self.namespace:
            return f"{self.host}/{self.namespace}"
        return HUB_SERVER if self.host == DOCKER_HUB else self.host


def parse_key(text: str) -> Key | None:
    """What a key stands for, None if it is no registry's."""
    bare = _SCHEME.sub("", text, count=1)
    name, slash, rest = bare.partition("/")
    path = slash + rest
    is_url = bare != text or path.endswith("/")
    if is_url and _API_VERSION.fullmatch(path):
        path = ""
    try:
        return Key(parse_host(name), path.strip("/"))
    except ValueError:
        return None
