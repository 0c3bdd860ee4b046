"""What a source may leave out of a Run: correct runs hold without it, and most faults still show.

What a run cannot be judged without is asked for, and its absence is never taken for a violation.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from msgspec import structs

from kubeproof.conformance.simulation.plan import varied_plan
from kubeproof.conformance.simulation.registry import FAULTS
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import CannotBeJudged
from tests.conformance.trace.simulated import first_violation, planned_run, scheduled_run

Run = list[events.Event]
Leave = Callable[[events.Event], events.Event | None]
SEEDS = (1, 4, 5, 10, 14, 15)
# Reads, what is applied, votes, logs, memberships and restarts.
SHOWING = (
    "read_index_before_own_commit",
    "append_response_without_term",
    "vote_granted_twice",
    "compacted_prev_term_zero",
    "election_without_joint_quorum",
    "snapshot_labelled_with_last_index",
    "empty_disk_at_restart",
)


def state_without(field: str) -> Leave:
    def leave(event: events.Event) -> events.Event:
        return event if event.state is None else structs.replace(event, state=structs.replace(event.state, **{field: None}))

    return leave


def args_without(kind: Any, *fields: str) -> Leave:
    def leave(event: Any) -> events.Event:
        left: events.Event = event
        if isinstance(event, kind):
            left = structs.replace(event, args=structs.replace(event.args, **dict.fromkeys(fields)))
        return left

    return leave


def no_replicate_args(event: events.Event) -> events.Event:
    return structs.replace(event, args=None) if isinstance(event, events.Replicate) else event


def counted_entries(event: events.Event) -> events.Event:
    if not isinstance(event, events.Send | events.Receive) or event.message.type != "MsgApp":
        return event
    message = structs.replace(event.message, entries=(), entry_count=len(event.message.entries))
    return structs.replace(event, message=message)


def bare_snapshots(event: events.Event) -> events.Event:
    if not isinstance(event, events.Send | events.Receive) or event.message.snapshot is None:
        return event
    label = events.Snapshot(index=event.message.snapshot.index)
    return structs.replace(event, message=structs.replace(event.message, snapshot=label))


def no(*kinds: type[events.RaftEvent]) -> Leave:
    return lambda event: None if isinstance(event, kinds) else event


def some_states(event: events.Event) -> events.Event:
    """Nothing of the state in most events whose own subject is something else."""
    untold = isinstance(event, events.Send | events.Receive | events.Ready | events.Replicate)
    return structs.replace(event, state=None) if untold and zlib.crc32(msgspec.json.encode(event)) % 4 else event


LEFT_OUT: dict[str, Leave] = {
    "role": state_without("role"),
    "voters": state_without("voters"),
    "voters_outgoing": state_without("voters_outgoing"),
    "outgoing half and learners": args_without(
        events.ApplyConfChange, "voters_outgoing", "learners", "learners_next", "auto_leave"
    ),
    "transition": args_without(events.ChangeConf, "transition"),
    "announced entry": no_replicate_args,
    "announced index": args_without(events.Replicate, "index"),
    "announced payload": args_without(events.Replicate, "payload"),
    "applied payload": args_without(events.Apply, "payload"),
    "entries of appends": counted_entries,
    "labels of snapshots": bare_snapshots,
    "crashes": no(events.Crash),
    "network": no(events.Drop, events.Duplicate, events.Partition, events.Heal),
    "pre-candidates": no(events.BecomePreCandidate),
    "vote": state_without("vote"),
    "some states": some_states,
    "time": lambda event: structs.replace(event, time_ms=None),
}


NEEDED: dict[str, Leave] = {
    "state": lambda event: structs.replace(event, state=None),
    "term": state_without("term"),
    "commit": state_without("commit"),
    "last_index": state_without("last_index"),
}


def without(run: Run, leave: Leave) -> Run:
    return [event for event in map(leave, run) if event is not None]


@cache
def told(seed: int) -> Run:
    return planned_run(varied_plan(seed, 1500))


@pytest.mark.parametrize("what", LEFT_OUT)
def test_correct_runs_hold_without(what: str) -> None:
    differ = False
    for seed in SEEDS:
        run = without(told(seed), LEFT_OUT[what])
        violation = first_violation(run, varied_plan(seed, 1500).options())
        assert violation is None, f"seed {seed}: {violation.message}" if violation else ""
        differ = differ or run != told(seed)
    assert differ


@pytest.mark.parametrize("what", LEFT_OUT)
@pytest.mark.parametrize("name", SHOWING)
def test_faults_show_without(name: str, what: str) -> None:
    violation = first_violation(without(scheduled_run(FAULTS[name], on=True), LEFT_OUT[what]))
    assert violation is not None
    assert violation.property == FAULTS[name].breaks


@pytest.mark.parametrize("what", NEEDED)
def test_what_is_needed_is_asked_for(what: str) -> None:
    for seed in SEEDS:
        with pytest.raises(CannotBeJudged, match="expected in"):
            first_violation(without(told(seed), NEEDED[what]))


def test_without_any_ready_all_may_be_stored() -> None:
    for seed in SEEDS:
        violation = first_violation(without(told(seed), no(events.Ready)))
        assert violation is None, f"seed {seed}: {violation.message}" if violation else ""
