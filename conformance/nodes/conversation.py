"""A conversation with a child process in the node protocol: calls, and answers that are what they must be."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from kubeproof.conformance.ndjson import explained
from kubeproof.conformance.nodes import protocol
from kubeproof.conformance.nodes.process import Process, shown
from kubeproof.conformance.verdict import InvalidInput

OBSERVE = protocol.encoded(protocol.Observe())

DEPTH_MAX = 100
TOO_DEEP = f"expected at most {DEPTH_MAX} objects and arrays inside each other"

Decoded = TypeVar("Decoded")


class _Version(msgspec.Struct):
    """What every version of an answer to `hello` has."""

    version: int


class Conversation:
    """Begins with `hello`. InvalidInput for whatever is wrong; `end` must follow."""

    def __init__(self, command: str, members: int, options: Mapping[str, protocol.Option], answer_s: float) -> None:
        self._members = members
        self._options = dict(options)
        self._process = Process(_words(command), command, answer_s)
        try:
            self._greeting = self._greeted()
        except BaseException:
            self.end()
            raise

    @property
    def restores(self) -> bool:
        """Whether the node can restore states."""
        return self._greeting.restores

    def end(self) -> None:
        """End the process."""
        self._process.stop()

    def ask(self, calls: Sequence[bytes]) -> list[bytes]:
        """The answers to calls, asked without waiting for one before the next."""
        return self._process.exchange(calls)

    def failed(self, problem: str) -> InvalidInput:
        """What to raise if an answer cannot be."""
        return self._process.failed(problem)

    # ---- calls

    def init(self, number: int) -> bytes:
        """Be this node from its start."""
        return protocol.encoded(protocol.Init(number, self._members, self._options))

    def restore(self, number: int, state: object) -> bytes:
        """Be this node in a state that it has told."""
        return protocol.encoded(protocol.Restore(number, self._members, self._options, state))

    # ---- answers

    def begun(self, line: bytes) -> None:
        """To `init`."""
        self._decoded(line, protocol.Begun, "init")

    def restored(self, line: bytes) -> bool:
        """To `restore`."""
        return self._decoded(line, protocol.Restored, "restore").restored

    def stepped(self, line: bytes) -> protocol.Stepped:
        """To `step`."""
        stepped = self._decoded(line, protocol.Stepped, "step")
        for message in stepped.sends:
            self._require_members("step", "sends.to", message.to)
        for observation in stepped.between:
            self._check(observation, "step")
        return stepped

    def told(self, line: bytes) -> bytes:
        """To `observe`, in canonical JSON."""
        situation = self._decoded(line, protocol.Situation, "observe")
        self._check(situation, "observe")
        known = (*protocol.STANDARD_EVENTS, *self._greeting.events)
        for event in situation.events:
            if event.name not in known:
                raise self._expected("observe", "events.name", f"{', '.join(known)} (other names are told by hello)", event.name)
        return protocol.encoded(situation)

    def _greeted(self) -> protocol.Greeting:
        line = self.ask([protocol.encoded(protocol.Hello())])[0]
        version = self._decoded(line, _Version, "hello").version
        if version != protocol.VERSION:
            raise self._expected("hello", "version", str(protocol.VERSION), str(version))
        greeting = self._decoded(line, protocol.Greeting, "hello")
        self._process.called = shown(greeting.name.encode())
        for name in self._options:
            if name not in greeting.options:
                raise self.failed(f"has the options {', '.join(greeting.options) or '(none)'}: expected one of them, got {name}")
        return greeting

    def _decoded(self, line: bytes, type_: type[Decoded], call: str) -> Decoded:
        try:
            if _depth(line) <= DEPTH_MAX:
                return msgspec.json.decode(line, type=type_)
            problem = TOO_DEEP
        except msgspec.ValidationError as error:
            problem = explained(str(error), type_)
        except (msgspec.DecodeError, UnicodeDecodeError):
            problem = f"expected one JSON object, got {shown(line) or 'an empty line'}"
        except RecursionError:
            problem = TOO_DEEP
        raise self.failed(f"has answered {call} wrongly: {problem}")

    def _check(self, observation: protocol.Observation, call: str) -> None:
        """What types do not say."""
        self._require_members(call, "voted_for", observation.voted_for)
        self._require_members(call, "leader", observation.leader)
        for each in observation.progress:
            self._require_members(call, "progress.node", each.node)
        first = observation.log[0].index
        for at, entry in enumerate(observation.log, first):
            if entry.index != at:
                raise self._expected(call, f"log[{at - first}].index", str(at), str(entry.index))

    def _require_members(self, call: str, field: str, number: int) -> None:
        if number > self._members:
            raise self._expected(call, field, f"at most {self._members}", str(number))

    def _expected(self, call: str, field: str, expected: str, got: str) -> InvalidInput:
        return self.failed(f"has answered {call} wrongly: {field}: expected {expected}, got {shown(got.encode())}")


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as problem:
        raise InvalidInput("node", None, f"expected a command line, got {command}: {problem}") from problem
    if not words:
        raise InvalidInput("node", None, "expected a command line, got nothing")
    return words


def _depth(line: bytes) -> int:
    """How deep the JSON of a line is nested, which is not looked at while there are only a few brackets."""
    if line.count(b"{") + line.count(b"[") <= DEPTH_MAX:
        return 0
    deepest, level = 0, [msgspec.json.decode(line)]
    while level:
        deepest += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return deepest


def _inside(value: object) -> list[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]
