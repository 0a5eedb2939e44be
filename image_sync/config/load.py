"""Loading a configuration: flags above environment above files above defaults.

Everything is brought into one tree first, each value with its place, and converted once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import BinaryIO, TypeVar

import msgspec

from image_sync.config import files
from image_sync.config.cache import NO_CACHE
from image_sync.config.convert import Converter
from image_sync.config.environment import from_environment, variables
from image_sync.config.findings import in_order
from image_sync.config.loaded import Loaded, Override
from image_sync.config.resolve import problems_of
from image_sync.config.schema import Config
from image_sync.config.tree import Entry, Node, Scalar, Where
from image_sync.config.tree import Mapping as Tree
from image_sync.config.tree import Sequence as List
from image_sync.config.values import EMBEDDED
from image_sync.config.wording import label, printable
from image_sync.config.yamltree import parse
from image_sync.errors import ConfigError, Problem

_FLOW = ("[", "{")
"""How a list or a mapping begins in a variable or a flag."""
_MERGED = frozenset({"settings", "registries"})
"""Keys whose contents may be spread over several files."""
_T = TypeVar("_T")


def load(
    location: str | None = None,
    *,
    environ: Mapping[str, str],
    overrides: Sequence[Override] = (),
    stdin: BinaryIO | None = None,
) -> Loaded:
    """The configuration of a file, a folder of files or standard input (`-`).

    Without a location it is the one that `IMAGE_SYNC_CONFIG` names, else `./image-sync.yaml`, else
    `/etc/image-sync/config.yaml`.

    Raises:
        ConfigError: Something is wrong; it carries every problem there is.
    """
    problems: list[Problem] = []
    sources = _attempt(lambda: files.read(location, environ, stdin), problems) or ()
    roots = [root for root in (_root(source, problems) for source in sources) if root]
    if sources and not roots and not problems:
        names = ", ".join(printable(source.name) for source in sources)
        text = "the file is empty: expected at least cache_registry and images"
        problems.append(Problem(text, names))
    if not roots:
        _overlays(environ, overrides, problems)
        raise ConfigError(problems)
    tree = _merged(roots, problems)
    tree = _overlaid(tree, _overlays(environ, overrides, problems))
    return _converted(tree, tuple(source.name for source in sources), problems)


def from_arguments(
    references: Sequence[str],
    *,
    environ: Mapping[str, str],
    overrides: Sequence[Override] = (),
) -> Loaded:
    """The configuration that images named on the command line make, without a file.

    A reference without a tag means `latest`, as everywhere on command lines. The cache is what a
    flag or the environment says, else `embedded`. A file that would be read without them is not,
    which is a warning.

    Raises:
        ConfigError: Something is wrong; it carries every problem there is.
    """
    problems: list[Problem] = []
    items: list[Node] = []
    for number, reference in enumerate(references, 1):
        where = Where(f"argument {number}")
        last = reference[reference.rfind("/") + 1 :]
        text = reference if ":" in last or "@" in last else f"{reference}:latest"
        items.append(Scalar(where, text, plain=False))
    top = Where("command line")
    entries = {
        "cache_registry": Entry(top, Scalar(Where("default"), EMBEDDED, plain=False)),
        "images": Entry(top, List(top, tuple(items))),
    }
    tree = _overlaid(Tree(top, entries), _overlays(environ, overrides, problems))
    loaded = _converted(tree, (), problems)
    unread = files.left_unread(environ)
    if unread is None:
        return loaded
    text = f"{unread} is not read, because images are named; --image GLOB narrows those in it"
    return msgspec.structs.replace(loaded, warnings=(text,))


def _root(source: files.Source, problems: list[Problem]) -> Tree | None:
    """The mapping at the top of a file; None if it is empty or unreadable."""
    parsed = _attempt(lambda: parse(source.data, source.name), problems)
    if parsed is None:
        return None
    node, found = parsed
    problems += found
    if node is None or isinstance(node, Tree):
        return node
    text = "expected keys and values such as cache_registry: HOST at the top"
    problems.append(Problem(text, str(node.where)))
    return None


def _merged(roots: Sequence[Tree], problems: list[Problem]) -> Tree:
    """One mapping of several files: images in order, settings and registries side by side."""
    if len(roots) == 1:
        return roots[0]
    entries: dict[str, Entry] = {}
    for root in roots:
        for name, entry in root.entries.items():
            if not name.startswith("x-"):
                first = entries.setdefault(name, entry)
                if first is not entry:
                    entries[name] = _joined(name, first, entry, problems)
    return Tree(Where(roots[0].where.source), entries)


def _joined(path: str, first: Entry, second: Entry, problems: list[Problem]) -> Entry:
    """What a key that stands in two files holds."""
    match first.node, second.node:
        case List(where=where, items=some), List(items=more) if path == "images":
            return Entry(first.key, List(where, some + more))
        case Tree(where=where, entries=some), Tree(entries=more) if path in _MERGED:
            union = dict(some)
            for name, entry in more.items():
                known = union.setdefault(name, entry)
                if known is not entry:
                    _twice(f"{path}.{label(name)}", known, entry, problems)
            return Entry(first.key, Tree(where, union))
        case Scalar(is_null=True), _:
            return second
        case _, Scalar(is_null=True):
            return first
        case _:
            _twice(label(path), first, second, problems)
            return first


def _twice(path: str, first: Entry, second: Entry, problems: list[Problem]) -> None:
    text = f"stands in two files, first at {first.key}: keep one of them"
    problems.append(Problem(text, str(second.key), path))


def _overlays(
    environ: Mapping[str, str], overrides: Iterable[Override], problems: list[Problem]
) -> list[tuple[str, Node]]:
    """The values that lie above the files, lowest first."""
    found, complaints = from_environment(environ)
    problems += complaints
    paths = variables()
    wanted = [(paths[name], text, name) for name, text in sorted(found.items())]
    wanted += [(override.path, override.value, override.flag) for override in overrides]
    nodes = (
        (path, _attempt(partial(_inline, text, name), problems)) for path, text, name in wanted
    )
    return [(path, node) for path, node in nodes if node is not None]


def _inline(text: str, name: str) -> Node:
    """The value of a variable or a flag: a list or mapping in YAML's flow style, or a scalar."""
    text = text.strip()
    if text.startswith(_FLOW):
        node, problems = parse(text.encode("utf-8", "surrogateescape"), name)
        if problems:
            raise ConfigError(problems)
        if node is not None:
            return node
    return Scalar(Where(name), text, plain=True)


def _overlaid(tree: Tree, overlays: Iterable[tuple[str, Node]]) -> Tree:
    """The tree with some values put in, or put in the place of others."""
    for path, node in overlays:
        tree = _with(tree, path.split("."), node)
    return tree


def _with(tree: Tree, keys: Sequence[str], node: Node) -> Tree:
    """A mapping with a value put in, below some keys; unchanged if one of them is no mapping."""
    entries = dict(tree.entries)
    first, *rest = keys
    if not rest:
        entries[first] = Entry(node.where, node)
        return Tree(tree.where, entries)
    around = entries.get(first)
    if around is None or (isinstance(around.node, Scalar) and around.node.is_null):
        around = Entry(node.where, Tree(node.where, {}))
    if isinstance(around.node, Tree):
        entries[first] = Entry(around.key, _with(around.node, rest, node))
    return Tree(tree.where, entries)


def _converted(tree: Tree, names: tuple[str, ...], problems: list[Problem]) -> Loaded:
    """The configuration of a tree, if nothing is wrong with it."""
    converter = Converter()
    plain = {"cache_registry": NO_CACHE, "images": [], **converter.config(tree)}
    problems += converter.problems
    config = msgspec.convert(plain, Config)
    loaded = Loaded(config=config, origins=converter.origins, files=names)
    if problems:
        problems += problems_of(loaded, converter.numbers)
        raise ConfigError(in_order(problems))
    return loaded


def _attempt(step: Callable[[], _T], problems: list[Problem]) -> _T | None:
    """What a step gives, or None with its problems noted."""
    try:
        return step()
    except ConfigError as error:
        problems += error.problems
        return None
