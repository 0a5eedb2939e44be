"""Which credential a repository gets: the first file with a match wins, in it the longest key.

The order: the host's own file, the configured files, $DOCKER_CONFIG, $REGISTRY_AUTH_FILE,
~/.docker/config.json. Inside of a file a helper named for the same key comes before `auths`, and
`credsStore` answers for what no key covers, as in docker/cli.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio

from image_sync.credentials.credential import Credential
from image_sync.credentials.dockerconfig import DockerConfig
from image_sync.credentials.files import Files, Loaded, Place, default_places
from image_sync.credentials.helper import HelperFailed, ask_helper, find_helper
from image_sync.credentials.keys import Key
from image_sync.events import CredentialsFound, Emit, Warned
from image_sync.oci.quoting import printable

_ASK_AGAIN = 10.0
"""Seconds in which a helper is asked once however many 401s come: a cloud's helper answers with the
same token meanwhile, and each answer costs a process."""


class FileProblem(NamedTuple):
    """A docker config file that cannot be used.

    Attributes:
        path: Of the file.
        message: What is wrong and what to do.
        configured: True if the configuration names it.
    """

    path: str
    message: str
    configured: bool


class Found(NamedTuple):
    """A credential, and where it stands.

    Attributes:
        where: The file, and the helper program where one answered.
    """

    credential: Credential
    where: str


class _Candidate(NamedTuple):
    """One way to a credential."""

    where: str
    credential: Credential | None
    helper: str
    server: str


class _Asked(NamedTuple):
    """What a helper answered."""

    credential: Credential | None
    when: float  # the event loop's seconds


class CredentialStore:
    """Finds credentials, and says which file served which host."""

    def __init__(
        self,
        *,
        files: Sequence[str] = (),
        host_files: Mapping[str, str] | None = None,
        environ: Mapping[str, str],
        emit: Emit,
    ) -> None:
        """Nothing is read before the first question.

        Args:
            files: Configured files, the first one first.
            host_files: Files for one canonical host each.
            environ: The environment: where the default files are, and what helpers get.
            emit: Takes the events.
        """
        self._files = Files()
        self._configured = tuple(Place(Path(file), configured=True) for file in files)
        self._host_places = {
            host: Place(Path(file), configured=True) for host, file in (host_files or {}).items()
        }
        self._environ = dict(environ)
        self._emit = emit
        self._told: set[tuple[str, str]] = set()
        self._answers: dict[tuple[str, str], _Asked] = {}
        self._turns: dict[tuple[str, str], anyio.Lock] = {}

    async def find(self, host: str, path: str) -> Credential | None:
        """The credential for a repository, None if there is none.

        Args:
            host: Canonical host of the registry.
            path: Of the repository.
        """
        return _credential(await self.look_up(host, path))

    async def look_up(self, host: str, path: str) -> Found | None:
        """The same, with the file that it stands in."""
        return await self._search(host, path, again=False)

    async def refresh(self, host: str, path: str) -> Credential | None:
        """The same after the registry refused it: files are read and helpers asked again."""
        return _credential(await self._search(host, path, again=True))

    def problems(self) -> tuple[FileProblem, ...]:
        """What is wrong with the files as they are now."""
        return tuple(self._problems())

    async def _search(self, host: str, path: str, *, again: bool) -> Found | None:
        for candidate in self._candidates(host, path, again=again):
            credential = candidate.credential
            if candidate.helper:
                credential = await self._ask(candidate, again=again)
            if credential is not None:
                self._tell_found(host, candidate.where)
                return Found(credential, candidate.where)
        return None

    def _candidates(self, host: str, path: str, *, again: bool) -> Iterator[_Candidate]:
        for place in self._places(host):
            loaded = self._files.get(place.path, again=again)
            if loaded.problem and _is_to_be_told(place, loaded):
                self._warn(str(place.path), loaded.problem)
            if loaded.config is not None:
                yield from _matches(place.path, loaded.config, host, path)

    def _places(self, host: str) -> Iterator[Place]:
        if host in self._host_places:
            yield self._host_places[host]
        yield from self._configured
        yield from default_places(self._environ)

    async def _ask(self, candidate: _Candidate, *, again: bool) -> Credential | None:
        key = (candidate.helper, candidate.server)
        async with self._turns.setdefault(key, anyio.Lock()):
            kept = self._answers.get(key)
            if kept and not (again and anyio.current_time() - kept.when >= _ASK_AGAIN):
                return kept.credential
            try:
                found = await ask_helper(candidate.helper, candidate.server, self._environ)
            except HelperFailed as error:
                self._warn(candidate.where, f"no credentials for {candidate.server}: {error}")
                found = None
            self._answers[key] = _Asked(found, anyio.current_time())
            return found

    def _problems(self) -> Iterator[FileProblem]:
        places = (*self._host_places.values(), *self._configured, *default_places(self._environ))
        for place in dict.fromkeys(places):
            loaded = self._files.get(place.path)
            if loaded.problem and _is_to_be_told(place, loaded):
                message = f"docker config file: {loaded.problem}"
                yield FileProblem(str(place.path), message, place.configured)
            for name in sorted(loaded.config.helper_names) if loaded.config else ():
                if find_helper(name, self._environ) is None:
                    message = (
                        f"docker config file: it asks docker-credential-{name}, which is not on "
                        "PATH; install it, or put the credentials into auths"
                    )
                    yield FileProblem(str(place.path), message, place.configured)

    def _tell_found(self, host: str, where: str) -> None:
        if (host, where) not in self._told:
            self._told.add((host, where))
            self._emit(CredentialsFound(host=host, where=where))

    def _warn(self, where: str, problem: str) -> None:
        if (where, problem) not in self._told:
            self._told.add((where, problem))
            self._emit(Warned(subject="credentials", message=f"{printable(where)}: {problem}"))


def _is_to_be_told(place: Place, loaded: Loaded) -> bool:
    """Whether what is wrong with a file is: not that one is missing where nobody looks for it."""
    return place.configured or place.expected or loaded.stamp is not None


def _credential(found: Found | None) -> Credential | None:
    return found.credential if found else None


def _matches(file: Path, config: DockerConfig, host: str, path: str) -> Iterator[_Candidate]:
    """The ways of one file, the best first."""
    keys = {key for key in (*config.auths, *config.helpers) if key.covers(host, path)}
    for key in sorted(keys, key=lambda key: len(key.namespace), reverse=True):
        if key in config.helpers:
            yield _by_helper(file, config.helpers[key], key)
        if key in config.auths:
            yield _Candidate(str(file), config.auths[key], "", "")
    if config.store:
        yield _by_helper(file, config.store, Key(host, ""))


def _by_helper(file: Path, name: str, key: Key) -> _Candidate:
    return _Candidate(f"{file} (docker-credential-{name})", None, name, key.server)
