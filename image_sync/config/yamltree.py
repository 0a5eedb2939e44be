"""Strict YAML: bytes in, a tree with places out, or every problem that reading shows.

Built on libyaml's events, not on its constructors: those read `1.20` as 1.2, keep the last of two
equal keys, follow cycles and expand alias bombs. Refused here: what is not UTF-8, several
documents, equal keys, tags other than `!!str`, `!!map` and `!!seq`, aliases that expand without
bound or into themselves, and nesting without bound. Merge keys (`<<: *anchor`) are honoured.

Not here: what a key or a value means (`config/convert.py`).
"""

import sys
from collections.abc import Iterator

import yaml

from image_sync.config.syntax import Fault, Spot, explain
from image_sync.config.tree import Entry, Mapping, Node, Scalar, Sequence, Where
from image_sync.config.wording import printable, quoted
from image_sync.errors import ConfigError, Problem

MAX_BYTES = 8 * 1024 * 1024
"""Bytes of one file: seven times what 10,000 images need (measured: 1.1 MB)."""
MAX_NODES = 1_000_000
"""Nodes of one file with all aliases expanded: ten times what 10,000 images need."""
MAX_DEPTH = 64
"""Levels of nesting; the deepest key of ours stands on the fifth."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is 20 times faster (measured)
_STRING_TAG = "tag:yaml.org,2002:str"
_TAGS: dict[type[yaml.Event], frozenset[str | None]] = {
    yaml.ScalarEvent: frozenset({None, "!", _STRING_TAG}),
    yaml.SequenceStartEvent: frozenset({None, "!", "tag:yaml.org,2002:seq"}),
    yaml.MappingStartEvent: frozenset({None, "!", "tag:yaml.org,2002:map"}),
}
_MERGE = "<<"


def parse(data: bytes, source: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one document and what is wrong with it; None if there is nothing in it.

    Args:
        data: The file's bytes, at most `MAX_BYTES`.
        source: Its name, for messages.

    Raises:
        ConfigError: It cannot be read to its end; the problems found before come first.
    """
    if len(data) > MAX_BYTES:
        limit = f"more than {MAX_BYTES // 1024 // 1024} MiB"
        raise _fatal(Where(source), f"the file has {limit}: split it into a folder of files")
    text = _decoded(data, source)
    builder = _Builder(text, source)
    try:
        return builder.document(), builder.problems
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, text, source)
        raise ConfigError([*builder.problems, problem]) from error
    except yaml.reader.ReaderError as error:
        where = _place(text.encode(), error.position, source)
        message = f"the character U+{error.character:04X} is not allowed in YAML"
        raise ConfigError([*builder.problems, Problem(message, str(where))]) from error


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, source: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(printable(f"not valid YAML: {error.problem}"), source)
    at = Spot(mark.line, mark.column)
    begun = error.context_mark
    since = Spot(begun.line, begun.column) if begun else at
    fault = Fault(error.problem or "", error.context or "", at, since, text.split("\n"))
    spot, said = explain(fault)
    where = Where(source, spot.line + 1, spot.column + 1)
    return Problem(printable(f"not valid YAML: {said}"), str(where))


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _place(data, error.start, source)
        raise _fatal(where, "the file is not UTF-8 text: save it as UTF-8") from error


def _place(data: bytes, offset: int, source: str) -> Where:
    """The place of a byte."""
    before = data[:offset]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", "replace")) + 1
    return Where(source, before.count(b"\n") + 1, column)


def _fatal(where: Where, message: str) -> ConfigError:
    return ConfigError([Problem(message, str(where))])


class _Builder:
    """Builds nodes from events; the one reader of a stream."""

    def __init__(self, text: str, source: str) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # None while still open
        self._nodes = 0

    def document(self) -> Node | None:
        """The only document of the stream."""
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._stop(event, "a second document begins: write one per file")
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, 1)
        if isinstance(root, Scalar) and root.is_null:
            return None
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if not isinstance(event, yaml.NodeEvent):
            raise self._stop(event, "a value is missing")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._stop(event, f"more than {MAX_NODES} values once aliases are expanded")
        if depth > MAX_DEPTH:
            raise self._stop(event, f"more than {MAX_DEPTH} levels of nesting")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor is None:
            return self._content(event, depth)
        before = self._nodes
        self._anchors[event.anchor] = None
        node = self._content(event, depth)
        self._anchors[event.anchor] = (node, self._nodes - before)
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        name = event.anchor or ""
        if name not in self._anchors:
            raise self._stop(event, f"the alias *{printable(name)} has no anchor above it")
        found = self._anchors[name]
        if found is None:
            raise self._stop(event, f"the alias *{printable(name)} stands inside itself")
        node, size = found
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._stop(event, f"more than {MAX_NODES} values once aliases are expanded")
        return node

    def _content(self, event: yaml.NodeEvent, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            self._check_tag(event, event.tag)
            plain = event.implicit[0] and event.tag is None
            return Scalar(self._where(event), event.value, plain)
        if isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, event.tag)
            return self._sequence(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            self._check_tag(event, event.tag)
            return self._mapping(event, depth)
        raise self._stop(event, "a value is missing")

    def _sequence(self, start: yaml.Event, depth: int) -> Sequence:
        items = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, depth + 1))
        return Sequence(self._where(start), tuple(items))

    def _mapping(self, start: yaml.Event, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, depth + 1)
            node = self._node(next(self._events), depth + 1)
            if isinstance(key, Scalar) and key.plain and key.text == _MERGE:
                merged.append(node)
            elif isinstance(key, Scalar):
                self._add(entries, key, Entry(key.where, node))
            else:
                self._problem(self._where(event), "a key must be a word")
        for node in merged:
            self._merge(entries, node)
        return Mapping(self._where(start), entries)

    def _add(self, entries: dict[str, Entry], key: Scalar, entry: Entry) -> None:
        name = sys.intern(key.text)  # thousands of images share few keys
        first = entries.setdefault(name, entry)
        if first is not entry:
            text = f"the key {quoted(key.text)} stands here again; first in line {first.key.line}"
            self._problem(entry.key, text)

    def _merge(self, entries: dict[str, Entry], node: Node) -> None:
        """Adds what `<<` names, below what stands there itself; the first of several wins."""
        for source in node.items if isinstance(node, Sequence) else (node,):
            if isinstance(source, Mapping):
                for name, entry in source.entries.items():
                    entries.setdefault(name, entry)
            else:
                self._problem(source.where, "<< takes an alias of a mapping, or a list of those")

    def _check_tag(self, event: yaml.NodeEvent, tag: str | None) -> None:
        if tag not in _TAGS[type(event)]:
            shown = quoted(str(tag).replace("tag:yaml.org,2002:", "!!"))
            self._problem(self._where(event), f"the tag {shown} is not known here: leave it out")

    def _where(self, event: yaml.Event) -> Where:
        mark = event.start_mark
        return Where(self._source, mark.line + 1, mark.column + 1) if mark else Where(self._source)

    def _problem(self, where: Where, message: str) -> None:
        self.problems.append(Problem(message, str(where)))

    def _stop(self, event: yaml.Event, message: str) -> ConfigError:
        return ConfigError([*self.problems, Problem(message, str(self._where(event)))])
