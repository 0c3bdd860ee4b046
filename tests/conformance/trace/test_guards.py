"""Violations name the guard of a specification that does not hold: it exists, it is needed, and each is shown by some run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from kubeproof.conformance.cli.output import lines_for_people
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation.liveness import LIVENESS
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.simulation.registry import FAULTS, Fault
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import PROPERTIES, guards
from kubeproof.conformance.trace.raft.guards import Guard
from kubeproof.conformance.trace.run import Header, RunWriter
from kubeproof.impl.cluster.script import Script
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.raft.confchange import ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2
from kubeproof.impl.sim.world import World
from kubeproof.models.logic import Specification, hints
from kubeproof.models.logic.teeth import WITHOUT, Breaker, Change
from kubeproof.models.logic.unbounded import Status
from tests.conformance.trace.samples import BAD, ROOT
from tests.conformance.trace.simulated import first_violation, scheduled_run
from tests.conformance.trace.test_edits import CASES, FIVE, THREE, append_is_lost, member_is_far_behind, member_joins, two_leaders

Run = list[events.Event]
OPTIONS: dict[str, Any] = {}


def all_guards(value: object) -> Iterator[Guard]:
    """The guards of a module, of a table, of a group."""
    if isinstance(value, Guard):
        yield value
    elif isinstance(value, (tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from all_guards(each)


GUARDS = {
    ".".join(guard): guard for name, value in vars(guards).items() if not name.startswith("__") for guard in all_guards(value)
}
each_guard = pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)


def specification(name: str) -> Specification:
    spec = getattr(import_module(f"kubeproof.models.{name}"), name)
    assert isinstance(spec, Specification)
    return spec


# ---- the guards and the specifications


@each_guard
def test_it_is_a_guard_of_the_specification(guard: Guard) -> None:
    assert guard.guard in specification(guard.spec).actions[guard.action].guards


@each_guard
def test_without_it_something_breaks(guard: Guard) -> None:
    taken_away = f"{guard.action}.{guard.guard}"
    assert taken_away not in specification(guard.spec).redundant
    assert breaker()(Change(guard.spec, WITHOUT + taken_away)).status is Status.REFUTED


@cache
def breaker() -> Breaker:
    names = {guard.spec for guard in GUARDS.values()}
    return Breaker({name: specification(name) for name in names}, {name: hints.load(name) for name in names})


def on_the_page() -> dict[str, set[str]]:
    """The guards of each property in docs/checking-traces.md."""
    page = (ROOT / "docs" / "checking-traces.md").read_text()
    rows = [re.findall(r"`([\w.]+)`", line) for line in page.splitlines() if line.startswith("| `")]
    ids = {each.id for each in PROPERTIES}
    return {name: {other for other in row if other in GUARDS} for row in rows for name in row if name in ids and len(row) > 1}


def test_the_page_names_every_guard() -> None:
    assert set().union(*on_the_page().values()) == GUARDS.keys()


# ---- the faults

OF_FAULTS = {
    "vote_granted_twice": "raft.grant_vote.voted_for_no_other",
    "vote_for_shorter_log": "raft.grant_vote.up_to_date",
    "election_without_joint_quorum": "membership.become_leader.outgoing_half",
    "learner_counted_as_voter": "raft.advance_commit.quorum_of_acks",
    "campaign_with_unapplied_conf_change": "membership.campaign.no_unapplied_change",
    "second_change_admitted": "membership.propose_simple.no_pending_change",
    "unapplied_check_ignores_v2": "membership.campaign.no_unapplied_change",
    "unapplied_check_skipped_for_transfer": "membership.campaign.no_unapplied_change",
    "commit_older_term_by_counting": "raft.advance_commit.entry_of_own_term",
    "commit_beyond_matched_prefix": "raft.send_heartbeat.within_match",
    "truncate_without_conflict": "raft.receive_new_append.conflict",
    "compacted_prev_term_zero": "raft.send_append.previous",
    "single_voter_commits_before_write": "raft.advance_commit.quorum_of_acks",
    "append_response_without_term": "membership.apply.committed",
    "read_index_before_own_commit": "reads.receive_read.committed_in_own_term",
    "snapshot_labelled_with_last_index": "raft.send_snapshot.committed",
    "conf_change_applied_when_proposed": "membership.apply.committed",
    "read_served_locally": "reads.serve_read.answered",
}
WITHOUT_GUARD = {
    # a vote vanishes, a disk loses what it had, a node starts with other peers: no action does that, whatever holds
    "vote_erased_on_reset",
    "vote_not_stored",
    "hard_state_not_stored",
    "sent_before_written",
    "last_entries_lost_at_restart",
    "restored_from_backup",
    "empty_disk_at_restart",
    "removed_id_used_again",
    "bootstrapped_with_other_peers",
    "joint_conf_state_lost",
    # in the specification a member applies many entries at once, and their changes with them
    "pagination_skips_entries",
    "removal_not_applied",
    # a panic tells the implementation's reason, not the step
    "campaign_with_pending_snapshot",
    "auto_leave_repeated",
    "entries_applied_over_snapshot",
    # the consequence shows, and several earlier steps may have led to it
    "read_index_context_reused",
    "read_served_before_applied",
    "vote_request_before_write",
    "single_voter_reads_at_once",
    "lease_outlives_election",
}


def of_safety(fault: Fault) -> bool:
    """Where nothing happens any more, no step is wrong."""
    return fault.breaks != LIVENESS


@pytest.mark.parametrize("fault", [*filter(of_safety, FAULTS.values())], ids=lambda fault: fault.name)
def test_a_fault_breaks_its_guard(fault: Fault) -> None:
    violation = first_violation(scheduled_run(fault, on=True), OPTIONS)
    assert violation is not None
    assert (violation.guard and ".".join(violation.guard)) == OF_FAULTS.get(fault.name)
    assert violation.guard is None or OF_FAULTS[fault.name] in on_the_page()[violation.property]


def test_every_fault_is_listed() -> None:
    assert OF_FAULTS.keys() | WITHOUT_GUARD == {fault.name for fault in FAULTS.values() if of_safety(fault)}
    assert not OF_FAULTS.keys() & WITHOUT_GUARD


# ---- the other guards: Runs with one thing changed


def recorded(steps: Callable[[Script], None], **settings: Any) -> Run:
    run: Run = []
    world = World(0)
    steps(Script(world, replace(Settings(), **settings), watcher=Recorder(world, run.append, reads=True)))
    return run


def position(run: Run, kind: type, actor: str | None = None, after: int = -1, type_: str | None = None, **fields: object) -> int:
    """The first such event behind `after`, with a message of this type and these fields."""
    for at in range(after + 1, len(run)):
        event = run[at]
        message = getattr(event, "message", None)
        if (
            isinstance(event, kind)
            and actor in (None, event.actor)
            and type_ in (None, getattr(message, "type", None))
            and all(getattr(message, field) == value for field, value in fields.items())
        ):
            return at
    raise LookupError(kind)


def following(run: Run, at: int) -> int:
    """The same actor's next event."""
    return position(run, object, run[at].actor, at)


def shown(run: Run, at: int) -> events.State:
    state = run[at].state
    assert state is not None
    return state


def with_state(run: Run, at: int, **changes: object) -> Run:
    """The event shows another state."""
    return [*run[:at], changed(run[at], state=changed(shown(run, at), **changes)), *run[at + 1 :]]


def with_message(run: Run, at: int, **changes: object) -> Run:
    """The event has another message."""
    event = run[at]
    assert isinstance(event, events.Send | events.Receive)
    return [*run[:at], changed(event, message=changed(event.message, **changes)), *run[at + 1 :]]


def before(run: Run, at: int, event: events.Event) -> Run:
    """One more event, of the same actor and in the same state as the one that follows it."""
    return [*run[:at], changed(event, actor=run[at].actor, state=run[at].state), *run[at:]]


def shown_commit(run: Run, at: int) -> int:
    commit = shown(run, at).commit
    assert commit is not None
    return commit


BROKEN: list[tuple[str, Callable[[], Run]]] = []


def breaks(guard: str) -> Callable[[Callable[[], Run]], Callable[[], Run]]:
    """A Run that breaks this guard."""

    def register(run: Callable[[], Run]) -> Callable[[], Run]:
        BROKEN.append((guard, run))
        return run

    return register


@breaks("raft.campaign.newer_term")
def a_campaign_in_the_same_term() -> Run:
    run = recorded(two_leaders)
    at = position(run, events.BecomeCandidate, "2")
    return with_state(run, at, term=(shown(run, at).term or 0) - 1)


@breaks("membership.become_leader.incoming_half")
def a_leader_without_the_incoming_half() -> Run:
    run = scheduled_run(FAULTS["election_without_joint_quorum"], on=True)
    vote = position(run, events.Receive, "4", type_="MsgVoteResp", from_="5")
    return run[:vote] + run[vote + 1 :]


def leader_of_a_joint_membership_proposes(script: Script) -> None:
    """In the joint membership of {1, 4, 5} and {1, 2, 3}, members 4 and 5 acknowledge an entry, and 2 and 3 do not."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for joining in (4, 5):
        script.cluster.add(joining).start()
    added = (ConfChangeSingle(ConfChangeType.ConfChangeAddNode, each) for each in (4, 5))
    removed = (ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, each) for each in (2, 3))
    joint = ConfChangeTransition.ConfChangeTransitionJointExplicit
    script.member(1).propose_conf_change(ConfChangeV2(joint, (*added, *removed)))
    script.settle(*FIVE)
    script.member(1).propose(b"a")
    script.settle(1, 4, 5)


def last_commit_of(run: Run, actor: str) -> Run:
    """Up to the last time that the leader evaluates its commit index, which moves to the end of its log now."""
    at = max(at for at, event in enumerate(run) if isinstance(event, events.Commit) and event.actor == actor)
    return with_state(run[: at + 1], at, commit=shown(run, at).last_index)


@breaks("membership.advance_commit.outgoing_half")
def a_commit_without_the_outgoing_half() -> Run:
    return last_commit_of(recorded(leader_of_a_joint_membership_proposes), "1")


@breaks("membership.advance_commit.incoming_half")
def a_commit_without_the_incoming_half() -> Run:
    run = recorded(leader_of_a_joint_membership_proposes)
    return last_commit_of([each for each in run if not is_acknowledgement(each)], "1")


def is_acknowledgement(event: events.Event) -> bool:
    return isinstance(event, events.Receive) and event.message.type == "MsgAppResp" and event.message.from_ in ("4", "5")


def rejected_append(run: Run) -> int:
    """Where member 3 rejects an append: the one before is lost."""
    return position(run, events.Send, "3", type_="MsgAppResp", reject=True)


@breaks("raft.receive_new_append.previous_matches")
def a_gap_in_the_log() -> Run:
    run = recorded(append_is_lost)
    at = rejected_append(run)
    received = run[at - 1]
    assert isinstance(received, events.Receive)
    return with_state(run, at, last_index=received.message.index + len(received.message.entries))


@breaks("raft.learn_commit.previous_matches")
def a_commit_index_learned_from_a_rejected_append() -> Run:
    run = recorded(append_is_lost)
    at = rejected_append(run)
    return with_state(run, at, commit=shown_commit(run, at) + 1)


def appends_are_small(script: Script) -> None:
    """Member 3 gets entry after entry from a leader that has committed them all."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for payload in (b"a", b"b", b"c"):
        script.member(1).propose(payload)
        script.settle(1, 2)
        script.drop(to=3)
    script.member(1).propose(b"d")
    script.settle(*THREE)


@breaks("raft.learn_commit.within_message")
def a_commit_index_beyond_the_append() -> Run:
    run = recorded(appends_are_small, max_size_per_msg=1, keep_entries=10)
    at = position(run, events.Receive, "3", rejected_append(run), "MsgApp")
    while shown(run, following(run, at)).last_index == shown(run, at).last_index:
        at = position(run, events.Receive, "3", at, "MsgApp")
    received = run[at]
    assert isinstance(received, events.Receive)
    last = received.message.index + len(received.message.entries)
    assert last < received.message.commit
    return with_state(run, following(run, at), commit=last + 1)


@breaks("raft.receive_heartbeat.leader_committed")
def a_commit_index_beyond_the_heartbeat() -> Run:
    run = recorded(two_leaders)
    at = following(run, position(run, events.Receive, "3", type_="MsgHeartbeat"))
    return with_state(run, at, commit=shown_commit(run, at) + 1)


@breaks("raft.receive_known_append.sent")
def an_acknowledgement_in_a_term_without_leader() -> Run:
    run = recorded(two_leaders)
    at = following(run, position(run, events.BecomeFollower, "3", position(run, events.BecomeCandidate, "2")))
    answer = events.Message(type="MsgAppResp", from_="3", to="2", term=shown(run, at).term or 0, index=1)
    return before(run, at, events.Send(actor="3", message=answer))


def member_1_restarts_from_a_snapshot(script: Script) -> None:
    member_is_far_behind(script)
    script.crash(1)
    script.restart(1)


@breaks("raft.restart.not_below_snapshot")
def a_restart_below_the_snapshot() -> Run:
    run = recorded(member_1_restarts_from_a_snapshot, keep_entries=0)
    start = position(run, events.Start, "1", position(run, events.Crash, "1"))
    return with_state(run, position(run, events.BecomeFollower, "1", start), commit=shown_commit(run, start) - 1)


TWO_CHANGES = tuple(events.Change(type="ConfChangeRemoveNode", node=node) for node in ("2", "3"))


def takes(changes: tuple[events.Change, ...]) -> events.ChangeConf:
    return events.ChangeConf(actor="", args=events.ChangeConfArgs(changes=changes))


@breaks("membership.propose_joint.is_leader")
def a_follower_takes_two_changes() -> Run:
    run = recorded(two_leaders)
    return before(run, position(run, events.Receive, "3", type_="MsgHeartbeat"), takes(TWO_CHANGES))


@breaks("membership.propose_leave.is_leader")
def a_follower_leaves_a_joint_membership() -> Run:
    run = recorded(two_leaders)
    return before(run, position(run, events.Receive, "3", type_="MsgHeartbeat"), takes(()))


def with_second_change(changes: tuple[events.Change, ...]) -> Run:
    """The leader takes one more change when the first is in its log."""
    run = recorded(member_joins)
    return before(run, position(run, events.Ready, "1", position(run, events.ChangeConf, "1")), takes(changes))


@breaks("membership.propose_joint.no_pending_change")
def a_joint_change_while_one_is_pending() -> Run:
    return with_second_change(TWO_CHANGES)


@breaks("membership.propose_leave.no_pending_change")
def a_joint_membership_is_left_while_a_change_is_pending() -> Run:
    return with_second_change(())


@breaks("membership.apply.advances")
def an_entry_is_applied_once_more() -> Run:
    run = recorded(two_leaders)
    applied = [event for event in run if isinstance(event, events.Apply) and event.actor == "2"]
    return [*run, applied[-2]]


@breaks("reads.answer_alone.committed_in_own_term")
def a_single_voter_answers_before_it_commits() -> Run:
    run = scheduled_run(FAULTS["single_voter_reads_at_once"], on=True)
    return [*run[: position(run, events.ReadRequest) + 1], run[position(run, events.ReadServed)]]


@breaks("reads.serve_read.applied")
def a_read_from_a_state_that_is_not_there() -> Run:
    run = scheduled_run(FAULTS["read_served_before_applied"], on=True)
    at = position(run, events.ReadServed)
    served = run[at]
    assert isinstance(served, events.ReadServed)
    return [*run[:at], changed(served, args=changed(served.args, index=served.args.index + 100)), *run[at + 1 :]]


def sent_in_an_older_term(type_: str, **settings: Any) -> Run:
    run = recorded(member_is_far_behind, **settings)
    at = position(run, events.Send, type_=type_)
    return with_message(run, at, term=(shown(run, at).term or 0) - 1)


@breaks("raft.send_heartbeat.own_term")
def a_heartbeat_of_an_older_term() -> Run:
    run = recorded(two_leaders)
    at = position(run, events.Send, type_="MsgHeartbeat")
    return with_message(run, at, term=(shown(run, at).term or 0) - 1)


@breaks("raft.send_snapshot.own_term")
def a_snapshot_of_an_older_term() -> Run:
    return sent_in_an_older_term("MsgSnap", keep_entries=0)


@breaks("membership.request_votes.has_campaigned")
def a_vote_request_of_an_older_term() -> Run:
    return sent_in_an_older_term("MsgVote")


@breaks("raft.grant_vote.in_term")
def a_vote_of_an_older_term() -> Run:
    return sent_in_an_older_term("MsgVoteResp")


@breaks("raft.receive_heartbeat.addressed")
def a_heartbeat_to_somebody_else() -> Run:
    run = recorded(two_leaders)
    return with_message(run, position(run, events.Receive, "3", type_="MsgHeartbeat"), to="2")


@pytest.mark.parametrize(("guard", "run"), BROKEN, ids=[f"{guard}-{run.__name__}" for guard, run in BROKEN])
def test_a_run_breaks_its_guard(guard: str, run: Callable[[], Run]) -> None:
    violation = first_violation(run(), OPTIONS)
    assert violation is not None
    assert violation.guard == GUARDS[guard], violation.message
    assert guard in on_the_page()[violation.property]


def test_every_guard_is_shown() -> None:
    edited = {case.guard for case in CASES if case.guard is not None}
    assert all(case.guard in on_the_page()[case.broken] for case in CASES if case.guard is not None)
    assert edited | set(OF_FAULTS.values()) | {guard for guard, _ in BROKEN} == GUARDS.keys()


def test_a_guard_that_may_hold_is_not_named() -> None:
    """Whether a leader has told the member what to read is not known of a member that a leader has told something."""
    run = scheduled_run(FAULTS["read_served_before_applied"], on=True)
    served = position(run, events.ReadServed)
    told = position(run, events.Send, type_="MsgReadIndexResp")
    received = position(run, events.Receive, type_="MsgReadIndexResp")
    assert told < received < served
    whole, untold = (first_violation(each, OPTIONS) for each in (run, [*run[:told], *run[told + 1 : received], run[served]]))
    assert whole is not None
    assert untold is not None
    assert (whole.guard, untold.guard) == (None, GUARDS["reads.serve_read.answered"])


def test_for_the_specification_a_leader_is_one_until_its_term_ends() -> None:
    run = recorded(two_leaders)
    at = position(run, events.Send, "2", type_="MsgHeartbeat")
    heartbeat = with_state(run, at, role="StateFollower")[at]
    steps_down = events.BecomeFollower(actor="2", state=heartbeat.state)
    violation = first_violation([*run[:at], steps_down, heartbeat], OPTIONS)
    assert violation is not None
    assert (violation.property, violation.guard) == ("leader_only", None)


# ---- results


def test_a_result_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with path.open("wb") as file:
        writer = RunWriter(file, Header(system="raft"))
        for event in scheduled_run(FAULTS["vote_granted_twice"], on=True):
            writer.write(event)
    result = check_file(str(path), None, Limits())
    assert result.as_json()["guard"] == {"spec": "raft", "action": "grant_vote", "guard": "voted_for_no_other"}
    assert str(result.as_json()["reason"]).startswith("it votes a second time")
    assert "no step of raft.grant_vote: its guard voted_for_no_other does not hold" in lines_for_people(result)[2]


def test_a_result_without_guard_does_not() -> None:
    result = check_file(str(BAD), None, Limits())
    assert result.property == "durable_state"
    assert "guard" not in result.as_json()
    assert not any("no step of" in line for line in lines_for_people(result))
