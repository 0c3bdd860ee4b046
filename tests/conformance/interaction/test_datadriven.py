"""The datadriven format: what is read, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeproof.conformance.interaction.datadriven import (
    Argument,
    BadDirective,
    MalformedFile,
    parse,
    parse_line,
    scan_bool,
    scan_signed,
    scan_unsigned,
)


def test_a_directive_has_arguments_input_and_expected_output() -> None:
    text = """# A comment.

put 1 key=value
  first line

# not a comment
----
done
  indented

get
----
"""
    put, get = parse(text)
    assert (put.line, put.command, put.positional(), put.value("key")) == (3, "put", ["1"], "value")
    assert put.input == "first line\n\n# not a comment"
    assert put.expected == "done\n  indented\n"
    assert (get.line, get.command, get.arguments, get.input, get.expected) == (11, "get", (), "", "")


def test_a_blank_line_ends_expected_output_even_if_it_has_spaces() -> None:
    first, second = parse("one\n----\nout\n  \t\ntwo\n----\n\n\n# end\n")
    assert (first.expected, second.expected) == ("out\n", "")
    assert second.line == 5


def test_expected_output_between_double_separators_may_have_blank_lines() -> None:
    first, second = parse("one\n----\n----\na\n\n----\nb\n----\n----\n\ntwo\n----\nc\n")
    assert first.expected == "a\n\n----\nb\n"
    assert second.expected == "c\n"


@pytest.mark.parametrize("text", ["one\n----\n----\na\n----\n----\n", "one\n----\n----\na\n----\n----"])
def test_double_separators_may_end_the_file(text: str) -> None:
    assert [directive.expected for directive in parse(text)] == ["a\n"]


def test_double_separators_without_an_end_take_everything() -> None:
    assert [directive.expected for directive in parse("one\n----\n----\na\n\nb\n")] == ["a\n\nb\n"]


def test_something_behind_double_separators_is_refused() -> None:
    with pytest.raises(MalformedFile, match="expected a blank line after the second pair") as refused:
        parse("one\n----\n----\na\n----\n----\ntwo\n")
    assert refused.value.line == 7


def test_the_end_of_the_file_may_come_at_any_place() -> None:
    assert [(d.command, d.input, d.expected) for d in parse("one")] == [("one", "", "")]
    assert [(d.command, d.input, d.expected) for d in parse("one\ninput\n")] == [("one", "input", "")]
    assert [(d.command, d.input, d.expected) for d in parse("one\n----")] == [("one", "", "")]
    assert [(d.command, d.input, d.expected) for d in parse("one\n----\nout")] == [("one", "", "out\n")]


def test_a_directive_goes_on_after_a_backslash() -> None:
    first, second = parse("one \\\n   two \\\nthree=(4,\\\n5)\n----\n\nsix\\\n")
    assert first.positional() == ["two"]
    assert first.arguments[1] == Argument("three", ("4", "5"))
    assert (first.line, second.line, second.command) == (1, 7, "six\\")


def test_line_ends_of_other_systems() -> None:
    assert [(d.command, d.expected) for d in parse("one\r\n----\r\nout\r\n\r\ntwo\n----\r\n")] == [("one", "out\n"), ("two", "")]


def test_only_a_newline_ends_a_line() -> None:
    assert [d.expected for d in parse("one\n----\na\x0bb\u2028c\x1ed\n")] == ["a\x0bb\u2028c\x1ed\n"]


def test_subtests_bracket_directives() -> None:
    text = "subtest a\none\n----\n\nsubtest a/b\ntwo\n----\n\nsubtest end a/b\nsubtest end\nthree\n----\n"
    assert [directive.command for directive in parse(text)] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("subtest end\n", 1, "without a beginning"),
        ("\nsubtest\n", 2, "expected one name"),
        ("subtest a b\n", 1, "expected one name"),
        ("subtest a\nsubtest b\n", 2, "beginning with 'a/'"),
        ("subtest a\nsubtest end b\n", 2, "expected the end of subtest 'a'"),
        ("subtest a\nsubtest end a a\n", 2, "expected the end of subtest 'a'"),
        ("one\n----\n\nsubtest a\n", 4, "has no end"),
    ],
)
def test_subtests_that_do_not_match_are_refused(text: str, line: int, problem: str) -> None:
    with pytest.raises(MalformedFile, match=problem) as refused:
        parse(text)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("cmd", []),
        ("  cmd  a   b ", [("a",), ("b",)]),
        ("cmd a=b", [("a", "b")]),
        ("cmd a=b,c d", [("a", "b,c"), ("d",)]),
        ("cmd a= b", [("a", ""), ("b",)]),
        ("cmd a=", [("a", "")]),
        ("cmd a=b=c", [("a", "b=c")]),
        ("cmd a=()", [("a", "")]),
        ("cmd a=(b)", [("a", "b")]),
        ("cmd a=(b,  c,d )e", [("a", "b", "c", "d "), ("e",)]),
        ("cmd a=(b, (c, d), e(f))", [("a", "b", "(c, d)", "e(f)")]),
        ("cmd a=(,)", [("a", "", "")]),
        ("cmd (a,b)", [("(a,b)",)]),
        ('cmd "a b"', [('"a',), ('b"',)]),
        ("cmd a\tb", [("a\tb",)]),
    ],
)
def test_arguments(line: str, arguments: list[tuple[str, ...]]) -> None:
    assert parse_line(line) == ("cmd", tuple(Argument(key, tuple(values)) for key, *values in arguments))


@pytest.mark.parametrize(("line", "column"), [("cmd =a", 5), ("cmd a=(b", 7), ("cmd a=(b, (c)", 7), ("cmd a =b", 7)])
def test_malformed_arguments_are_refused(line: str, column: int) -> None:
    with pytest.raises(ValueError, match=f"^column {column}: "):
        parse_line(line)
    with pytest.raises(MalformedFile, match=f"column {column}"):
        parse(f"{line}\n----\n")


def test_deep_nesting_takes_no_time() -> None:
    depth = 200_000
    assert parse_line(f"cmd a={'(' * depth}{')' * depth}")[1][0].values == ("(" * (depth - 1) + ")" * (depth - 1),)
    with pytest.raises(ValueError, match="not closed"):
        parse_line(f"cmd a={'(' * depth}")
    assert len(parse_line("cmd a=(" + "b, " * depth + "c)")[1][0].values) == depth + 1
    assert len(parse_line("cmd" + " a" * depth)[1]) == depth


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        directives = parse(text)
    except MalformedFile as error:
        assert 1 <= error.line <= text.count("\n") + 1
        return
    assert [directive.line for directive in directives] == sorted({directive.line for directive in directives})


@given(st.lists(st.sampled_from(["----", "", "a", " ", "a b=(c,", "\\", "b \\", "# c", "subtest a", "subtest end", "=x"])))
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    try:
        directives = parse("\n".join(lines))
    except MalformedFile as error:
        assert 1 <= error.line <= len(lines)
        return
    ends = [0] + [end for directive in directives for end in (directive.line, directive.input_end, directive.end)]
    assert ends == sorted(ends)
    assert ends[-1] <= len(lines)


def test_a_missing_or_repeated_value_is_refused() -> None:
    (directive,) = parse("cmd a=1 a=2 b=(3, 4)\n----\n")
    assert directive.value("a") == "1"
    for key in ("b", "c"):
        with pytest.raises(BadDirective, match=key):
            directive.value(key)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("007", 7), ("18446744073709551615", 2**64 - 1)])
def test_unsigned_integers(text: str, value: int) -> None:
    assert scan_unsigned(text) == value


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", " 1", "0x1", "1_0", "\u0661", "18446744073709551616", "9" * 10_000])
def test_other_unsigned_integers_are_refused(text: str) -> None:
    with pytest.raises(BadDirective):
        scan_unsigned(text)


@pytest.mark.parametrize(("text", "value"), [("+7", 7), ("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)])
def test_signed_integers(text: str, value: int) -> None:
    assert scan_signed(text) == value


@pytest.mark.parametrize("text", ["", "-", "+-1", "9223372036854775808", "-" + "9" * 10_000])
def test_other_signed_integers_are_refused(text: str) -> None:
    with pytest.raises(BadDirective):
        scan_signed(text)


def test_truth_values() -> None:
    assert [scan_bool(text) for text in ("1", "t", "T", "TRUE", "true", "True")] == [True] * 6
    assert [scan_bool(text) for text in ("0", "f", "F", "FALSE", "false", "False")] == [False] * 6
    for text in ("", "yes", "tRUE"):
        with pytest.raises(BadDirective):
            scan_bool(text)
