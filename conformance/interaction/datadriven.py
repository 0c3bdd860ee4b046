"""Files in the datadriven format: directives, each with arguments, input and the output that is expected of it.

The format is that of github.com/cockroachdb/datadriven, which etcd-io/raft's suites are written in:

    # a comment
    command argument key=value key=(value, value)
    input, any number of lines
    ----
    expected output, up to a blank line

Between two pairs of `----` lines expected output may hold blank lines. A directive that ends in a backslash goes on in the
next line. `subtest NAME` and `subtest end` bracket directives; they are checked here and otherwise have no effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SEPARATOR = "----"

_SPACES = re.compile(r"\s*")
_BLANKS = re.compile(r" *")
_COMMAND = re.compile(r"[^ ]+")
_KEY = re.compile(r"[^ =]+")
_VALUE = re.compile(r"[^ ]*")
_MARKS = re.compile(r"[(),]")

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class MalformedFile(Exception):
    """The text is not in the datadriven format; `line` is 1-based."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class BadDirective(Exception):
    """A command was given arguments or input that it does not take."""


@dataclass(frozen=True, slots=True)
class Argument:
    """`key`, `key=value` or `key=(value, value)`. `key` alone has no values; `key=` and `key=()` have one empty value."""

    key: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """One command. `line` is the 1-based line it begins in; `expected` is empty or ends with a newline.

    `input_end` and `end` are where its parts end in the file: the number of lines up to the separator, and up to the next
    directive's possible beginning.
    """

    line: int
    command: str
    arguments: tuple[Argument, ...]
    input: str
    expected: str
    input_end: int
    end: int

    def positional(self) -> list[str]:
        """The arguments without a value."""
        return [argument.key for argument in self.arguments if not argument.values]

    def value(self, key: str) -> str:
        """The single value of the first argument called `key`."""
        for argument in self.arguments:
            if argument.key == key:
                if len(argument.values) != 1:
                    raise BadDirective(f"argument {_shown(key)} needs one value, has {len(argument.values)}")
                return argument.values[0]
        raise BadDirective(f"argument {_shown(key)} is missing")


def parse(text: str) -> list[Directive]:
    """All directives of a file. MalformedFile if it is not in the format."""
    return _Reader(text).directives()


def split_lines(text: str) -> list[str]:
    """The lines without their ends (`\\n` or `\\r\\n`; no other character ends a line)."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def parse_line(line: str) -> tuple[str, tuple[Argument, ...]]:
    """Split a directive's line into its command and its arguments. ValueError, naming the column, if it is malformed."""
    line = line.strip()
    command = _COMMAND.match(line)
    if command is None:
        return "", ()
    arguments = []
    at = _end_of(_SPACES, line, command.end())
    while at < len(line):
        key = _KEY.match(line, at)
        if key is None:
            raise ValueError(f"column {at + 1}: expected an argument's name")
        values, at = _parse_values(line, key.end())
        arguments.append(Argument(key[0], values))
        at = _end_of(_SPACES, line, at)
    return command[0], tuple(arguments)


def _parse_values(line: str, at: int) -> tuple[tuple[str, ...], int]:
    """The values behind an argument's name that ends at `at`, and the position behind them."""
    if not line.startswith("=", at):
        return (), at
    if line.startswith("(", at + 1):
        return _parse_list(line, at + 2)
    end = _end_of(_VALUE, line, at + 1)
    return (line[at + 1 : end],), end


def _parse_list(line: str, at: int) -> tuple[tuple[str, ...], int]:
    """Values up to the parenthesis that closes the one before `at`; commas inside of inner parentheses do not separate."""
    values = []
    depth, begin = 1, at
    for mark in _MARKS.finditer(line, at):
        if mark[0] == "(":
            depth += 1
            continue
        if mark[0] == ")":
            depth -= 1
        if depth == 0:
            values.append(line[begin : mark.start()])
            return tuple(values), mark.end()
        if depth == 1 and mark[0] == ",":
            values.append(line[begin : mark.start()])
            begin = _end_of(_BLANKS, line, mark.end())
    raise ValueError(f"column {at}: the parenthesis is not closed")


def _end_of(pattern: re.Pattern[str], line: str, at: int) -> int:
    match = pattern.match(line, at)
    return at if match is None else match.end()


class _Reader:
    """Reads one file from top to bottom."""

    def __init__(self, text: str) -> None:
        self._lines = split_lines(text)
        self._next = 0
        self._subtests: list[tuple[str, int]] = []

    def directives(self) -> list[Directive]:
        found = []
        while self._next < len(self._lines):
            directive = self._directive()
            if directive is not None:
                found.append(directive)
        if self._subtests:
            name, line = self._subtests[-1]
            raise MalformedFile(line, f"subtest {_shown(name)} has no end")
        return found

    def _directive(self) -> Directive | None:
        """The directive that begins in the next line; None for a blank line, a comment or a subtest's bracket."""
        begin = self._next + 1
        parts = [self._take().strip()]
        if parts[0].startswith("#"):
            return None
        while parts[-1].endswith("\\") and self._next < len(self._lines):
            parts[-1] = parts[-1][:-1]
            parts.append(self._take().strip())
        try:
            command, arguments = parse_line(" ".join(parts))
        except ValueError as error:
            raise MalformedFile(begin, f"cannot parse the directive, {error}") from None
        if not command:
            return None
        if command == "subtest":
            self._subtest(begin, arguments)
            return None
        given = self._input()
        input_end = self._next
        return Directive(begin, command, arguments, given, self._expected(), input_end, self._next)

    def _subtest(self, line: int, arguments: tuple[Argument, ...]) -> None:
        names = [argument.key for argument in arguments]
        if names[:1] == ["end"]:
            if not self._subtests:
                raise MalformedFile(line, "subtest end without a beginning")
            name, _ = self._subtests.pop()
            if len(names) > 2 or names[1:] not in ([], [name]):
                raise MalformedFile(line, f"expected the end of subtest {_shown(name)}")
            return
        parent = f"{self._subtests[-1][0]}/" if self._subtests else ""
        if len(names) != 1 or not names[0].startswith(parent):
            raise MalformedFile(line, f"expected one name of a subtest, beginning with {_shown(parent)}")
        self._subtests.append((names[0], line))

    def _input(self) -> str:
        """Everything before the separator, which is left to be read."""
        begin = self._next
        while self._next < len(self._lines) and self._lines[self._next] != SEPARATOR:
            self._next += 1
        return "\n".join(self._lines[begin : self._next]).strip()

    def _expected(self) -> str:
        """The separator and what follows, including the blank line that ends it. Empty at the end of the file."""
        if self._next == len(self._lines):
            return ""
        self._next += 1
        if self._lines[self._next : self._next + 1] == [SEPARATOR]:
            self._next += 1
            return self._expected_with_blank_lines()
        begin = self._next
        while self._next < len(self._lines) and self._lines[self._next].strip():
            self._next += 1
        expected = self._lines[begin : self._next]
        self._next = min(self._next + 1, len(self._lines))
        return _joined(expected)

    def _expected_with_blank_lines(self) -> str:
        begin = self._next
        while self._next < len(self._lines) and self._lines[self._next : self._next + 2] != [SEPARATOR, SEPARATOR]:
            self._next += 1
        expected = self._lines[begin : self._next]
        self._next = min(self._next + 2, len(self._lines))
        if self._next < len(self._lines) and self._take() != "":
            raise MalformedFile(self._next, f"expected a blank line after the second pair of {SEPARATOR}")
        return _joined(expected)

    def _take(self) -> str:
        self._next += 1
        return self._lines[self._next - 1]


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def scan_unsigned(text: str) -> int:
    """An integer from 0 to 2**64-1, as Go's ParseUint reads it. BadDirective for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= 40 and int(text) < 2**64:
        return int(text)
    raise BadDirective(f"{_shown(text)} is not an integer from 0 to 2**64-1")


def scan_signed(text: str) -> int:
    """An integer from -2**63 to 2**63-1, as Go's ParseInt reads it. BadDirective for anything else."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits.isascii() and digits.isdigit() and len(digits) <= 40 and -(2**63) <= int(text) < 2**63:
        return int(text)
    raise BadDirective(f"{_shown(text)} is not an integer from -2**63 to 2**63-1")


def parse_bool(text: str) -> bool | None:
    """A truth value as Go's ParseBool reads it; None for anything else."""
    return True if text in _TRUE else False if text in _FALSE else None


def scan_bool(text: str) -> bool:
    """As parse_bool. BadDirective for anything else."""
    value = parse_bool(text)
    if value is None:
        raise BadDirective(f"{_shown(text)} is not true or false")
    return value


def _shown(text: str) -> str:
    """Text from the file, short and on one line."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")
