"""Raft's explored local steps are steps of models/raft.py; steps of wrong implementations, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.judge import ghost_guards
from kubeproof.conformance.refinement.locality import Locality
from kubeproof.conformance.refinement.raft import RAFT
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.explore import NOT_REFINED, How, explore
from kubeproof.conformance.scenarios.scenario import load, shipped
from kubeproof.conformance.verdict import InvalidInput, Verdict
from kubeproof.impl.raft.types import Entry, MessageType, StateType
from kubeproof.impl.raft.types import Message as RaftMessage
from kubeproof.models import raft as spec
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Relation, Symbol, ite
from tests.conformance.refinement.weight import require_weight

LEFT_OUT = {
    "raft-membership": "changes",
    "raft-asynchronous-writes": "slow_writes",
    "raft-asynchronous-writes-as-in-etcd": "slow_writes",
}
"""Quick scenarios that raft.py does not speak of, with what they have that it leaves out."""

SIZES = {
    "raft-lossy": ("raft-lossy", ("proposals=0",)),
    "raft-transfer": ("raft-transfer", ("proposals=0",)),
    "transfers with PreVote": ("raft-transfer", ("proposals=0", "pre_vote=true")),
    "late pre-votes": ("raft-pre-vote", ("proposals=0", "messages=4")),
    "slow apply threads": ("raft-crash", ("candidates=1", "slow_applies=2")),
    "raft-read-index-context-reused": ("raft-read-index-context-reused", ("drops=0",)),
    "raft-lower-term-pre-vote-ignored": ("raft-lower-term-pre-vote-ignored", ("terms=2",)),
}
"""Scenarios that are smaller here, and some that do not ship."""


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("raft-")]


def model_of(name: str) -> Model:
    return load(*SIZES.get(name, (name, ()))).model()


REFINING = [*(name for name in named("quick") if name not in LEFT_OUT), *(name for name in SIZES if " " in name)]

FAULTS: dict[str, tuple[str | None, str | Symbol]] = {
    "raft-vote-granted-twice": ("grant_vote", "voted_for_no_other"),
    "raft-vote-for-shorter-log": ("grant_vote", "up_to_date"),
    "raft-commit-beyond-matched-prefix": ("send_heartbeat", "within_match"),
    "raft-commit-older-term-by-counting": ("advance_commit", "entry_of_own_term"),
    "raft-learner-counted-as-voter": ("advance_commit", "quorum_of_acks"),
    "raft-compacted-prev-term-zero": ("send_append", "previous"),
    "raft-snapshot-labelled-with-last-index": ("restart", "not_above"),
    "raft-truncate-without-conflict": ("receive_known_append", spec.log),
    "raft-vote-erased-on-reset": ("receive_new_append", spec.voted),
    "raft-vote-not-stored": ("restart", spec.voted),
    "raft-hard-state-not-stored": ("restart", spec.current),
    "raft-empty-disk-at-restart": ("restart", spec.current),
    "raft-last-entries-lost-at-restart": ("restart", spec.log),
}
"""What each mistake makes impossible: an action by its guard, or the action that comes closest and what it does not change so."""

NOT_LIVE = "nobody waits for an answer: safety allows that none comes"
OF_READS = "reads are left out"
HARMLESS = {
    "raft-stale-leader-unanswered": NOT_LIVE,
    "raft-lower-term-pre-vote-ignored": NOT_LIVE,
    "raft-pagination-skips-entries": "applying is left out",
    "raft-read-index-before-own-commit": OF_READS,
    "raft-read-index-context-reused": OF_READS,
    "raft-read-served-before-applied": OF_READS,
    "raft-read-served-locally": OF_READS,
    "raft-lease-outlives-election": OF_READS,
}
"""Mistakes that break nothing of which raft.py speaks, with the reason: each of their steps is allowed."""


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the local steps that its exploration takes until something is broken."""
    model = model_of(name)
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def judged(name: str) -> Refinement:
    return refine(RAFT, *taken(name))


@pytest.mark.parametrize("name", REFINING)
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    found = judged(name)
    assert found.refused == []
    members = [each for each in taken(name)[1] if isinstance(each[1], Running) and isinstance(each[3].state, Running)]
    assert found.judged >= len(members) > 500  # and the steps that lead to where the search begins


def test_every_scenario_is_judged_or_has_what_raft_leaves_out() -> None:
    left_out = {name: RAFT.leaves_out(model_of(name)) for name in named("quick")}
    assert {name: what for name, what in left_out.items() if what} == {name: [what] for name, what in LEFT_OUT.items()}


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in REFINING), Counter())
    assert set(spec.raft.actions) == set(used)


def test_late_grants_of_a_pre_vote_count() -> None:
    """That is why grants for the present term count in `campaign_after_pre_vote`, and what `no_disruption` allows for."""

    def is_late(each: Taken) -> bool:
        _, before, cause, step = each
        answer = cause.body if isinstance(cause, Message) else None
        return (
            isinstance(answer, RaftMessage)
            and isinstance(before, Running)
            and isinstance(step.state, Running)
            and (answer.type, answer.term, answer.reject) == (MessageType.MsgPreVoteResp, before.term, False)
            and step.state.role is StateType.StateCandidate
        )

    assert any(map(is_late, taken("late pre-votes")[1]))


@pytest.mark.parametrize(("name", "expected"), FAULTS.items(), ids=list(FAULTS))
def test_a_mistake_is_a_step_that_no_action_allows(name: str, expected: tuple[str | None, str | Symbol]) -> None:
    refused = [each.why for each in judged(name).refused]
    assert expected in {(why.action, why.guard or why.symbol) for why in refused}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_mistake_that_breaks_nothing_here_is_allowed(name: str) -> None:
    assert judged(name).refused == []


def test_every_mistake_is_refused_or_listed() -> None:
    judgeable = [name for name in named("bugs") if not RAFT.leaves_out(model_of(name))]
    assert sorted([*FAULTS, *HARMLESS]) == judgeable


def test_only_the_existence_of_history_is_left_to_invariants() -> None:
    erased = {f"{action.name}.{guard}" for action in spec.raft.actions.values() for guard in ghost_guards(action)}
    justified = {"send_append", "send_heartbeat", "send_snapshot", "acknowledge_committed", "receive_old_snapshot"}
    assert erased == {*(f"{action}.justification" for action in justified), "send_snapshot.state"}
    assert {"every_commitment_is_justified", "logs_have_no_gaps"} < set(spec.raft.properties)


# ---- why it is enough to look at one member and what was sent

OWN = {
    *(spec.current, spec.left, spec.voted, spec.log, spec.log_reaches, spec.value, spec.committed, spec.compacted),
    spec.leader,
}
SENT = {symbol for symbol in spec.raft.symbols if isinstance(symbol, Relation) and not symbol.rigid and not symbol.ghost} - OWN
RAFT_IS_LOCAL = Locality(OWN, SENT)


def test_actions_read_and_change_own_tuples_and_what_was_sent() -> None:
    assert list(RAFT_IS_LOCAL.breaches(spec.raft)) == []


def reads_of_another(do: Action, n: spec.Node, k: spec.Node, t: spec.Term) -> None:
    do.require(spec.current(n, t) & spec.current(k, t), "guard")


def asks_what_was_not_sent(do: Action, n: spec.Node, t: spec.Term) -> None:
    do.require(spec.current(n, t) & ~spec.begun(t), "guard")


def changes_of_another(do: Action, n: spec.Node, k: spec.Node, t: spec.Term) -> None:
    do.add(spec.leader, n, t)
    do.add(spec.leader, k, t)


def takes_back(do: Action, n: spec.Node, t: spec.Term) -> None:
    do.require(spec.current(n, t), "guard")
    do.remove(spec.begun, t)


def makes_of_another(do: Action, n: spec.Node, k: spec.Node) -> None:
    do.set(spec.committed, lambda m, i: ite(m == n, spec.committed(k, i), spec.committed(m, i)))


@pytest.mark.parametrize(
    ("wrong", "breach"),
    [
        (reads_of_another, "reads_of_another.guard reads current of another"),
        (asks_what_was_not_sent, "asks_what_was_not_sent.guard asks whether begun is not so"),
        (changes_of_another, "changes_of_another changes leader of others"),
        (takes_back, "takes_back takes begun back"),
        (makes_of_another, "makes_of_another makes committed of what it reads committed of another"),
    ],
)
def test_an_action_that_is_not_local_is_found(wrong: Callable[..., None], breach: str) -> None:
    action = Action.declared_by(wrong)
    assert breach in RAFT_IS_LOCAL.breaches(replace(spec.raft, actions={action.name: action}))


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
    "an entry is lost": (
        FOLLOWER,
        lambda member: with_entries(member, *member.storage.entries[:-1]),
        {spec.log, spec.log_reaches},
    ),
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


@pytest.mark.parametrize(("role", "change", "shows"), CHANGES.values(), ids=list(CHANGES))
def test_a_planted_change_is_shown_by_its_relations_only(
    role: StateType, change: Callable[[Running], Running], shows: Set[Symbol]
) -> None:
    member = state_of(role)
    require_weight(RAFT, taken("raft-crash")[0], (member.id - 1, member, Event("reconnect"), Step(change(member))), shows)


@pytest.mark.parametrize(("kind", "shows"), MESSAGES.items(), ids=[kind.name for kind in MESSAGES])
def test_a_planted_message_is_shown_by_its_relation_only(kind: MessageType, shows: Set[Symbol]) -> None:
    member = state_of(FOLLOWER)
    told = RaftMessage(kind, member.id % 3 + 1, member.id, member.term)
    require_weight(
        RAFT,
        taken("raft-crash")[0],
        (member.id - 1, member, Event("reconnect"), Step(member, (Message(told.to - 1, told),))),
        shows,
    )


def test_every_relation_that_changes_carries_weight() -> None:
    shown = {symbol for _, _, shows in CHANGES.values() for symbol in shows} | {
        symbol for shows in MESSAGES.values() for symbol in shows
    }
    # whoever sends these must do so by an action, which guards ask for
    sent_by_actions = {spec.append_sent, spec.heartbeat_sent, spec.snapshot_sent, spec.timeout_now_sent}
    state = {symbol for symbol in spec.raft.symbols if not symbol.rigid and not symbol.ghost}
    assert shown == state - sent_by_actions


# ---- the command


def test_a_scenario_is_judged_on_demand() -> None:
    result = explore("raft-elections", [], Limits(), How(refines=("raft",)))
    assert result.verdict is Verdict.HOLDS
    refines = result.details["refines"]
    assert isinstance(refines, dict)
    assert (refines["raft"]["local_steps"], refines["raft"]["refused"]) == (3153, 0)
    assert refines["raft"]["actions"]["become_leader"] > 0 == refines["raft"]["actions"]["compact"]


@pytest.mark.parametrize(
    ("scenario", "name", "expected"),
    [
        ("raft-elections", "paxos", "expected .*raft.*, got paxos"),
        ("two-phase-commit", "raft", "raft speaks of no scenario with another system than raft"),
        ("raft-membership", "raft", "raft speaks of no scenario with changes"),
    ],
)
def test_what_the_map_does_not_speak_of_is_invalid(scenario: str, name: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        explore(scenario, [], Limits(), How(refines=(name,)))


def test_nothing_to_judge_is_no_pass() -> None:
    with pytest.raises(InvalidInput, match="expected steps of which raft speaks, there are none"):
        refine(RAFT, taken("raft-crash")[0], [])


def test_a_step_that_no_action_allows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = taken("raft-vote-granted-twice")[1]
    monkeypatch.setattr(Exploration, "taken_steps", lambda _: iter(twice))
    result = explore("raft-elections", [], Limits(), How(refines=("raft",)))
    assert (result.verdict, result.property) == (Verdict.VIOLATED, NOT_REFINED)
    assert "its guard voted_for_no_other does not hold" in result.message
