"""What stands in for programs that need a daemon, a cluster or a package: `docker`, `podman`,
`kubectl`, `htpasswd`. Each knows the few calls that the pages show, and refuses every other.

What pulls is podman, with storage of its own; `kubectl` renders, reads and validates what it is
given.
"""

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bcrypt
import kubernetes_validate  # type: ignore[import-untyped]  # it has no annotations
import yaml

from tests.deploy.manifests import build
from tests.real.podman import pull

_VERSION = "1.31"
"""Of Kubernetes, as the pages name it."""
_RESOURCES = {"pods", "pod", "deployment", "cronjob", "job", "configmap", "secret", "lease"}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def docker(arguments: Sequence[str]) -> None:
    """`docker pull REFERENCE`, `docker login HOST`: credentials are given on standard input."""
    parser = argparse.ArgumentParser("docker")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("pull").add_argument("reference")
    login = verbs.add_parser("login")
    login.add_argument("host", nargs="?", default="https://index.docker.io/v1/")
    login.add_argument("--username", required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    asked = parser.parse_args(arguments)
    if asked.verb == "login":
        _log_in(asked.host, asked.username, sys.stdin.read().strip())
    else:
        _say(pull(asked.reference))


def podman(arguments: Sequence[str]) -> None:
    """`podman pull --tls-verify=false REFERENCE`: the machine's podman, and nothing stays."""
    verb, trust, reference = arguments
    assert (verb, trust) == ("pull", "--tls-verify=false")
    _say(pull(reference))


def _log_in(host: str, username: str, password: str) -> None:
    file = Path.home() / ".docker" / "config.json"
    file.parent.mkdir(exist_ok=True)
    known: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    known.setdefault("auths", {})[host] = {"auth": auth}
    file.write_text(json.dumps(known), encoding="utf-8")
    _say("Login Succeeded")


def kubectl(arguments: Sequence[str]) -> None:
    """Reading and writing verbs: refused if their words or files are wrong."""
    parser = argparse.ArgumentParser("kubectl")
    parser.add_argument("-n", "--namespace")
    verbs = parser.add_subparsers(dest="verb", required=True)
    apply = verbs.add_parser("apply")
    apply.add_argument("-k", dest="folder", type=Path)
    apply.add_argument("-f", dest="file", type=Path)
    create = verbs.add_parser("create")
    create.add_argument("kind", choices=["namespace", "secret", "job"])
    create.add_argument("words", nargs="+")
    create.add_argument("--type")
    create.add_argument("--from-file", action="append", default=[])
    create.add_argument("--from", type=_resource)
    label = verbs.add_parser("label")
    label.add_argument("kind", choices=["namespace"])
    label.add_argument("words", nargs="+")
    _add_readers(verbs)
    asked = parser.parse_args(arguments)
    for each in _given(asked):
        kubernetes_validate.validate(each, _VERSION, strict=True)
        _say(f"{each['kind'].lower()}/{each['metadata']['name']} is valid")


def _add_readers(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    for verb in ("get", "logs", "exec", "rollout"):
        reader = verbs.add_parser(verb)
        reader.add_argument("words", nargs="+", type=_resource)
        reader.add_argument("--tail", type=int)


def _resource(word: str) -> str:
    kind, slash, _ = word.partition("/")
    if slash and kind not in _RESOURCES:
        raise argparse.ArgumentTypeError(f"{kind} is no kind that the pages name")
    return word


def _given(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The objects that a command would send."""
    if asked.verb == "apply" and asked.folder:
        yield from build(asked.folder)
    elif asked.verb == "apply":
        yield from yaml.safe_load_all(asked.file.read_text("utf-8"))
    elif asked.verb == "create" and asked.kind == "secret":
        yield _secret(asked)


def _secret(asked: argparse.Namespace) -> dict[str, Any]:
    generic, name = asked.words
    assert generic == "generic"
    pairs = (text.partition("=") for text in asked.from_file)
    data = {key: base64.b64encode(Path(file).read_bytes()).decode() for key, _, file in pairs}
    if asked.type == "kubernetes.io/dockerconfigjson":
        json.loads(base64.b64decode(data[".dockerconfigjson"]))
    metadata = {"name": name}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": asked.type,
        "data": data,
    }


def htpasswd(arguments: Sequence[str]) -> None:
    """`htpasswd -Bbn NAME PASSWORD`: a line of an account file."""
    options, name, password = arguments
    assert options == "-Bbn"
    _say(f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}")


if __name__ == "__main__":
    stand_ins: dict[str, Callable[[Sequence[str]], None]] = {
        "docker": docker,
        "podman": podman,
        "kubectl": kubectl,
        "htpasswd": htpasswd,
    }
    stand_ins[sys.argv[1]](sys.argv[2:])
