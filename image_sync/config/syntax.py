"""What is wrong with a text that is no YAML, in words for those who wrote it.

A parser says where it gave up, in its own terms; the mistake is often earlier. The rules below know
the usual ones: tabs, a missing blank after a colon, quotes and brackets that are never closed,
lines that are not lined up, characters that need quotes.

Not here: reading YAML (`config/yamltree.py`).
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from image_sync.config.schema import ImageEntry
from image_sync.config.wording import quoted
from image_sync.oci import quoting

_END = "the end of the text"


class Spot(NamedTuple):
    """A place in a text; both count from 0, in characters."""

    line: int
    column: int


class Fault(NamedTuple):
    """What a parser says.

    Attributes:
        problem: What it did not like, in libyaml's words.
        context: What it was reading, in libyaml's words; empty if it does not say.
        at: Where it gave up.
        since: Where that began which it was reading.
        lines: The text.
    """

    problem: str
    context: str
    at: Spot
    since: Spot
    lines: Sequence[str]

    def line(self, number: int) -> str:
        """A line of the text; empty beyond its end."""
        return self.lines[number] if 0 <= number < len(self.lines) else ""

    @property
    def before(self) -> str:
        """What stands before the place, in its line."""
        return self.line(self.at.line)[: self.at.column]

    @property
    def rest(self) -> str:
        """What stands at the place, up to the end of its line."""
        return self.line(self.at.line)[self.at.column :]

    @property
    def found(self) -> str:
        """The character at the place, in words."""
        if self.rest.strip():
            return quoting.quoted(self.rest[0])
        over = not "".join(self.lines[self.at.line + 1 :]).strip()
        return _END if over else "the end of the line"


class Explained(NamedTuple):
    """A mistake: where, what was found, and what to do."""

    spot: Spot
    text: str


Rule = Callable[[Fault], Explained | None]

_NO_BLANK = re.compile(r" *(?P<item>(?:- +)*)(?P<key>[\w.-]+):(?=[^\s/])")
"""A key that its value follows at once; no URL."""
_OPENS = re.compile(r"(?:^|[\s\[{,])([\"'])$")
"""A quote where a value begins."""
_NO_MAPPING = "mapping values are not allowed in this context"
_NO_COLON = "could not find expected ':'"
_NO_KEY = "did not find expected key"
_NO_ITEM = "did not find expected '-' indicator"
_ABOUT_COLONS = frozenset({_NO_MAPPING, _NO_COLON})
_USUAL = (
    "usual causes are a tab, no blank after a colon, a quote that is never closed, and lines that "
    "are not lined up"
)


def explain(fault: Fault) -> Explained:
    """What is wrong, and where it is to be mended."""
    for rule in _RULES:
        explained = rule(fault)
        if explained is not None:
            return explained
    return Explained(fault.at, f"found {fault.found}, which cannot stand here; {_USUAL}")


def _template(fault: Fault) -> Explained | None:
    for number in (fault.at.line, fault.since.line):
        column = fault.line(number).find("{{")
        if column >= 0:
            text = "found {{: is this a template that was not rendered? Else put it in quotes"
            return Explained(Spot(number, column), text)
    return None


def _tab(fault: Fault) -> Explained | None:
    line = fault.line(fault.at.line)
    column = line.find("\t")
    if column < 0 or line[:column].strip():
        return None
    return Explained(
        Spot(fault.at.line, column), "found a tab: indent with blanks, not tabs, in every line"
    )


def _quote(fault: Fault) -> Explained | None:
    if fault.context != "while scanning a quoted scalar":
        return None
    mark = fault.line(fault.since.line)[fault.since.column : fault.since.column + 1]
    return _unclosed(fault.since, mark)


def _escape(fault: Fault) -> Explained | None:
    if fault.context != "while parsing a quoted scalar":
        return None
    text = "found \\ with something that it does not go with: write \\\\, or use single quotes"
    return Explained(fault.at, text)


def _bracket(fault: Fault) -> Explained | None:
    if not fault.context.startswith("while parsing a flow"):
        return None
    begin = fault.line(fault.since.line)[fault.since.column :][:1]
    end = {"[": "]", "{": "}"}.get(begin)
    if end:
        over = fault.found == _END
        place = _END if over else f"line {fault.at.line + 1}, column {fault.at.column + 1}"
        advice = "close it, and put commas between its values"
        text = f"found no {end} for this {begin} up to {place}: {advice}"
        return Explained(fault.since, text)
    advice = "" if fault.rest.strip() else ": close every [ with ] and every { with }"
    return Explained(fault.at, f"found {fault.found} where a value should be{advice}")


def _no_blank(fault: Fault) -> Explained | None:
    if fault.problem not in _ABOUT_COLONS:
        return None
    for number in (fault.since.line, fault.at.line - 1, fault.at.line):
        match = _NO_BLANK.match(fault.line(number))
        if match and (not match["item"] or match["key"] in ImageEntry.__struct_fields__):
            key = match["key"]
            text = f"found no blank after {quoted(key + ':')}: write {key}: VALUE"
            return Explained(Spot(number, match.end()), text)
    return None


def _second_colon(fault: Fault) -> Explained | None:
    if fault.problem not in _ABOUT_COLONS or ": " not in fault.before:
        return None
    text = "found a second colon in the line: put the value in quotes if it is a part of it"
    return Explained(fault.at, text)


def _no_colon(fault: Fault) -> Explained | None:
    if fault.problem != _NO_COLON:
        return None
    word = fault.line(fault.since.line)[fault.since.column :].split(" ")[0]
    return Explained(fault.since, f"found {quoted(word)} without a colon: expected KEY: VALUE")


def _open_above(fault: Fault) -> Explained | None:
    """The quote before a value ended what a quote in a line above began."""
    opens = _OPENS.search(fault.before)
    if fault.problem != _NO_KEY or opens is None:
        return None
    for number in range(fault.at.line - 1, -1, -1):
        line = fault.line(number)
        if line.count(opens[1]) % 2:
            return _unclosed(Spot(number, line.rindex(opens[1])), opens[1])
    return None


def _unclosed(spot: Spot, mark: str) -> Explained:
    return Explained(spot, f"found no end of the quoted text: close it with {mark}")


def _behind_a_value(fault: Fault) -> Explained | None:
    if fault.problem != _NO_KEY or not fault.before.strip(" -"):
        return None
    advice = "put all of it in quotes, and write those inside twice or of the other kind"
    return Explained(fault.at, f"found {fault.found} behind the end of a value: {advice}")


def _lined_up(fault: Fault) -> Explained | None:
    if fault.problem not in {_NO_KEY, _NO_ITEM}:
        return None
    indent = _indent(fault.line(fault.at.line))
    what = "items" if fault.problem == _NO_ITEM else "keys"
    among = f"the {what} since line {fault.since.line + 1}"
    if indent == fault.since.column:
        found = "without a -" if fault.problem == _NO_ITEM else f"with {fault.found}"
        text = f"found a line {found} among {among}: it belongs further left or right"
        return Explained(fault.at, text)
    found = f"found a line that is indented by {_blanks(indent)}"
    text = f"{found}, and {among} by {_blanks(fault.since.column)}: line it up with its neighbours"
    return Explained(Spot(fault.at.line, indent), text)


def _too_deep(fault: Fault) -> Explained | None:
    """A key below a line that has a value already, or is no key."""
    if fault.problem != _NO_MAPPING:
        return None
    indent = _indent(fault.line(fault.at.line))
    above = next((n for n in range(fault.at.line - 1, -1, -1) if fault.line(n).strip()), None)
    if above is None:
        return None
    outer = _indent(fault.line(above))
    if indent <= outer:
        word = fault.line(above).split()[0]
        text = f"found {quoted(word)} without a colon: expected KEY: VALUE"
        return Explained(Spot(above, outer), text)
    found = f"found a line that is indented by {_blanks(indent)}"
    text = f"{found}, below line {above + 1}, which has a value already: line it up with its keys"
    return Explained(Spot(fault.at.line, indent), text)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _nesting(fault: Fault) -> Explained | None:
    if "nesting depth" not in fault.problem:
        return None
    return Explained(fault.at, "found more levels of nesting than anything here has")


def _needs_quotes(fault: Fault) -> Explained | None:
    if fault.problem == "found character that cannot start any token":
        return Explained(fault.at, f"found {fault.found}: a value that begins so needs quotes")
    if fault.context in {"while scanning an alias", "while scanning an anchor"}:
        sign = fault.line(fault.since.line)[fault.since.column : fault.since.column + 1]
        text = f"found {quoting.quoted(sign)} without a name: a value that begins so needs quotes"
        return Explained(fault.since, text)
    return None


def _block(fault: Fault) -> Explained | None:
    if fault.context != "while scanning a block scalar":
        return None
    return Explained(
        fault.at, f"found {fault.found} behind | or >: begin the text in the next line"
    )


def _blanks(count: int) -> str:
    return "1 blank" if count == 1 else f"{count} blanks"


_RULES: Sequence[Rule] = (
    _tab,
    _template,
    _quote,
    _escape,
    _bracket,
    _second_colon,
    _no_blank,
    _no_colon,
    _open_above,
    _behind_a_value,
    _lined_up,
    _too_deep,
    _needs_quotes,
    _block,
    _nesting,
)
"""The first that knows the mistake is believed."""
