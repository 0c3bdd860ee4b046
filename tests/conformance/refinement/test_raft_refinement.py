"""Raft's explored local steps are steps of models/raft.py; steps of wrong implementations, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.explore import NOT_REFINED, How, explore
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.scenario import load
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.judge import ghost_guards
from kubeproof.conformance.refinement.raft import RAFT
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.verdict import InvalidInput, Verdict
from kubeproof.impl.raft.types import Entry, MessageType, StateType
from kubeproof.impl.raft.types import Message as RaftMessage
from kubeproof.models import raft as spec
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Expression, Holds, Not, Or, Relation, Symbol
from kubeproof.models.logic.rewriting import children
from kubeproof.models.logic.specification import Specification

REFINING = (
    "raft-elections",
    "raft-replication",
    "raft-crash",
    "raft-lossy",
    "raft-heartbeats",
    "raft-pre-vote",
    "raft-read-index",
    "raft-transfer",
)

SIZES = {"raft-heartbeats": ("raft-replication", ("heartbeats=1",))}
"""What is no scenario of its own."""

NOT_EXERCISED = {
    "compact": "snapshots are not mapped so far",
    "send_snapshot": "likewise",
    "receive_known_snapshot": "likewise",
    "receive_new_snapshot": "likewise",
    "restart": "in a scenario where everything is stored at once, no commit index falls",
}
"""Actions that no scenario takes, with the reason."""

FAULTS = {
    "raft-vote-granted-twice": ("grant_vote", "voted_for_no_other"),
    "raft-vote-for-shorter-log": ("grant_vote", "up_to_date"),
    "raft-commit-beyond-matched-prefix": ("send_heartbeat", "within_match"),
    "raft-commit-older-term-by-counting": ("advance_commit", "entry_of_own_term"),
}
"""What each mistake makes impossible: an action, and its guard."""


def sends(kind: MessageType) -> Callable[[Taken], bool]:
    """Whether a step sends a message of this kind."""
    return lambda each: any(isinstance(sent.body, RaftMessage) and sent.body.type is kind for sent in each[3].sends)


def commits(each: Taken) -> bool:
    """Whether the commit index rises."""
    before, after = each[1], each[3].state
    return isinstance(before, Running) and isinstance(after, Running) and after.commit > before.commit


WHERE: dict[str, Callable[[Taken], bool]] = {
    "grant_vote": sends(MessageType.MsgVoteResp),
    "send_heartbeat": sends(MessageType.MsgHeartbeat),
    "advance_commit": commits,
}
"""Steps in which these actions are due."""

LOST = {
    "raft-vote-erased-on-reset": (None, spec.voted),
    "raft-truncate-without-conflict": ("receive_known_append", spec.log),
}
"""What each mistake takes away: the action that came closest, if any did, and the relation that it does not change so."""


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the local steps that its exploration takes until something is broken."""
    scenario, settings = SIZES.get(name, (name, ()))
    model = load(scenario, settings).model()
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


def without_guards(*guards: str) -> Specification:
    """The specification without these guards, as far as it has them."""
    actions = dict(spec.raft.actions)
    for action, guard in (each.split(".") for each in guards):
        if guard in actions[action].guards:
            actions[action] = actions[action].without_guard(guard)
    return replace(spec.raft, actions=actions)


@cache
def judged(name: str) -> Refinement:
    # A grant of a pre-vote for the member's own term is harmless: the specification lists the guard as one that safety needs not.
    return refine(RAFT._replace(specification=without_guards("grant_pre_vote.newer_term")), *taken(name))


@pytest.mark.parametrize("name", REFINING)
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    found = judged(name)
    assert found.refused == []
    members = [each for each in taken(name)[1] if isinstance(each[1], Running)]
    assert found.judged >= len(members) > 1000  # and the steps that lead to where the search begins


def test_every_action_is_used_or_listed() -> None:
    used: Counter[str] = sum((judged(name).actions for name in REFINING), Counter())
    assert {name for name in spec.raft.actions if not used[name]} == set(NOT_EXERCISED)


@pytest.mark.parametrize(("name", "expected"), FAULTS.items(), ids=list(FAULTS))
def test_a_mistake_is_a_step_that_no_action_allows(name: str, expected: tuple[str, str]) -> None:
    model, steps = taken(name)
    of_this_kind = [each for each in steps if WHERE[expected[0]](each)]
    refused = refine(RAFT, model, of_this_kind).refused
    assert expected in {(each.why.action, each.why.guard) for each in refused}


@pytest.mark.parametrize(("name", "expected"), LOST.items(), ids=list(LOST))
def test_a_mistake_takes_away_what_no_action_removes(name: str, expected: tuple[str | None, Symbol]) -> None:
    refused = refine(RAFT, *taken(name)).refused
    assert expected in {(each.why.action, each.why.symbol) for each in refused}


def test_only_the_existence_of_a_justification_is_left_to_invariants() -> None:
    erased = {f"{action.name}.{guard}" for action in spec.raft.actions.values() for guard in ghost_guards(action)}
    assert erased == {"send_append.justification", "send_heartbeat.justification", "send_snapshot.justification"}
    assert "every_commitment_is_justified" in spec.raft.properties


# ---- why it is enough to look at one member and what was sent

OWN = {spec.current, spec.left, spec.voted, spec.log, spec.committed, spec.compacted, spec.leader}
SENT = {symbol for symbol in spec.raft.symbols if isinstance(symbol, Relation) and not symbol.rigid and not symbol.ghost} - OWN


def atoms(formula: Expression, positive: bool = True) -> Iterator[tuple[Holds, bool]]:
    """Every relation in a formula, and whether it helps the formula to be true."""
    if isinstance(formula, Holds):
        yield formula, positive
    for part in children(formula):
        yield from atoms(part, positive != isinstance(formula, Not))


@pytest.mark.parametrize("action", spec.raft.actions.values(), ids=list(spec.raft.actions))
def test_guards_ask_for_own_tuples_and_for_what_was_sent(action: Action) -> None:
    for name, guard in action.guards.items():
        for atom, positive in atoms(guard):
            if atom.symbol in OWN:
                assert atom.arguments[0] is action.parameters[0], name
            elif atom.symbol in SENT:
                assert positive, name


@pytest.mark.parametrize("action", spec.raft.actions.values(), ids=list(spec.raft.actions))
def test_what_was_sent_remains_so(action: Action) -> None:
    for symbol, (parameters, body) in action.updates.items():
        if symbol in SENT:
            assert isinstance(body, Or)
            assert any(isinstance(part, Holds) and (part.symbol, part.arguments) == (symbol, parameters) for part in body.parts)


# ---- planted mistakes: each relation carries weight


@cache
def state_of(role: StateType) -> Running:
    """A member of this role in term 2 that has voted, and has two entries, of which one is committed."""
    found = (state for each in taken("raft-crash")[1] for state in (each[3].state,) if isinstance(state, Running))
    return next(
        state
        for state in found
        if (state.role, state.term, len(state.log) > 2, state.commit) == (role, 2, True, 1)
        and state.node.raft.vote
        and state.log[1].term == 1
    )


def with_raft(member: Running, /, **changes: Any) -> Running:
    return member._replace(node=member.node._replace(raft=member.node.raft._replace(**changes)))


def with_commit(member: Running, commit: int) -> Running:
    return with_raft(member, log=member.node.raft.log._replace(committed=commit))


def with_entries(member: Running, *entries: Entry) -> Running:
    return member._replace(storage=member.storage._replace(entries=entries))


def with_votes(member: Running, role: StateType) -> Running:
    tracker = member.node.raft.tracker._replace(votes=tuple((other, True) for other in (1, 2, 3)))
    return with_raft(member, tracker=tracker, state=role)


def with_matches(member: Running) -> Running:
    tracker = member.node.raft.tracker
    progress = tuple((other, known._replace(match=member.log[-1].index)) for other, known in tracker.progress)
    return with_raft(member, tracker=tracker._replace(progress=progress))


def with_value(member: Running) -> Running:
    *others, last = member.storage.entries
    return with_entries(member, *others, last._replace(data=b"another"))


def compacted(member: Running) -> Running:
    _, first, *others = member.storage.entries
    return with_entries(member, Entry(first.term, first.index), *others)


FOLLOWER, CANDIDATE, LEADER, PRE_CANDIDATE = StateType
CHANGES: dict[str, tuple[StateType, Callable[[Running], Running], Set[Symbol]]] = {
    "the term rises": (
        FOLLOWER,
        lambda member: with_raft(member, term=3, vote=0),
        {spec.current, spec.left, spec.begun},
    ),
    "the vote changes": (FOLLOWER, lambda member: with_raft(member, vote=member.node.raft.vote % 3 + 1), {spec.voted}),
    "an entry is lost": (FOLLOWER, lambda member: with_entries(member, *member.storage.entries[:-1]), {spec.log}),
    "an entry has another value": (FOLLOWER, with_value, {spec.value}),
    "the commit index falls": (FOLLOWER, lambda member: with_commit(member, 0), {spec.committed}),
    "the log is compacted": (FOLLOWER, compacted, {spec.compacted}),
    "a leader is a candidate": (LEADER, lambda member: with_raft(member, state=CANDIDATE), {spec.leader}),
    "acknowledgements are made up": (LEADER, with_matches, {spec.acked}),
    "votes are made up": (FOLLOWER, lambda member: with_votes(member, CANDIDATE), {spec.leader, spec.vote_granted}),
    "pre-votes are made up": (FOLLOWER, lambda member: with_votes(member, PRE_CANDIDATE), {spec.pre_vote_granted}),
}
"""Of each mistake: where it is planted, what comes of nothing, and what shows that."""

MESSAGES: dict[MessageType, Set[Symbol]] = {
    MessageType.MsgVote: {spec.vote_requested},
    MessageType.MsgVoteResp: {spec.vote_granted},
    MessageType.MsgPreVote: {spec.pre_vote_requested},
    MessageType.MsgPreVoteResp: {spec.pre_vote_granted},
}
"""What is told without a reason, and what shows that."""


def require_weight(step: Taken, shows: Set[Symbol]) -> None:
    """The step is refused, and would not be if nobody looked at what shows it; each of it is enough."""
    model = taken("raft-crash")[0]
    assert refine(RAFT, model, [step]).refused
    assert not refine(RAFT, model, [step], ignoring=shows).refused
    for symbol in shows:
        assert refine(RAFT, model, [step], ignoring=shows - {symbol}).refused


@pytest.mark.parametrize(("role", "change", "shows"), CHANGES.values(), ids=list(CHANGES))
def test_a_planted_change_is_shown_by_its_relations_only(
    role: StateType, change: Callable[[Running], Running], shows: Set[Symbol]
) -> None:
    member = state_of(role)
    require_weight((member.id - 1, member, Event("reconnect"), Step(change(member))), shows)


@pytest.mark.parametrize(("kind", "shows"), MESSAGES.items(), ids=[kind.name for kind in MESSAGES])
def test_a_planted_message_is_shown_by_its_relation_only(kind: MessageType, shows: Set[Symbol]) -> None:
    member = state_of(FOLLOWER)
    told = RaftMessage(kind, member.id % 3 + 1, member.id, member.term)
    require_weight((member.id - 1, member, Event("reconnect"), Step(member, (Message(told.to - 1, told),))), shows)


def test_every_relation_that_changes_carries_weight() -> None:
    shown = {symbol for _, _, shows in CHANGES.values() for symbol in shows} | {
        symbol for shows in MESSAGES.values() for symbol in shows
    }
    asked_for_by_guards = {spec.append_sent, spec.heartbeat_sent}  # whoever sends these must do so by an action
    not_mapped = {spec.snapshot_sent}
    state = {symbol for symbol in spec.raft.symbols if not symbol.rigid and not symbol.ghost}
    assert shown == state - asked_for_by_guards - not_mapped


# ---- the command


def test_a_scenario_is_judged_on_demand() -> None:
    result = explore("raft-elections", [], Limits(), How(refines="raft"))
    assert result.verdict is Verdict.HOLDS
    assert (result.details["refines"], result.details["local_steps_judged"]) == ("raft", 3153)
    actions = result.details["actions_used"]
    assert isinstance(actions, dict)
    assert actions["become_leader"] > 0 == actions["compact"]


@pytest.mark.parametrize(
    ("scenario", "name", "expected"),
    [
        ("raft-elections", "reads", "expected raft, got reads"),
        ("two-phase-commit", "raft", "raft speaks of no scenario with another system than raft"),
        ("raft-membership", "raft", "raft speaks of no scenario with changes"),
    ],
)
def test_what_the_map_does_not_speak_of_is_invalid(scenario: str, name: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        explore(scenario, [], Limits(), How(refines=name))


def test_a_step_that_no_action_allows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = taken("raft-vote-granted-twice")[1]
    monkeypatch.setattr(Exploration, "taken_steps", lambda _: iter(twice))
    result = explore("raft-elections", [], Limits(), How(refines="raft"))
    assert (result.verdict, result.property) == (Verdict.VIOLATED, NOT_REFINED)
    assert "its guard voted_for_no_other does not hold" in result.message
