"""The embedded registry as the cache: served by whoever needs it, and there when all have ended."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.background import IN_FORCE, PASS_OVER, STOPPING, Background, running
from tests.e2e.conftest import ENGINES
from tests.e2e.program import Program, Run
from tests.real import images
from tests.real.accounts import OPERATOR
from tests.real.children import free_port
from tests.real.content import Image, Platform, sha256
from tests.real.running import RunningRegistry
from tests.real.tools import bin_directory
from tests.real.wire import RegistryApi

APP = "team/app"
OTHER = "team/other"
LARGE = 300_000
SERVES = "a registry over"
SHARED = "is served by another image-sync"
USAGE = 2


class Scene:
    """image-sync whose cache is the embedded registry.

    Attributes:
        program: With an account at the source.
        root: The folder of the cache; not there yet.
        listen: Where the cache is served.
    """

    def __init__(self, directory: Path, source: RunningRegistry, engine: str) -> None:
        name = ENGINES[engine]
        tools = {} if engine == "builtin" else {name: engine}
        self.root = directory / "images"
        self.listen = f"127.0.0.1:{free_port('127.0.0.1')}"
        entry = {"path": str(self.root), "listen": self.listen}
        self.program = Program(
            directory / "image-sync", entry, bin_directory(directory / "bin", tools)
        )
        self.program.settings |= {"preferred_tool": name, "server": {"listen": "none"}}
        self.program.trust(source)
        self.program.log_in({source.host: OPERATOR})

    @property
    def api(self) -> RegistryApi:
        """Talks to the cache while somebody serves it."""
        return RegistryApi(self.listen, ca_file=None, authorize=lambda _: None)

    @contextmanager
    def served(self, root: Path | None = None) -> Iterator[Background]:
        """`image-sync serve` over a folder, by default that of the cache."""
        options = ["--root", str(root or self.root), "--listen", self.listen]
        with running(self.program, "serve", *options) as server:
            server.expect(SERVES)
            yield server

    def digest(self, repository: str, tag: str = "1") -> str | None:
        """What a tag of the cache names, when nobody serves it."""
        index = json.loads((self.root / repository / "index.json").read_text(encoding="utf-8"))
        names = {
            each.get("annotations", {}).get("org.opencontainers.image.ref.name"): each["digest"]
            for each in index["manifests"]
        }
        return names.get(tag)

    def contents(self) -> Mapping[str, bytes]:
        """Every file of the cache, with its bytes."""
        files = (file for file in self.root.rglob("*") if file.is_file())
        return {str(file.relative_to(self.root)): file.read_bytes() for file in files}


@pytest.fixture
def scene(tmp_path: Path, source: RunningRegistry) -> Scene:
    """The builtin engine, where the engine makes no difference."""
    return Scene(tmp_path, source, "builtin")


@pytest.fixture
def filled(scene: Scene, source: RunningRegistry) -> Scene:
    """The same with one image, which is cached."""
    source.push(APP, "1", images.bulk(LARGE))
    scene.program.add(source, APP, "1")
    assert scene.program.once().actions == ["pulled"]
    return scene


def refused(run: Run, *words: str) -> None:
    """It ended with one clear line, in which these words are."""
    assert (run.code, run.stdout) == (USAGE, ""), run.stderr
    assert "Traceback" not in run.stderr
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("error: "))
    for word in words:
        assert word in line


def test_an_image_named_as_an_argument_needs_no_file_and_stays_when_all_has_ended(
    scene: Scene, source: RunningRegistry
) -> None:
    """The log says where it is and how to have it served; that command serves it."""
    program = scene.program
    digest = source.push(APP, "1", images.bulk(1000))
    data = scene.program.directory / "data"
    program.environment |= {
        "XDG_DATA_HOME": str(data),
        "IMAGE_SYNC_SETTINGS__SOURCE_TLS_VERIFY": "false",
    }
    cache = f"{{listen: {scene.listen}}}"
    run = program.run("--once", "--cache", cache, f"{source.host}/{APP}:1")
    assert (run.code, run.actions) == (0, ["pulled"]), run.stderr
    path = f"{source.host.replace(':', '_')}/{APP}"
    assert run.report.cache_registry == "embedded"
    assert run.only.target == f"{scene.listen}/{path}:1"
    (line,) = (line for line in run.stderr.splitlines() if SERVES in line)
    assert f"{data}/image-sync/registry" in line
    assert f"docker pull {scene.listen}/NAME:TAG" in line
    assert f"image-sync serve --listen {scene.listen} " in line
    with running(program, "serve", "--listen", scene.listen) as server:
        server.expect(SERVES)
        assert scene.api.digest_of(path, "1") == digest
        assert server.finish(signal.SIGTERM).code == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_every_kind_of_image_arrives_with_every_engine_and_is_then_left_alone(
    engine: str, tmp_path: Path, source: RunningRegistry, programs: Mapping[Platform, bytes]
) -> None:
    """The first pass copies with every byte the same, the second spends HEADs only."""
    scene = Scene(tmp_path, source, engine)
    pushed = {
        f"team/{kind}": source.push(f"team/{kind}", "1", build(programs, "one"))
        for kind, build in images.KINDS.items()
    }
    for repository in pushed:
        scene.program.add(source, repository, "1", platform="all")
    first = scene.program.once()
    assert (first.code, set(first.actions)) == (0, {"pulled"}), first.stderr
    assert {repository: scene.digest(repository) for repository in pushed} == pushed
    source.recorder.clear()
    second = scene.program.once()
    assert (second.code, set(second.actions)) == (0, {"already_cached"}), second.stderr
    asked = [request.method for request in source.recorder.requests if request.status == 200]
    assert asked == ["HEAD"] * len(pushed)


def test_what_only_the_builtin_engine_does_is_done_in_it_too(
    scene: Scene, source: RunningRegistry, programs: Mapping[Platform, bytes]
) -> None:
    """Lists of platforms, conversion, earlier images, referrers."""
    scene.program.settings |= {"keep_previous": 1, "on_docker_manifest": "convert"}
    first, second = (images.multi_platform(programs, label=label) for label in ("one", "two"))
    source.push(APP, "1", first)
    source.push(OTHER, "1", images.docker_single(programs))
    signature = _sign(source, second)
    scene.program.add(source, APP, "1", platform=["linux/amd64", "linux/arm64"])
    scene.program.add(source, OTHER, "1")
    scene.program.add(source, "team/signed", "1", platform="all", referrers=True)
    run = scene.program.once()
    assert run.actions == ["pulled"] * 3, run.stderr
    before = scene.digest(APP)
    source.push(APP, "1", second)
    assert scene.program.once().actions == ["pulled", "already_cached", "already_cached"]
    with scene.served():
        assert scene.api.digest_of(APP, "1.previous-1") == before
        kept = json.loads(scene.api.get_manifest(APP, "1").body)
        assert [each["digest"] for each in kept["manifests"]] == [
            second.child(platform).digest for platform in ("linux/amd64", "linux/arm64")
        ]
        assert "docker" not in json.loads(scene.api.get_manifest(OTHER, "1").body)["mediaType"]
        found = scene.api.request("GET", f"/v2/team/signed/referrers/{second.digest}")
        assert [each["digest"] for each in json.loads(found.body)["manifests"]] == [signature]


def _sign(source: RunningRegistry, image: Image) -> str:
    """Have an image in `team/signed`, and something that refers to it; the digest of that."""
    digest = source.push("team/signed", "1", image)
    empty = source.api.put_blob("team/signed", b"{}")
    part = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "artifactType": "application/vnd.test.signature",
        "config": part,
        "layers": [part],
        "subject": {"mediaType": image.media_type, "digest": digest, "size": len(image.data)},
    }
    body = json.dumps(manifest).encode()
    signature = sha256(body)
    source.api.put_manifest("team/signed", signature, body, media_type)
    entry = {"mediaType": media_type, "digest": signature, "size": len(body)}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
    tag = digest.replace(":", "-")
    source.api.put_manifest("team/signed", tag, json.dumps(index).encode(), _INDEX)
    return signature


_INDEX = "application/vnd.oci.image.index.v1+json"


def test_one_that_is_served_already_is_used(scene: Scene, source: RunningRegistry) -> None:
    """A line says so, and what was copied is served at once."""
    digest = source.push(APP, "1", images.bulk(1000))
    scene.program.add(source, APP, "1")
    with scene.served() as server:
        run = scene.program.once()
        assert (run.code, run.actions) == (0, ["pulled"]), run.stderr
        (line,) = (line for line in run.stderr.splitlines() if SHARED in line)
        assert f"docker pull {scene.listen}/NAME:TAG" in line
        assert scene.api.digest_of(APP, "1") == digest
        assert server.running()


def test_who_used_another_serves_it_when_that_ends(scene: Scene, source: RunningRegistry) -> None:
    """What is being copied arrives, although the registry it was copied to is gone."""
    source.push(APP, "1", images.bulk(LARGE))
    scene.program.add(source, APP, "1")
    held = source.recorder.hold("GET", r"/blobs/", after_bytes=LARGE // 2)
    with scene.served() as server, running(scene.program, "--once", *_config(scene)) as copying:
        copying.expect(SHARED)
        held.wait()
        assert server.finish(signal.SIGTERM).code == 0
        copying.expect(SERVES)
        held.release()
        run = copying.finish()
    assert (run.code, run.actions) == (0, ["pulled"]), run.stderr
    assert scene.digest(APP) == run.only.expected_digest


def test_what_stands_in_its_way_is_told_in_one_line(filled: Scene, tmp_path: Path) -> None:
    """Its folder is served elsewhere, its address is taken: exit code 2 and what to do."""
    program, entry = filled.program, filled.program.cache_registry
    with filled.served():
        other = f"127.0.0.1:{free_port('127.0.0.1')}"
        program.cache_registry = {"path": str(filled.root), "listen": other}
        refused(program.once(), str(filled.root), filled.listen, other, "--cache")
        assert program.once("--cache", filled.listen).actions == ["already_cached"]
    program.cache_registry = entry
    with filled.served(tmp_path / "other"):
        for verb in ([], ["doctor"]):
            run = program.run(*verb, *_config(filled))
            refused(run, filled.listen, "in use", "cache_registry.listen", "--cache")


def test_what_goes_wrong_while_it_is_served_is_told_as_elsewhere(filled: Scene) -> None:
    """A file with accounts that is none, an address for probes that is taken."""
    broken = filled.program.directory / "auth.json"
    broken.write_text("{", encoding="utf-8")
    filled.program.settings["auth_files"] = [str(broken)]
    for verb in (["--once"], []):
        refused(filled.program.run(*verb, *_config(filled)), "auth.json")
    del filled.program.settings["auth_files"]
    filled.program.settings["server"] = {"listen": filled.listen}
    refused(filled.program.run(*_config(filled)), "settings.server.listen", filled.listen)


def test_who_only_looks_makes_no_folder_and_changes_nothing_in_one(
    scene: Scene, source: RunningRegistry
) -> None:
    """No manifest, no blob, no tag."""
    source.push(APP, "1", images.bulk(1000))
    scene.program.add(source, APP, "1")
    looked = scene.program.run("check", *_config(scene))
    assert (looked.only.reason, looked.only.error) == ("missing", None), looked.stderr
    assert not scene.root.exists()
    assert scene.program.once().actions == ["pulled"]
    before = scene.contents()
    source.push(APP, "1", images.bulk(1000, "moved"))
    for verb in (["--dry-run"], ["verify", "--deep"]):
        assert scene.program.run(*verb, *_config(scene)).code == 0
    assert scene.contents() == before


def test_a_blob_that_the_disk_changed_is_found_and_healed(filled: Scene) -> None:
    """Which other registries cannot: they go on serving what they have."""
    layers = sorted(filled.root.rglob("blobs/*/*"), key=lambda file: file.stat().st_size)
    content = bytearray(layers[-1].read_bytes())
    content[LARGE // 3] ^= 1
    layers[-1].write_bytes(content)
    found = filled.program.run("verify", "--deep", *_config(filled))
    (result,) = json.loads(found.stdout)["results"]
    assert (found.code, result["condition"]) == (1, "damaged"), found.stderr
    assert [part["digest"].partition(":")[2] for part in result["damage"]] == [layers[-1].name]
    healed = filled.program.run("verify", "--deep", "--heal", *_config(filled))
    (result,) = json.loads(healed.stdout)["results"]
    assert (healed.code, result["condition"]) == (0, "healed"), healed.stderr
    assert sha256(layers[-1].read_bytes()) == f"sha256:{layers[-1].name}"


def test_the_doctor_finds_it_as_a_pass_would(filled: Scene, source: RunningRegistry) -> None:
    """It answers, takes pushes, and nothing remains of trying."""
    before = filled.contents().keys()
    run = filled.program.run("doctor", *_config(filled))
    findings = json.loads(run.stdout)["findings"]
    texts = [each["text"] for each in findings if each["subject"] == f"cache {filled.listen}"]
    assert run.code == 0, run.stdout
    assert any("over plain HTTP" in text for text in texts)
    assert any("was begun and taken back" in text for text in texts)
    assert filled.contents().keys() == before
    assert not [each for each in findings if each["level"] == "fail"], source.host


def test_a_running_process_keeps_it_from_its_start_to_its_end(
    filled: Scene, source: RunningRegistry
) -> None:
    """It is served between passes; another one is refused by a reload; the last copy arrives."""
    program = filled.program
    with running(program) as daemon:
        daemon.expect(SERVES)
        daemon.expect(PASS_OVER, already_cached=1)
        assert filled.api.digest_of(APP, "1") == filled.digest(APP)
        own = program.cache_registry
        program.cache_registry = "127.0.0.1:9"
        daemon.reload(program)
        daemon.expect("cache_registry: the embedded registry holds from the start", level="error")
        program.cache_registry = own
        moved = source.push(OTHER, "1", images.bulk(LARGE, "moved"))
        held = source.recorder.hold("GET", r"/blobs/", after_bytes=LARGE // 2)
        program.add(source, OTHER, "1")
        daemon.reload(program)
        daemon.expect(IN_FORCE, added=1)
        held.wait()
        daemon.send(signal.SIGTERM)
        daemon.expect(STOPPING, copies=1)
        held.release()
        assert daemon.finish()[:2] == (0, "")
    assert filled.digest(OTHER) == moved
    assert not list(filled.root.rglob(".uploads/*"))


def _config(scene: Scene) -> tuple[str, str]:
    return "--config", str(scene.program.config)
