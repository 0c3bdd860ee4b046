"""The Raft checker against a naive one: it never sees less, and neither raises an alarm where nothing is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

import pytest
from msgspec import structs

from kubeproof.conformance.simulation.plan import Plan, varied_plan
from kubeproof.conformance.simulation.registry import FAULTS, LIVENESS, Fault
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import CannotBeJudged
from tests.conformance.trace.naive import first_contradiction
from tests.conformance.trace.simulated import first_violation, planned_run, scheduled_run

EVENTS = 2000
BATCHES = 6
SEEDS_A_BATCH = 11
SAFETY = {name: fault for name, fault in FAULTS.items() if fault.breaks != LIVENESS}
# What the naive checker sees, too; it looks at consequences only, and some schedules stop before there are any.
SEEN_BY_BOTH = {
    "vote_erased_on_reset",
    "vote_granted_twice",
    "vote_for_shorter_log",
    "commit_older_term_by_counting",
    "commit_beyond_matched_prefix",
    "truncate_without_conflict",
    "single_voter_commits_before_write",
    "pagination_skips_entries",
    "append_response_without_term",
    "read_index_before_own_commit",
    "read_index_context_reused",
    "vote_not_stored",
    "hard_state_not_stored",
    "sent_before_written",
    "last_entries_lost_at_restart",
    "restored_from_backup",
    "empty_disk_at_restart",
    "conf_change_applied_when_proposed",
    "bootstrapped_with_other_peers",
    "read_served_locally",
    "read_served_before_applied",
    "vote_request_before_write",
    "single_voter_reads_at_once",
    "lease_outlives_election",
}

Run = list[events.Event]


def alarm(run: Run) -> int | None:
    """The event, counted from 1, that the Raft checker rejects; 0 if it finds that the run cannot be judged."""
    try:
        violation = first_violation(run)
    except CannotBeJudged:
        return 0
    return None if violation is None else violation.event


def assert_not_later(run: Run, what: str) -> bool:
    """Whether the naive checker objects; then the other one does, at that event or before."""
    contradiction = first_contradiction(run)
    if contradiction is None:
        return False
    number, how = contradiction
    found = alarm(run)
    assert found is not None, f"{what}: nobody but the naive checker objects to event {number}: {how}"
    assert found <= number, f"{what}: event {found} is rejected, but {number} contradicts already: {how}"
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_correct_runs_hold_for_both(batch: int) -> None:
    for seed in range(1 + batch, 1 + BATCHES * SEEDS_A_BATCH, BATCHES):
        plan = varied_plan(seed, EVENTS)
        run = planned_run(plan)
        assert len(run) >= EVENTS
        assert first_contradiction(run) is None
        violation = first_violation(run, plan.options())
        assert violation is None, f"seed {seed}: {violation.message}" if violation else ""


@pytest.mark.parametrize("fault", SAFETY.values(), ids=SAFETY)
def test_schedules(fault: Fault) -> None:
    assert assert_not_later(scheduled_run(fault, on=True), fault.name) == (fault.name in SEEN_BY_BOTH)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_schedules_without_their_fault(fault: Fault) -> None:
    run = scheduled_run(fault, on=False)
    assert first_contradiction(run) is None
    assert first_violation(run) is None


def faulty_plan(fault: Fault, seed: int) -> Plan:
    plan = varied_plan(seed, EVENTS)
    bugs = () if fault.layer == "original" else (fault.name,)
    settings = replace(plan.settings, vote_request_after_write=False, **fault.options)
    return replace(plan, faults=tuple({*plan.faults, "crash"}), bugs=bugs, settings=settings, reads=True)


def test_random_runs_with_faults() -> None:
    objections = Counter(
        fault.name
        for fault in SAFETY.values()
        for seed in (2, 3)
        if assert_not_later(planned_run(faulty_plan(fault, seed)), fault.name)
    )
    assert len(objections) >= 2, objections


# ---- edited runs


@cache
def base(seed: int) -> Run:
    return planned_run(varied_plan(seed, 1000))


def other_number(number: int, random: Random) -> int:
    return max(0, number + random.choice((-2, -1, 1, 2)))


def edit_apply(event: events.Apply, random: Random) -> events.Event:
    field = random.choice(("index", "term", "payload"))
    value = "ff" if field == "payload" else other_number(getattr(event.args, field), random)
    return structs.replace(event, args=structs.replace(event.args, **{field: value}))


def edit_read(event: events.ReadServed, random: Random) -> events.Event:
    return structs.replace(event, args=structs.replace(event.args, index=other_number(event.args.index, random)))


def edit_message(event: events.Send | events.Receive, random: Random) -> events.Event:
    message = event.message
    field = random.choice(("term", "index", "log_term", "commit", "reject", "entries", "from_", "to"))
    value: object
    if field == "reject":
        value = not message.reject
    elif field == "entries":
        value = tuple(structs.replace(entry, **random.choice(({"payload": "ff"}, {"term": 1}))) for entry in message.entries)
    elif field in ("from_", "to"):
        value = random.choice("123")
    else:
        value = other_number(getattr(message, field), random)
    return structs.replace(event, message=structs.replace(message, **{field: value}))


def edit_state(event: events.Event, random: Random) -> events.Event:
    assert event.state is not None
    field = random.choice(("term", "commit", "last_index"))
    value = other_number(getattr(event.state, field), random)
    return structs.replace(event, state=structs.replace(event.state, **{field: value}))


def edit(run: Run, at: int, random: Random) -> None:
    event = run[at]
    if isinstance(event, events.Apply):
        run[at] = edit_apply(event, random)
    elif isinstance(event, events.ReadServed):
        run[at] = edit_read(event, random)
    elif isinstance(event, events.Send | events.Receive) and random.random() < 0.8:
        run[at] = edit_message(event, random)
    elif event.state is not None:
        run[at] = edit_state(event, random)


def remove(run: Run, at: int, _random: Random) -> None:
    del run[at]


def repeat_later(run: Run, at: int, random: Random) -> None:
    run.insert(random.randrange(at, len(run)), run[at])


def swap(run: Run, at: int, random: Random) -> None:
    other = random.randrange(len(run))
    run[at], run[other] = run[other], run[at]


def give_to_another(run: Run, at: int, random: Random) -> None:
    run[at] = structs.replace(run[at], actor=random.choice("123"))


EDITS: tuple[Callable[[Run, int, Random], None], ...] = (edit, edit, remove, repeat_later, swap, give_to_another)


@pytest.mark.parametrize("batch", range(4))
def test_edited_runs(batch: int) -> None:
    random = Random(batch)
    objections = 0
    for seed in range(batch, 12, 4):
        for _ in range(50):
            run = list(base(seed))
            change, at = random.choice(EDITS), random.randrange(len(run))
            change(run, at, random)
            try:
                objections += assert_not_later(run, f"seed {seed}, {change.__name__} event {at + 1}")
            except KeyError:
                continue  # the naive checker wants to know every node and read from the start
    assert objections >= 5
