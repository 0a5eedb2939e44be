"""The embedded registry is there as long as it is needed, whoever serves it."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskStatus

from image_sync import config
from image_sync.embedded import opened, serving_registry
from image_sync.errors import ConfigError
from image_sync.events import Event, RegistryServed, RegistryShared, Warned
from image_sync.hosting import Purpose, hosted
from image_sync.runtime.serve import Address
from tests.clock import run_virtually
from tests.real.children import free_port
from tests.real.wire import RegistryApi

pytestmark = pytest.mark.anyio


class Scene:
    """An embedded registry as a cache.

    Attributes:
        root: The folder of its images; not there yet.
        port: Where it is served.
        events: What was told.
        serves: That this process serves it was told.
        warned: There was a warning.
        environ: The environment.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "images"
        self.port = free_port("127.0.0.1")
        self.events: list[Event] = []
        self.serves = anyio.Event()
        self.warned = anyio.Event()
        self.environ: dict[str, str] = {}

    @property
    def host(self) -> str:
        """Where it is served, as text."""
        return f"127.0.0.1:{self.port}"

    def hosted(
        self, purpose: Purpose = Purpose.ONE_PASS, cache: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """The registry, as a `with` serves it."""
        cache = cache or f"{{path: {self.root}, listen: '{self.host}'}}"
        override = config.Override("cache_registry", cache, "--cache")
        loaded = config.from_arguments(["a/b:1"], environ={}, overrides=[override])
        return hosted(config.resolve(loaded), purpose, self._hear, self.environ)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, RegistryServed):
            self.serves.set()
        if isinstance(event, Warned):
            self.warned.set()

    @asynccontextmanager
    async def served(self, root: Path | None = None, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """What `image-sync serve` does; tells where."""
        async with serving_registry(root or self.root, Address(host, self.port), _nobody) as found:
            yield str(found)

    async def answers(self) -> bool:
        """Whether a registry is there."""
        api = RegistryApi(self.host, ca_file=None, authorize=lambda _: None)
        try:
            return (await anyio.to_thread.run_sync(api.ping)).status == 200
        except OSError:
            return False


def _nobody(event: Event) -> None:
    del event


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """In an empty folder."""
    return Scene(tmp_path)


async def refusal(scene: Scene, cache: str = "", purpose: Purpose = Purpose.ONE_PASS) -> str:
    """Why it is not served."""
    with pytest.raises(ConfigError) as caught:
        async with scene.hosted(purpose, cache):
            pytest.fail("it was served")
    (problem,) = caught.value.problems
    return str(problem)


async def test_a_cache_elsewhere_is_left_to_others(scene: Scene) -> None:
    """Nothing is served, made or told."""
    async with scene.hosted(cache=scene.host):
        assert not await scene.answers()
    assert scene.events == []


async def test_it_is_served_as_long_as_the_block(scene: Scene) -> None:
    """Its folder is made, and stays."""
    async with scene.hosted():
        assert await scene.answers()
    assert not await scene.answers()
    assert scene.root.is_dir()


@pytest.mark.parametrize(
    ("purpose", "command"),
    [
        (Purpose.ONE_PASS, "image-sync serve --root '{}' --listen {}"),
        (Purpose.READING, "image-sync serve --root '{}' --listen {}"),
        (Purpose.LASTING, None),
    ],
)
async def test_who_ends_before_the_images_do_tells_how_to_have_them_served(
    purpose: Purpose, command: str | None, scene: Scene
) -> None:
    """By a command that can be pasted."""
    scene.root = scene.root.with_name("my images")
    scene.root.mkdir()
    cache = f"{{path: '{scene.root}', listen: '{scene.host}'}}"
    async with scene.hosted(purpose, cache):
        pass
    told = command and command.format(scene.root, scene.host)
    assert scene.events == [RegistryServed(scene.host, str(scene.root), told)]


async def test_who_only_looks_leaves_no_folder(scene: Scene) -> None:
    """An empty registry answers in its place, and nobody is told of a folder that is not there."""
    async with scene.hosted(Purpose.READING):
        assert await scene.answers()
        assert not scene.root.exists()
    assert scene.events == []
    assert not scene.root.exists()


async def test_a_pass_can_push_to_one_that_only_looks(scene: Scene) -> None:
    """Who comes second uses the registry of the first, whatever that is there for."""
    scene.root.mkdir()
    api = RegistryApi(scene.host, ca_file=None, authorize=lambda _: None)
    async with scene.hosted(Purpose.READING), scene.hosted(Purpose.ONE_PASS):
        assert isinstance(scene.events[-1], RegistryShared)
        answer = await anyio.to_thread.run_sync(api.request, "POST", "/v2/a/blobs/uploads/")
        assert answer.status == 202


@pytest.mark.parametrize("host", ["127.0.0.1", "", "0.0.0.0"])
async def test_one_that_is_served_already_is_used(host: str, scene: Scene) -> None:
    """Also one that others can reach as well; it goes on when this one is done."""
    async with scene.served(host=host) as address:
        async with scene.hosted():
            assert scene.events == [RegistryShared(address, str(scene.root))]
        assert await scene.answers()


async def test_when_the_one_that_serves_it_ends_the_one_that_needs_it_serves_it(
    scene: Scene,
) -> None:
    """From then on to its own end."""
    serving, over = anyio.Event(), anyio.Event()

    async def serve() -> None:
        async with scene.served():
            serving.set()
            await over.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await serving.wait()
        async with scene.hosted():
            assert not scene.serves.is_set()
            over.set()
            with anyio.fail_after(30):
                await scene.serves.wait()
            assert await scene.answers()
    assert not await scene.answers()


async def test_one_that_cannot_be_served_after_the_other_ended_is_a_warning(scene: Scene) -> None:
    """With the reason, once; and it is served as soon as it can be."""
    over, index = anyio.Event(), scene.root / "a" / "index.json"

    async def serve(*, task_status: TaskStatus[None]) -> None:
        async with scene.served():
            task_status.started()
            await over.wait()

    async with anyio.create_task_group() as tasks:
        await tasks.start(serve)
        async with scene.hosted():
            index.parent.mkdir()
            (index.parent / "oci-layout").touch()
            index.write_text("[")
            over.set()
            with anyio.fail_after(30):
                await scene.warned.wait()
                mended = index.with_name("mended")
                mended.write_text("{}")
                mended.replace(index)  # at once: half a file would be another reason
                await scene.serves.wait()
    warnings = [event.message for event in scene.events if isinstance(event, Warned)]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"nobody serves the embedded registry now: {index} cannot be ")


async def test_one_that_is_served_elsewhere_is_refused(scene: Scene) -> None:
    """It names where it is, and how to use that."""
    async with scene.served() as address:
        scene.port = free_port("127.0.0.1")
        text = await refusal(scene)
    assert text.startswith("cache_registry: another image-sync serves the folder ")
    assert f"{scene.root} at {address}, and not at {scene.host}" in text
    assert f"--cache {address}" in text


async def test_a_host_of_another_family_is_not_where_it_is_served(scene: Scene) -> None:
    """Who listens on all IPv4 addresses is not found at [::1]."""
    async with scene.served(host="0.0.0.0"):
        text = await refusal(scene, f"{{path: {scene.root}, listen: '[::1]:{scene.port}'}}")
    assert f"and not at [::1]:{scene.port}" in text


async def test_an_address_that_is_taken_is_refused(scene: Scene, tmp_path: Path) -> None:
    """It says what to set."""
    async with scene.served(tmp_path / "other"):
        text = await refusal(scene)
    assert text.startswith(f"cache_registry.listen: cannot listen on {scene.host}: ")
    assert "set cache_registry.listen, as in --cache '{listen: 127.0.0.1:5051}'" in text


@pytest.mark.parametrize("purpose", Purpose)
async def test_a_folder_that_cannot_be_used_is_refused(purpose: Purpose, scene: Scene) -> None:
    """With the reason, where the configuration names it; also by who only looks."""
    scene.root = Path("/dev/null/images")
    text = await refusal(scene, purpose=purpose)
    assert text.startswith("cache_registry.path: the folder /dev/null/images cannot be used: ")


def test_a_folder_that_somebody_has_and_does_not_serve_is_waited_for(scene: Scene) -> None:
    """Who collects garbage there, is starting or is ending; not for ever."""

    async def begin() -> tuple[str, float]:
        began = anyio.current_time()
        return await refusal(scene), anyio.current_time() - began

    with opened(scene.root):
        text, waited = run_virtually(begin)
    assert text.startswith(f"cache_registry.path: another process has the folder {scene.root}")
    assert 1 < waited < 10


async def test_an_account_without_a_home_folder_is_told_to_name_a_folder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose user is just a number."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    text = await refusal(scene, f"{{listen: '{scene.host}'}}")
    assert text.startswith("cache_registry.path: this account has no home folder: name one")


async def test_in_a_pod_it_is_a_warning(scene: Scene) -> None:
    """A container's own disk is no cache."""
    scene.environ["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
    async with scene.hosted():
        (warning,) = (event for event in scene.events if isinstance(event, Warned))
    assert "this container's own disk" in warning.message


async def test_what_is_raised_in_the_block_comes_out_as_it_is(scene: Scene) -> None:
    """Not in a group, which nobody would recognise."""
    with pytest.raises(ConfigError):
        async with scene.hosted():
            raise ConfigError([])
    async with scene.served():
        with pytest.raises(ConfigError):
            async with scene.hosted():
                raise ConfigError([])
