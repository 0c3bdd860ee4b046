"""Raft as in Diego Ongaro's TLA+ specification (github.com/ongardie/raft.tla), as a system to explore.

Three servers and one value; terms and logs are bounded, one message may be in flight, and what lies outside of these bounds is no
state. All actions are there: crash, timeout, vote request, becoming leader, client request, commit, append, a message taken in as
many steps as the specification takes, and its loss; a duplicate would be a second message. History variables are left out. Other
checkers have counted this model's states, so that theirs can be compared with ours.

As a program it explores the model once, and prints what that took as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.system import DROP, Event, Local, Message, Model, Property, Step, Symmetry
from kubeproof.conformance.limits import Limits

SERVERS = range(3)
QUORUM = 2
FOLLOWER, CANDIDATE, LEADER = "follower", "candidate", "leader"


class Server(NamedTuple):
    """A server. An entry of the log is its term; indexes count from 1."""

    term: int = 1
    role: str = FOLLOWER
    voted_for: int | None = None
    log: tuple[int, ...] = ()
    commit_index: int = 0
    votes_responded: frozenset[int] = frozenset()
    votes_granted: frozenset[int] = frozenset()
    next_index: tuple[int, ...] = (1,) * len(SERVERS)
    match_index: tuple[int, ...] = (0,) * len(SERVERS)

    @property
    def last_term(self) -> int:
        return self.log[-1] if self.log else 0


class VoteRequest(NamedTuple):
    source: int
    term: int
    last_log_term: int
    last_log_index: int


class VoteResponse(NamedTuple):
    source: int
    term: int
    granted: bool


class AppendRequest(NamedTuple):
    """`entry` is the term of the one entry that is sent, if any."""

    source: int
    term: int
    prev_log_index: int
    prev_log_term: int
    entry: int | None
    commit_index: int


class AppendResponse(NamedTuple):
    source: int
    term: int
    success: bool
    match_index: int


Body = VoteRequest | VoteResponse | AppendRequest | AppendResponse

RESTART, TIMEOUT, BECOME_LEADER = Event("restart"), Event("timeout"), Event("become_leader")
CLIENT_REQUEST, ADVANCE_COMMIT_INDEX = Event("client_request"), Event("advance_commit_index")
REQUEST_VOTE = tuple(Event("request_vote", server) for server in SERVERS)
APPEND_ENTRIES = tuple(Event("append_entries", server) for server in SERVERS)


@dataclass(frozen=True, slots=True)
class Raft:
    """The system; no term is above `term_max`, no log longer than `log_max`."""

    term_max: int
    log_max: int

    def initial(self) -> tuple[Local, ...]:
        """Followers in term 1."""
        return tuple(Server() for _ in SERVERS)

    def events(self, component: int, state: Any) -> Iterator[Event]:
        """What the server may do by itself."""
        yield RESTART
        if state.role == LEADER:
            yield CLIENT_REQUEST
            yield ADVANCE_COMMIT_INDEX
            yield from (APPEND_ENTRIES[to] for to in SERVERS if to != component)
            return
        yield TIMEOUT
        if state.role == CANDIDATE:
            yield from (REQUEST_VOTE[to] for to in SERVERS if to not in state.votes_responded)
            if len(state.votes_granted) >= QUORUM:
                yield BECOME_LEADER

    def step(self, component: int, state: Any, event: Event) -> Step | None:
        """One of these events; None outside of the bounds."""
        match event.name:
            case "restart":
                return Step(Server(state.term, voted_for=state.voted_for, log=state.log))
            case "timeout":
                return self._timeout(state)
            case "become_leader":
                next_index = (len(state.log) + 1,) * len(SERVERS)
                return Step(state._replace(role=LEADER, next_index=next_index, match_index=Server().match_index))
            case "client_request":
                return self._append(state, state.term)
            case "advance_commit_index":
                return Step(_commit(component, state))
            case "request_vote":
                return _send(state, event.argument, VoteRequest(component, state.term, state.last_term, len(state.log)))
            case _:
                return _send(state, event.argument, _append_request(component, state, event.argument))

    def receive(self, component: int, state: Any, message: Message) -> Step | None:
        """A message; one that tells of a later term, or that takes more than one step, stays under way."""
        body: Any = message.body
        if body.term > state.term:
            return Step(state._replace(term=body.term, role=FOLLOWER, voted_for=None), (message,))
        match body:
            case VoteRequest():
                return _vote(component, state, body)
            case AppendRequest():
                return self._take_append(component, state, body, message)
        return Step(_take_response(state, body) if body.term == state.term else state)

    def _timeout(self, state: Server) -> Step | None:
        if state.term == self.term_max:
            return None
        nobody: frozenset[int] = frozenset()
        return Step(
            state._replace(term=state.term + 1, role=CANDIDATE, voted_for=None, votes_responded=nobody, votes_granted=nobody)
        )

    def _append(self, state: Server, entry: int, *sends: Message) -> Step | None:
        return None if len(state.log) == self.log_max else Step(state._replace(log=(*state.log, entry)), sends)

    def _take_append(self, component: int, state: Server, request: AppendRequest, message: Message) -> Step | None:
        """One step of several: the request is only answered when the log agrees with it."""
        prev = request.prev_log_index
        agrees = prev == 0 or (prev <= len(state.log) and state.log[prev - 1] == request.prev_log_term)
        if request.term < state.term or (state.role == FOLLOWER and not agrees):
            return _send(state, request.source, AppendResponse(component, state.term, False, 0))
        if state.role == LEADER:
            return None
        if state.role == CANDIDATE:
            return Step(state._replace(role=FOLLOWER), (message,))
        if request.entry is None or state.log[prev : prev + 1] == (request.entry,):
            match_index = prev + (request.entry is not None)
            committed = state._replace(commit_index=request.commit_index)
            return _send(committed, request.source, AppendResponse(component, state.term, True, match_index))
        if len(state.log) > prev:
            return Step(state._replace(log=state.log[:-1]), (message,))
        return self._append(state, request.entry, message)


def _send(state: Server, to: Any, body: Body) -> Step:
    return Step(state, (Message(to, body),))


def _append_request(component: int, state: Server, to: Any) -> AppendRequest:
    prev = state.next_index[to] - 1
    entry = state.log[prev] if prev < len(state.log) else None
    prev_term = state.log[prev - 1] if prev else 0
    last = min(len(state.log), prev + 1)
    return AppendRequest(component, state.term, prev, prev_term, entry, min(state.commit_index, last))


def _commit(component: int, state: Server) -> Server:
    """A leader commits what a quorum has, if the last of it is of its own term."""
    others = sorted((match for server, match in enumerate(state.match_index) if server != component), reverse=True)
    agreed = min(others[QUORUM - 2], len(state.log))
    if agreed and state.log[agreed - 1] == state.term:
        return state._replace(commit_index=agreed)
    return state


def _vote(component: int, state: Server, request: VoteRequest) -> Step:
    up_to_date = (request.last_log_term, request.last_log_index) >= (state.last_term, len(state.log))
    granted = request.term == state.term and up_to_date and state.voted_for in (None, request.source)
    voted = state._replace(voted_for=request.source) if granted else state
    return _send(voted, request.source, VoteResponse(component, state.term, granted))


def _take_response(state: Server, response: VoteResponse | AppendResponse) -> Server:
    source = response.source
    if isinstance(response, VoteResponse):
        granted = state.votes_granted | {source} if response.granted else state.votes_granted
        return state._replace(votes_responded=state.votes_responded | {source}, votes_granted=granted)
    if response.success:
        next_index = _with(state.next_index, source, response.match_index + 1)
        return state._replace(next_index=next_index, match_index=_with(state.match_index, source, response.match_index))
    return state._replace(next_index=_with(state.next_index, source, max(state.next_index[source] - 1, 1)))


def _with(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


# ---- symmetry


def rename(value: Any, new: tuple[int, ...]) -> Any:
    """A server's state or a message's body, with another number for each server."""
    if not isinstance(value, Server):
        return value._replace(source=new[value.source])
    return value._replace(
        voted_for=None if value.voted_for is None else new[value.voted_for],
        votes_responded=frozenset(new[server] for server in value.votes_responded),
        votes_granted=frozenset(new[server] for server in value.votes_granted),
        next_index=_moved(value.next_index, new),
        match_index=_moved(value.match_index, new),
    )


def _moved(values: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(values[new.index(server)] for server in SERVERS)


# ---- what must hold


def election_safety(one: Server, other: Server) -> bool:
    """No two servers lead the same term."""
    return not (one.role == other.role == LEADER and one.term == other.term)


def log_matching(one: Server, other: Server) -> bool:
    """Where two logs have an entry of the same term at an index, they are the same up to there."""
    shared = min(len(one.log), len(other.log))
    return all(one.log[:at] == other.log[:at] for at in range(shared) if one.log[at] == other.log[at])


def state_machine_safety(one: Server, other: Server) -> bool:
    """What both know to be committed is the same."""
    last = min(one.commit_index, other.commit_index, len(one.log), len(other.log))
    return one.log[:last] == other.log[:last]


def model(term_max: int = 2, log_max: int = 2, *, symmetry: bool = False) -> Model:
    """The model at one size; with `symmetry`, states that differ in the servers' numbers alone count once."""
    return Model(
        Raft(term_max, log_max),
        tuple(f"server {number}" for number in SERVERS),
        messages_max=1,
        budgets={DROP: None},
        symmetry=Symmetry(tuple(SERVERS), rename) if symmetry else None,
        always=(
            Property("election_safety", "No two servers lead the same term.", election_safety, 2),
            Property("log_matching", "Logs that share an entry share all before it.", log_matching, 2),
            Property("state_machine_safety", "Servers agree on what is committed.", state_machine_safety, 2),
        ),
    )


def main() -> None:
    """Explore once, and print the counts and the processor seconds: of start and compilation, and of the exploration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--term-max", type=int, default=2)
    parser.add_argument("--log-max", type=int, default=2)
    parser.add_argument("--symmetry", action="store_true")
    arguments = parser.parse_args()
    Exploration(model(arguments.term_max, 0, symmetry=arguments.symmetry), Limits()).run()  # compiles
    started = time.process_time()
    exploration = Exploration(model(arguments.term_max, arguments.log_max, symmetry=arguments.symmetry), Limits())
    exploration.run()
    found = exploration.statistics
    figures = {"distinct": found.distinct, "generated": found.generated, "levels": found.depth + 1}
    seconds = {"seconds": time.process_time() - started, "start_seconds": started}
    print(json.dumps(figures | {"local_steps": exploration.steps.computed} | seconds))


if __name__ == "__main__":
    main()
