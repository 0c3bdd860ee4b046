"""Raft's explored local steps are steps of models/membership.py; steps of wrong implementations, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

import pytest

from kubeproof.conformance.bindings.raft.member import ANSWER
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.inductive import hold_along
from kubeproof.conformance.refinement.judge import ghost_guards
from kubeproof.conformance.refinement.locality import Locality
from kubeproof.conformance.refinement.membership import EMPTY, MEMBERSHIP, Halves, Place, Tree
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.scenario import Scenario, load, shipped
from kubeproof.impl.raft import ConfState
from kubeproof.impl.raft.confchange import ConfChangeV2, conf_changes_from_string, encode_conf_change
from kubeproof.impl.raft.types import Entry, MessageType, StateType
from kubeproof.impl.raft.types import Message as RaftMessage
from kubeproof.models import membership as spec
from kubeproof.models.logic.formulas import Symbol
from tests.conformance.refinement.weight import require_weight

SIZES = {
    "raft-crash": ("raft-crash", ("proposals=0",)),
    "raft-membership": ("raft-membership", ("proposals=0",)),
    "learners": ("raft-membership", ("learners=0", "spares=1", "add_learner=true", "replace=false", "proposals=0")),
    "joint until told": ("raft-membership", ("explicit=true", "proposals=0")),
    "a leader removes itself": ("raft-removed-leader-leads-on", ("step_down_on_removal=true", "recovery=false")),
    "all threads are slow": ("raft-asynchronous-writes", ("slow_answers=1", "slow_applies=1", "proposals=0")),
    "raft-election-without-joint-quorum": ("raft-election-without-joint-quorum", ("messages=4",)),
    "raft-commit-older-term-by-counting": ("raft-commit-older-term-by-counting", ("messages=3",)),
    "raft-auto-leave-only-by-proposer": ("raft-auto-leave-only-by-proposer", ("heartbeats=0", "recovery=false")),
    "raft-learner-refuses-votes": ("raft-learner-refuses-votes", ("recovery=false",)),
}
"""Scenarios that are smaller here, and some that do not ship."""

REFINING = (
    *("raft-elections", "raft-replication", "raft-crash", "raft-membership", "raft-asynchronous-writes"),
    *(name for name in SIZES if not name.startswith("raft-")),
)

FAULTS: dict[str, tuple[str | None, str | Symbol]] = {
    # changes of membership
    "raft-campaign-with-unapplied-conf-change": ("campaign", "no_unapplied_change"),
    "raft-unapplied-check-ignores-v2": ("campaign", "no_unapplied_change"),
    "raft-unapplied-check-skipped-for-transfer": ("campaign", "no_unapplied_change"),
    "raft-second-change-admitted": ("propose_simple", "no_pending_change"),
    "raft-auto-leave-repeated": ("propose_leave", "no_pending_change"),
    "raft-conf-change-applied-when-proposed": ("advance_commit", "incoming_half"),
    "raft-learner-counted-as-voter": ("advance_commit", "incoming_half"),
    "raft-election-without-joint-quorum": ("become_leader", "outgoing_half"),
    # the order of writes
    "raft-vote-request-before-write": ("request_votes", "written"),
    "raft-sent-before-written": ("send_vote", "written"),
    "raft-single-voter-commits-before-write": ("acknowledge", "entry_written"),
    "raft-append-response-without-term": (None, spec.last),
    "raft-hard-state-not-stored": ("send_vote", "written"),
    "raft-vote-not-stored": ("send_vote", spec.stored_voted),
    "raft-empty-disk-at-restart": ("restart", spec.current),
    "raft-last-entries-lost-at-restart": ("restart", spec.last),
    # elections and replication
    "raft-vote-granted-twice": ("grant_vote", "voted_for_no_other"),
    "raft-vote-for-shorter-log": ("grant_vote", "up_to_date"),
    "raft-commit-older-term-by-counting": ("advance_commit", "entry_of_own_term"),
    "raft-truncate-without-conflict": ("acknowledge", spec.last),
}
"""What each mistake makes impossible: an action by its guard, or the action that comes closest and what it does not change so."""

HARMLESS = {
    "raft-auto-leave-only-by-proposer": "a joint configuration that is never left is as safe",
    "raft-learner-refuses-votes": "who grants less is as safe",
    "raft-removed-leader-leads-on": "a leader that nobody needs harms nobody",
    "raft-pagination-skips-entries": "what the application makes of an entry is left out",
}
"""Mistakes that break nothing of which membership.py speaks, with the reason: each of their steps is allowed."""


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("raft-")]


def scenario_of(name: str) -> Scenario:
    return load(*SIZES.get(name, (name, ())))


def explored(model: Model) -> tuple[Taken, ...]:
    """The local steps that an exploration takes until something is broken."""
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return tuple(exploration.taken_steps())


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    model = scenario_of(name).model()
    return model, explored(model)


@cache
def judged(name: str) -> Refinement:
    return refine(MEMBERSHIP, *taken(name))


@pytest.mark.parametrize("name", REFINING)
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    found = judged(name)
    assert found.refused == []
    members = [each for each in taken(name)[1] if isinstance(each[1], Running) and isinstance(each[3].state, Running)]
    assert found.judged >= len(members) > 500  # and the steps that lead to where the search begins


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in REFINING), Counter())
    assert set(spec.membership.actions) == set(used)


@pytest.mark.parametrize(("name", "expected"), FAULTS.items(), ids=list(FAULTS))
def test_a_mistake_is_a_step_that_no_action_allows(name: str, expected: tuple[str | None, str | Symbol]) -> None:
    model, steps = taken(name)
    refused = refine(MEMBERSHIP, model, [each for each in steps if is_in_question(name, each)]).refused
    assert expected in {(each.why.action, each.why.guard or each.why.symbol) for each in refused}


def is_in_question(name: str, step: Taken) -> bool:
    """Of the longest exploration, only the steps in which the mistake is made."""
    return name != "raft-append-response-without-term" or (isinstance(step[2], Event) and step[2].name == ANSWER)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_mistake_that_breaks_nothing_here_is_allowed(name: str) -> None:
    assert judged(name).refused == []


def test_every_mistake_is_refused_or_listed() -> None:
    judgeable = [name for name in named("bugs") if not MEMBERSHIP.leaves_out(scenario_of(name).model())]
    assert sorted([*FAULTS, *HARMLESS]) == judgeable


@pytest.mark.parametrize("name", ["raft-sent-before-written", "raft-vote-request-before-write"])
def test_what_is_taken_up_behind_unwritten_promises_is_followed(name: str) -> None:
    """A member votes in a newer term, or hears of another leader of the term, before its own campaign is written."""
    model = scenario_of(name).control().model()
    assert refine(MEMBERSHIP, model, explored(model)).refused == []


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("raft-pre-vote", ["pre_vote"]),
        ("raft-snapshot", ["compactions", "heartbeats"]),
        ("raft-read-index", ["reads"]),
        ("two-phase-commit", ["another system than raft"]),
    ],
)
def test_what_the_map_does_not_speak_of_is_named(scenario: str, expected: list[str]) -> None:
    assert MEMBERSHIP.leaves_out(load(scenario, ()).model()) == expected


# ---- what is left to invariants, and that they hold


def test_only_the_existence_of_history_is_left_to_invariants() -> None:
    erased = {f"{action.name}.{guard}" for action in spec.membership.actions.values() for guard in ghost_guards(action)}
    justified = {"become_leader", "send_append", "receive_append", "advance_commit", "end_write"}
    assert erased == {*(f"{action}.justification" for action in justified), "become_leader.witness", "become_leader.top"}
    existence = {"every_commitment_is_justified", "every_write_is_justified"}
    existence |= {"every_outrun_configuration_has_witness", "every_term_has_top"}
    assert existence < set(spec.membership.properties)


@pytest.mark.parametrize("name", ["raft-membership", "raft-crash", "raft-asynchronous-writes", "raft-asynchronous-writes-full"])
def test_all_invariants_hold_along_random_runs(name: str) -> None:
    model = scenario_of(name).model()
    held = [hold_along(MEMBERSHIP, model, 40, Random(seed)) for seed in range(3)]
    assert max(each.states for each in held) > 15
    assert {each.invariants for each in held} == {len(spec.membership.properties)}


SENT = {spec.vote_requested, spec.vote_granted, spec.acked, spec.append_sent}
STATE = {symbol for symbol in spec.membership.symbols if not symbol.rigid and not symbol.ghost}


def test_actions_read_and_change_own_tuples_and_what_was_sent() -> None:
    assert list(Locality(STATE - SENT, SENT).breaches(spec.membership)) == []


# ---- logs and configurations


def entry(term: int, index: int, changes: str | None = None) -> Entry:
    """An entry with these changes, of which none at all leave a joint configuration."""
    if changes is None:
        return Entry(term, index)
    return Entry(term, index, *encode_conf_change(ConfChangeV2(changes=conf_changes_from_string(changes))))


def configurations(*logs: tuple[Entry, ...]) -> list[Halves]:
    tree = Tree.of(ConfState((1, 2, 3)), logs)
    return [tree.configurations[log] for log in logs]


def test_a_log_says_which_configuration_is_in_force_when_it_is_applied() -> None:
    joint = (*EMPTY, entry(1, 1), entry(1, 2, "v4 r3"))
    left = (*joint, entry(1, 3, ""))
    demoted = (*left, entry(1, 4, "l4"))
    assert configurations(EMPTY, joint, left, demoted) == [
        Halves(frozenset({1, 2, 3})),
        Halves(frozenset({1, 2, 4}), frozenset({1, 2, 3})),
        Halves(frozenset({1, 2, 4})),
        Halves(frozenset({1, 2})),
    ]


def test_a_vote_request_stands_for_the_only_log_that_it_can_mean() -> None:
    one, other = (*EMPTY, entry(1, 1), entry(2, 2)), (*EMPTY, entry(1, 1), entry(2, 2, "v4"))

    def asked(index: int, term: int, *logs: tuple[Entry, ...]) -> object:
        return Tree.of(ConfState((1, 2, 3)), logs).asked_with(RaftMessage(MessageType.MsgVote, index=index, log_term=term))

    assert asked(2, 2, one) == one
    assert asked(2, 2, one, other) == Place(2, 2)
    assert asked(1, 1, one, other) == one[:2]
    assert asked(0, 0, one) == EMPTY
    assert asked(7, 3, one) == Place(7, 3)


# ---- planted mistakes: each relation carries weight


@cache
def state_of(role: StateType) -> Running:
    """A member of this role in term 2 that has voted, and has two entries, of which the first is committed and applied."""
    found = (state for each in taken("raft-crash")[1] for state in (each[3].state,) if isinstance(state, Running))
    return next(
        state
        for state in found
        if (state.role, state.term, len(state.log) > 2, state.commit, state.applied) == (role, 2, True, 1, 1)
        and state.node.raft.vote
        and state.log[1].term == 1
    )


def with_raft(member: Running, /, **changes: Any) -> Running:
    return member._replace(node=member.node._replace(raft=member.node.raft._replace(**changes)))


def with_log(member: Running, /, **changes: Any) -> Running:
    return with_raft(member, log=member.node.raft.log._replace(**changes))


def with_more(member: Running) -> Running:
    """One more entry, in memory."""
    last = member.log[-1].index + 1
    return with_log(member, unstable=member.node.raft.log.unstable._replace(entries=(Entry(2, last),), offset=last))


def with_stored(member: Running, /, **changes: Any) -> Running:
    return member._replace(storage=member.storage._replace(hard_state=member.storage.hard_state._replace(**changes)))


def without_stored(member: Running) -> Running:
    """The last entry is in memory only."""
    *others, last = member.storage.entries
    unstable = member.node.raft.log.unstable._replace(entries=(last,), offset=last.index)
    return with_log(member._replace(storage=member.storage._replace(entries=tuple(others))), unstable=unstable)


def with_write(member: Running, *responses: RaftMessage, commit: int = 1) -> Running:
    """A write in hand, and what leaves with it."""
    work = RaftMessage(MessageType.MsgStorageAppend, term=2, vote=member.node.raft.vote, commit=commit, responses=responses)
    return member._replace(writes=(work,))


def with_request(member: Running) -> Running:
    """All is handed over that there is, but the member has not campaigned."""
    return with_write(member, RaftMessage(MessageType.MsgVote, another(member.id), member.id, term=2))


def with_votes(member: Running) -> Running:
    tracker = member.node.raft.tracker._replace(votes=tuple((other, True) for other in (1, 2, 3)))
    return with_raft(member, tracker=tracker, state=CANDIDATE)


def with_matches(member: Running) -> Running:
    tracker = member.node.raft.tracker
    progress = tuple((other, known._replace(match=member.log[-1].index)) for other, known in tracker.progress)
    return with_raft(member, tracker=tracker._replace(progress=progress))


def another(vote: int) -> int:
    return vote % 3 + 1


FOLLOWER, CANDIDATE, LEADER, _ = StateType
CHANGES: dict[str, tuple[StateType, Callable[[Running], Running], Set[Symbol]]] = {
    "the term rises": (FOLLOWER, lambda member: with_raft(member, term=3, vote=0), {spec.current, spec.left}),
    "the vote changes": (FOLLOWER, lambda member: with_raft(member, vote=another(member.node.raft.vote)), {spec.voted}),
    "there is another entry": (FOLLOWER, with_more, {spec.last}),
    "the commit index falls": (FOLLOWER, lambda member: with_log(member, committed=0), {spec.committed}),
    "an entry is not applied any more": (FOLLOWER, lambda member: with_log(member, applied=0), {spec.applied}),
    "a follower is a candidate": (FOLLOWER, lambda member: with_raft(member, state=CANDIDATE), {spec.candidate}),
    "a leader is a candidate": (LEADER, lambda member: with_raft(member, state=CANDIDATE), {spec.leader, spec.candidate}),
    "votes are made up": (FOLLOWER, with_votes, {spec.candidate, spec.vote_granted}),
    "acknowledgements are made up": (LEADER, with_matches, {spec.acked}),
    "the stored term rises": (
        FOLLOWER,
        lambda member: with_stored(member, term=3, vote=0),
        {spec.stored_current, spec.stored_left},
    ),
    "the stored vote changes": (
        FOLLOWER,
        lambda member: with_stored(member, vote=another(member.node.raft.vote)),
        {spec.stored_voted},
    ),
    "an entry is not stored any more": (FOLLOWER, without_stored, {spec.stored_last}),
    "an older commit index is to be written": (FOLLOWER, lambda member: with_write(member, commit=0), {spec.in_hand}),
    "a campaign is made up": (FOLLOWER, with_request, {spec.campaigned}),
    "the stored commit index falls": (FOLLOWER, lambda member: with_stored(member, commit=0), {spec.stored_committed}),
}
"""Of each mistake: where it is planted, what comes of nothing, and what shows that."""

MESSAGES: dict[MessageType, Symbol] = {
    MessageType.MsgVote: spec.vote_requested,
    MessageType.MsgVoteResp: spec.vote_granted,
    MessageType.MsgAppResp: spec.acked,
    MessageType.MsgApp: spec.append_sent,
}
"""What is told in the name of a term that is over, and what shows that."""


@pytest.mark.parametrize(("role", "change", "shows"), CHANGES.values(), ids=list(CHANGES))
def test_a_planted_change_is_shown_by_its_relations_only(
    role: StateType, change: Callable[[Running], Running], shows: Set[Symbol]
) -> None:
    member = state_of(role)
    require_weight(MEMBERSHIP, taken("raft-crash")[0], (member.id - 1, member, Event("reconnect"), Step(change(member))), shows)


@pytest.mark.parametrize(("kind", "shows"), MESSAGES.items(), ids=[kind.name for kind in MESSAGES])
def test_a_planted_message_is_shown_by_its_relation_only(kind: MessageType, shows: Symbol) -> None:
    member = state_of(FOLLOWER)
    told = RaftMessage(kind, another(member.id), member.id, term=1, log_term=1, index=1)
    require_weight(
        MEMBERSHIP,
        taken("raft-crash")[0],
        (member.id - 1, member, Event("reconnect"), Step(member, (Message(told.to - 1, told),))),
        {shows},
    )


def test_every_relation_that_changes_carries_weight() -> None:
    assert {symbol for _, _, shows in CHANGES.values() for symbol in shows} | set(MESSAGES.values()) == STATE
