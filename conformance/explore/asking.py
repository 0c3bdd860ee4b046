"""Asking the system for local steps: here, and, where many are wanted at once, in child processes as well.

Steps are pure, so who computes them does not matter. Children are forked, since a system need not be something that can be sent
to another process; only local states, messages and steps are. They end when their pipe does, even if this process is killed.
"""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

from kubeproof.conformance.explore.system import Event, Local, Message, Step, System

AT_ONCE = 32
MANY = 3 * AT_ONCE
"""Below so many queries it is not worth while to send some to somebody else."""


class Query(NamedTuple):
    """What does a component in this state do with a message; or if it is None, by itself."""

    component: int
    state: Local
    message: Message | None


class Answer(NamedTuple):
    """To a message, the step `taken`. Else the steps of the component's own events, and those of the parts of joint events."""

    taken: Step | None = None
    own: tuple[tuple[Event, Step | None], ...] = ()
    parts: tuple[Step | None, ...] = ()


Parts = Sequence[tuple[int, Event]]
"""Components, and what they do in joint events."""


class Askers:
    """This process and its children; use it as a context, at the end of which the children end."""

    def __init__(self, system: System, parts: Parts, processes: int) -> None:
        self._system = system
        self._parts = parts
        self._wanted = processes - 1 if sys.platform != "win32" else 0
        self._children: list[Connection] = []

    def __enter__(self) -> Askers:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.close()
        self._children = []

    def ask(self, queries: Sequence[Query]) -> list[Answer]:
        """The answers, in the order of the queries. What a system raises is raised here."""
        if len(queries) < MANY or not self._wanted:
            return [self._answer(query) for query in queries]
        if not self._children:
            self._fork()
        try:
            return self._shared(queries)
        except BaseException:
            self.__exit__()  # answers that nobody takes may be on their way
            raise

    def _shared(self, queries: Sequence[Query]) -> list[Answer]:
        """Who is ready takes the next few: another process may have to wait for its processor."""
        answers: list[Answer] = [Answer()] * len(queries)
        starts = iter(range(0, len(queries), AT_ONCE))
        busy = dict(zip(self._children, starts, strict=False))
        for child, start in busy.items():
            child.send(queries[start : start + AT_ONCE])
        for start in starts:
            answers[start : start + AT_ONCE] = [self._answer(query) for query in queries[start : start + AT_ONCE]]
            for child in [child for child in busy if child.poll()]:
                done = busy.pop(child)
                answers[done : done + AT_ONCE] = _received(child)
                following = next(starts, None)
                if following is not None:
                    child.send(queries[following : following + AT_ONCE])
                    busy[child] = following
        for child, start in busy.items():
            answers[start : start + AT_ONCE] = _received(child)
        return answers

    def _answer(self, query: Query) -> Answer:
        component, state, message = query
        system = self._system
        if message is not None:
            return Answer(taken=system.receive(component, state, message))
        own = tuple([(event, system.step(component, state, event)) for event in system.events(component, state)])
        parts = [system.step(component, state, event) for concerned, event in self._parts if concerned == component]
        return Answer(own=own, parts=tuple(parts))

    def _fork(self) -> None:
        fork = multiprocessing.get_context("fork")
        for _ in range(self._wanted):
            ours, theirs = fork.Pipe()
            child = fork.Process(target=self._serve, args=(theirs, [*self._children, ours]), daemon=True)
            with warnings.catch_warnings():
                # Other threads of this process wait while one asks, and hold no lock that a child needs.
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
            theirs.close()
            self._children.append(ours)

    def _serve(self, connection: Connection, others: Sequence[Connection]) -> None:
        """A child's life. It closes the ends of pipes that are not its own, so that each ends with this process."""
        for other in others:
            other.close()
        while True:
            try:
                queries = connection.recv()
            except (EOFError, KeyboardInterrupt):
                return
            try:
                answers: object = [self._answer(query) for query in queries]
            except Exception as error:
                answers = error
            try:
                connection.send(answers)
            except BrokenPipeError:
                return


def _received(child: Connection) -> list[Answer]:
    answers = child.recv()
    if isinstance(answers, Exception):
        raise answers
    return list(answers)
