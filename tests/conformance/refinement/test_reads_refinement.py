"""Raft's explored local steps are steps of models/reads.py; steps of wrong implementations, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings.raft.client import Ask, Client, Served
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.judge import ghost_guards, without_ghosts
from kubeproof.conformance.refinement.reads import READS
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.scenario import BUGS, load, shipped
from kubeproof.impl.raft.read_only import PendingRead
from kubeproof.impl.raft.types import Entry, MessageType, ReadState, StateType
from kubeproof.impl.raft.types import Message as RaftMessage
from kubeproof.models import lease_reads as leases
from kubeproof.models import raft as consensus
from kubeproof.models import reads as spec
from kubeproof.models.logic import forall
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.evaluator import evaluate
from kubeproof.models.logic.formulas import Expression, Holds, Not, Or, Relation, Symbol
from kubeproof.models.logic.obligations import Obligation
from kubeproof.models.logic.rewriting import children
from kubeproof.models.logic.structures import Structure
from kubeproof.models.logic.unbounded import Status, Translator, prove
from kubeproof.models.raft import Index, Node, Term, raft
from tests.conformance.refinement.weight import require_weight

REFINING: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "reads asked again": ("terms=1", "reads=2", "read_retries=1"),
    "crashes": ("crashes=1", "messages=3"),
    "three terms": ("terms=3", "proposals=0"),
    "any candidate": ("candidates=0", "messages=3", "proposals=0", "elected=false"),
    "heartbeats": ("heartbeats=1", "proposals=0"),
    "transfers": ("transfers=1", "proposals=0"),
    "check_quorum": ("check_quorum=true", "proposals=0"),
    "pre_vote": ("pre_vote=true", "proposals=0"),
    "compactions": ("compactions=1", "terms=1"),
    "slow applies": ("slow_applies=3", "terms=1"),
    "a learner": ("learners=1", "proposals=0"),
    "a single voter": ("members=1", "crashes=1", "reads=2"),
}
"""Variants of raft-read-index."""

NOT_EXERCISED = {"read_by_lease": "explored members have no clocks, so a lease is never known to hold"}
"""Actions that no variant takes, with the reason."""

FAULTS: dict[str, tuple[tuple[str, ...], str]] = {
    "raft-read-index-before-own-commit": ((), "receive_read.committed_in_own_term"),
    "raft-read-index-context-reused": (("terms=1", "reads=1", "drops=0"), "send_heartbeat.given_number"),
    "raft-read-served-before-applied": ((), "serve_read.applied_enough"),
    "raft-read-served-locally": ((), "serve_read.answered"),
    "raft-lease-outlives-election": ((), "read_by_lease.lease_holds"),
}
"""What each mistake makes impossible, and where that is seen."""

HARMLESS = {
    "read_index_dropped_before_own_commit": "a read that gets no answer sees nothing wrong",
    "read_index_forwarded_with_term": "likewise",
    "stale_leader_unanswered": "a leader that is not deposed answers only what a quorum confirms",
}
"""Mistakes about reads, or near them, that cost answers and nothing else."""


def explored(model: Model) -> tuple[Model, tuple[Taken, ...]]:
    """The model, and the local steps that its exploration takes until something is broken."""
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def taken(name: str, settings: tuple[str, ...] = ()) -> tuple[Model, tuple[Taken, ...]]:
    return explored(load(name, settings).model())


@cache
def judged(variant: str) -> Refinement:
    return refine(READS, *taken("raft-read-index", REFINING[variant]))


@pytest.mark.parametrize("variant", REFINING)
def test_every_local_step_is_one_of_the_specification(variant: str) -> None:
    found = judged(variant)
    assert found.refused == []
    assert found.judged >= len(taken("raft-read-index", REFINING[variant])[1])  # and the steps to where the search begins
    assert found.actions["serve_read"] > 0


def test_every_action_is_used_or_listed() -> None:
    used: Counter[str] = sum((judged(variant).actions for variant in REFINING), Counter())
    assert {name for name in spec.reads.actions if not used[name]} == set(NOT_EXERCISED)


@pytest.mark.parametrize(("name", "settings", "expected"), [(name, *each) for name, each in FAULTS.items()], ids=list(FAULTS))
def test_a_mistake_is_a_step_that_no_action_allows(name: str, settings: tuple[str, ...], expected: str) -> None:
    refused = refine(READS, *taken(name, settings)).refused
    assert expected in {each.why.reason for each in refused}


def test_every_bug_of_reads_is_pinned() -> None:
    of_raft = [path.stem for path in shipped(BUGS) if load(path.stem).system == "raft"]
    assert {name for name in of_raft if load(name).size.get("reads")} == set(FAULTS)


@pytest.mark.parametrize("fault", HARMLESS)
def test_a_mistake_that_only_costs_answers_is_allowed(fault: str) -> None:
    scenario = load("raft-read-index", ("proposals=0", "check_quorum=true"))
    scenario.faults = [fault]
    assert refine(READS, *explored(scenario.model())).refused == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two-phase-commit", ["another system than raft"]),
        ("raft-membership", ["changes"]),
        ("raft-asynchronous-writes", ["slow_writes"]),
        ("raft-read-index", []),
    ],
)
def test_what_the_map_does_not_speak_of_is_told(name: str, expected: list[str]) -> None:
    assert READS.leaves_out(load(name).model()) == expected


# ---- history

PROMISED = {
    "become_leader.no_other_leader": "raft.py, election_safety",
    "become_leader.behind_commitments": "raft.py, leader_completeness",
    "advance_commit.before_newer_leaders": "raft.py, leader_completeness",
    "read_by_lease.lease_holds": "lease_reads.py, no_newer_leader_during_lease",
}
"""Guards that ask for history, which no member knows, and where they are proven."""


def test_what_asks_for_history_is_promised_elsewhere() -> None:
    erased = {f"{action.name}.{guard}" for action in spec.reads.actions.values() for guard in ghost_guards(action)}
    assert erased == set(PROMISED)


def test_own_entries_of_leaders_come_behind_all_commitments_of_earlier_terms() -> None:
    """Guards behind_commitments and before_newer_leaders: whatever the leader of t has chosen, or chooses after u has begun."""
    behind = forall(
        *(Term, Index, Term, Index),
        lambda t, i, u, j: (consensus.chosen(t, i) & (t < u) & consensus.history(u, j, u)) >> (i < j),
    )
    invariants = ("leader_completeness", "history_is_in_history", "history_of_started_terms")
    known = {name: raft.properties[name].formula() for name in invariants}
    orders = {name: raft.axioms[name].formula for name in ("term_order", "index_order")}
    obligation = Obligation("follows", "claim", (), known | orders, behind)
    assert prove(obligation, Translator()).status is Status.PROVED


def test_a_lease_that_ends_at_one_member_is_no_passage_of_time() -> None:
    """Why lease_reads.py is held against no exploration: there each member's time passes by itself."""
    ticks = {("lease_ends", 1): Fraction(0), ("lease_ends", 2): Fraction(0), ("lease_ends", 3): Fraction(10)}
    universes = {Node: (1, 2, 3), leases.Passage: ("lease_ends",)}
    for ratio in (1, 2, 1000):
        values: dict[Any, Any] = {leases.ticks: ticks, leases.clock_ratio.symbol: {(): Fraction(ratio)}}
        clocks = leases.lease_reads.axioms["clocks"].formula
        assert evaluate(clocks, Structure.known(universes, {}, values)) is False


# ---- why it is enough to look at one member and what was sent

OWN = {spec.left, spec.committed, spec.leader, spec.numbered, spec.pending}
STATE = {symbol for symbol in spec.reads.symbols if isinstance(symbol, Relation) and not symbol.rigid and not symbol.ghost}
ACTIONS = [without_ghosts(action) for action in spec.reads.actions.values()]
GROW = (STATE - OWN) | {spec.left, spec.numbered}


def atoms(formula: Expression, positive: bool = True) -> Iterator[tuple[Holds, bool]]:
    """Every relation in a formula, and whether it helps the formula to be true."""
    if isinstance(formula, Holds):
        yield formula, positive
    for part in children(formula):
        yield from atoms(part, positive != isinstance(formula, Not))


@pytest.mark.parametrize("action", ACTIONS, ids=list(spec.reads.actions))
def test_guards_ask_for_own_tuples_and_for_what_never_becomes_false(action: Action) -> None:
    for name, guard in action.guards.items():
        for atom, positive in atoms(guard):
            is_own = atom.symbol in OWN and atom.arguments[0] is action.parameters[0]
            is_the_clients = (action.name, atom.symbol) == ("ask", spec.asked)
            assert is_own or is_the_clients or atom.symbol.rigid or (positive and atom.symbol in GROW), name


@pytest.mark.parametrize("action", ACTIONS, ids=list(spec.reads.actions))
def test_what_was_sent_remains_so(action: Action) -> None:
    for symbol, (parameters, body) in action.updates.items():
        if symbol in GROW:
            assert isinstance(body, Or)
            assert any(isinstance(part, Holds) and (part.symbol, part.arguments) == (symbol, parameters) for part in body.parts)


# ---- planted mistakes: each relation carries weight

FOLLOWER, CANDIDATE, LEADER, _ = StateType


@cache
def state_of(role: StateType) -> Running:
    """A member of this role in term 2 that has committed entry 1 of another's, or leads and has a read that waits."""
    found = (each[3].state for each in taken("raft-read-index")[1])
    return next(
        state
        for state in found
        if isinstance(state, Running)
        and (state.role, state.term) == (role, 2)
        and state.log[1].term == 1
        and state.commit >= 1
        and (role is not LEADER or state.node.raft.read_only.pending)
    )


def with_raft(member: Running, /, **changes: Any) -> Running:
    return member._replace(node=member.node._replace(raft=member.node.raft._replace(**changes)))


def with_commit(member: Running, commit: int) -> Running:
    return with_raft(member, log=member.node.raft.log._replace(committed=commit))


def with_reads(member: Running, /, **changes: Any) -> Running:
    return with_raft(member, read_only=member.node.raft.read_only._replace(**changes))


def with_votes(member: Running) -> Running:
    return with_raft(member, tracker=member.node.raft.tracker._replace(votes=((1, True), (2, True), (3, True))))


def with_own_entry(member: Running) -> Running:
    begin, first, *others = member.storage.entries
    return member._replace(storage=member.storage._replace(entries=(begin, first._replace(term=member.term), *others)))


def noted_higher(member: Running) -> Running:
    [read] = member.node.raft.read_only.pending
    return with_reads(member, pending=(PendingRead(read.request, read.index + 1),))


def without_reads(member: Running) -> Running:
    return with_reads(member, pending=(), confirmed=0, acks=())


MADE_UP = RaftMessage(MessageType.MsgReadIndex, entries=(Entry(0, 0, data=b"1"),))
EVERYBODY = ((1, 1), (2, 1), (3, 1))

CHANGES: dict[str, tuple[StateType, Callable[[Running], Running], Set[Symbol]]] = {
    "the term falls": (FOLLOWER, lambda member: with_raft(member, term=1), {spec.left, spec.leader, spec.numbered}),
    "votes are made up": (CANDIDATE, with_votes, {spec.left}),
    "the commit index falls": (FOLLOWER, lambda member: with_commit(member, 0), {spec.committed}),
    "an entry of another becomes the leader's own": (LEADER, with_own_entry, {spec.own}),
    "a leader that has numbered a read is a candidate": (
        LEADER,
        lambda member: with_raft(without_reads(member), state=CANDIDATE),
        {spec.leader, spec.numbered},
    ),
    "a higher index is noted": (LEADER, noted_higher, {spec.pending}),
    "answers to heartbeats are made up": (LEADER, lambda member: with_reads(member, acks=EVERYBODY), {spec.heartbeat_acked}),
    "a read is made up": (FOLLOWER, lambda member: with_raft(member, pending_read_index_messages=(MADE_UP,)), {spec.asked}),
    "an answer is made up": (FOLLOWER, lambda member: member._replace(reads=(ReadState(1, b"1"),)), {spec.answered}),
}
"""Of each mistake: where it is planted, what comes of nothing, and what shows that."""

MESSAGES: dict[str, tuple[RaftMessage, Set[Symbol]]] = {
    "a newer term": (RaftMessage(MessageType.MsgAppResp, term=3), {spec.left}),
    "a read": (MADE_UP, {spec.asked}),
    "an answer": (MADE_UP._replace(type=MessageType.MsgReadIndexResp, index=1), {spec.answered}),
}
"""What is told without a reason, and what shows that."""

ASKED_FOR_BY_GUARDS: dict[Symbol, tuple[StateType, RaftMessage, str]] = {
    spec.heartbeat_sent: (LEADER, RaftMessage(MessageType.MsgHeartbeat, term=2, context=b"\7"), "send_heartbeat.given_number"),
    spec.heartbeat_acked: (FOLLOWER, RaftMessage(MessageType.MsgHeartbeatResp, term=2, context=b"\1"), "receive_heartbeat.sent"),
    spec.commit_told: (FOLLOWER, RaftMessage(MessageType.MsgApp, term=2, commit=1), "tell_commit.is_leader"),
}
"""Whoever sends these must do so by an action: who sends what, and which guard does not hold."""


@pytest.mark.parametrize(("role", "change", "shows"), CHANGES.values(), ids=list(CHANGES))
def test_a_planted_change_is_shown_by_its_relations_only(
    role: StateType, change: Callable[[Running], Running], shows: Set[Symbol]
) -> None:
    member = state_of(role)
    require_weight(READS, taken("raft-read-index")[0], (member.id - 1, member, Event("reconnect"), Step(change(member))), shows)


def telling(role: StateType, message: RaftMessage) -> Taken:
    """A member of this role sends this."""
    member = state_of(role)
    told = message._replace(from_=member.id, to=member.id % 3 + 1)
    return member.id - 1, member, Event("reconnect"), Step(member, (Message(told.to - 1, told),))


@pytest.mark.parametrize(("message", "shows"), MESSAGES.values(), ids=list(MESSAGES))
def test_a_planted_message_is_shown_by_its_relation_only(message: RaftMessage, shows: Set[Symbol]) -> None:
    require_weight(READS, taken("raft-read-index")[0], telling(FOLLOWER, message), shows)


@pytest.mark.parametrize(
    ("role", "message", "expected"), ASKED_FOR_BY_GUARDS.values(), ids=[symbol.name for symbol in ASKED_FOR_BY_GUARDS]
)
def test_a_planted_message_needs_an_action(role: StateType, message: RaftMessage, expected: str) -> None:
    [refused] = refine(READS, taken("raft-read-index")[0], [telling(role, message)]).refused
    assert refused.why.reason == expected


def test_a_single_voter_answers_only_when_it_has_committed_an_entry_of_its_own() -> None:
    model, steps = taken("raft-read-index", REFINING["a single voter"])
    states = (each[3].state for each in steps)
    leader = next(state for state in states if isinstance(state, Running) and state.leads and state.term == 2)
    behind = with_commit(leader, 1)
    asked, told = Message(0, Ask(1, again=False)), Message(1, Served(1, 1), synchronous=True)
    [refused] = refine(READS, model, [(0, behind, asked, Step(behind, (told,)))]).refused
    assert refused.why.reason == "answer_alone.committed_in_own_term"


def test_a_leader_does_not_forget_its_numbers() -> None:
    leader = without_reads(state_of(LEADER))
    require_weight(
        READS,
        taken("raft-read-index")[0],
        (leader.id - 1, with_reads(leader, confirmed=1), Event("reconnect"), Step(leader)),
        {spec.numbered},
    )


def test_a_leader_does_not_lead_on_when_it_has_restarted() -> None:
    leader = without_reads(state_of(LEADER))
    require_weight(READS, taken("raft-read-index")[0], (leader.id - 1, leader, Event("restart"), Step(leader)), {spec.leader})


def test_a_client_does_not_forget_that_it_has_asked() -> None:
    require_weight(READS, taken("raft-read-index")[0], (3, Client(asked=1), Event("reconnect"), Step(Client())), {spec.asked})


def test_every_relation_that_changes_carries_weight() -> None:
    shown = {symbol for _, _, shows in CHANGES.values() for symbol in shows}
    shown |= {symbol for _, shows in MESSAGES.values() for symbol in shows}
    served = {spec.served}  # whoever tells the client must do so by an action: see FAULTS
    assert shown | set(ASKED_FOR_BY_GUARDS) | served == STATE
