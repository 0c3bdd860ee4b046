"""Progress, windows of unacknowledged appends and the tracker (behaviours of etcd-io/raft's tracker tests)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeproof.impl.raft.confchange import Changer, ConfChangeSingle, ConfChangeType
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.quorum import VoteResult
from kubeproof.impl.raft.tracker import (
    Inflights,
    Progress,
    ProgressStateType,
    ProgressTracker,
    StateProbe,
    StateReplicate,
    StateSnapshot,
    progress_lines,
)
from kubeproof.impl.raft.types import ConfState


def make_progress(
    match: int = 0,
    next_index: int = 1,
    state: ProgressStateType = StateProbe,
    *,
    size: int = 256,
    max_bytes: int = 0,
) -> Progress:
    progress = Progress(match, next_index, Inflights(size, max_bytes))
    progress.state = state
    return progress


class WindowModel:
    """The obvious window: a list, everything computed anew."""

    def __init__(self, size: int, max_bytes: int) -> None:
        self.size, self.max_bytes = size, max_bytes
        self.messages: list[tuple[int, int]] = []

    def full(self) -> bool:
        return len(self.messages) == self.size or (0 < self.max_bytes <= sum(size for _, size in self.messages))


@given(
    st.integers(min_value=0, max_value=5),
    st.integers(min_value=0, max_value=40),
    st.lists(st.one_of(st.tuples(st.just("add"), st.integers(0, 20)), st.tuples(st.just("free"), st.integers(0, 9)))),
)
def test_inflights_add_and_free_like_the_obvious_window(size: int, max_bytes: int, steps: list[tuple[str, int]]) -> None:
    window, model = Inflights(size, max_bytes), WindowModel(size, max_bytes)
    index = 0
    for step, value in steps:
        if step == "free":
            to = index - value
            window.free_le(to)
            model.messages = [message for message in model.messages if message[0] > to]
        elif not model.full():
            index += 1
            window.add(index, value)
            model.messages.append((index, value))
        assert (window.count(), window.full()) == (len(model.messages), model.full())
        assert window.export().messages == tuple(model.messages)


@pytest.mark.parametrize(("size", "max_bytes", "fits"), [(0, 0, 0), (1, 0, 1), (1, 10, 1), (8, 400, 4), (8, 406, 4), (15, 0, 15)])
def test_inflights_full(size: int, max_bytes: int, fits: int) -> None:
    window = Inflights(size, max_bytes)
    for index in range(fits):
        window.add(index, 100 + index)
    assert window.full()
    with pytest.raises(RaftPanic, match="cannot add into a Full inflights"):
        window.add(100, 1)


@pytest.mark.parametrize(("leak", "full_after"), [(False, None), (True, 6)])
def test_inflights_reset_frees_the_bytes_unless_raft_54_is_wanted(leak: bool, full_after: int | None) -> None:
    window = Inflights(10, 96, leak_bytes=leak)
    full = None
    for epoch in range(1, 100):
        window.add(epoch, 16)
        if window.full():
            full = epoch
            break
        window.reset()
        assert window.count() == 0
    assert full == full_after


def test_progress_string() -> None:
    progress = make_progress(1, 2, size=1)
    progress.become_snapshot(123)
    progress.is_learner = True
    assert str(progress) == "StateSnapshot match=1 next=124 learner paused pendingSnap=123 inactive"
    progress.recent_active = True
    progress.become_replicate()
    progress.sent_entries(3, 30)
    assert str(progress) == "StateReplicate match=1 next=5 learner paused inflight=1[full]"


@pytest.mark.parametrize(
    ("state", "flow_paused", "paused"),
    [
        (StateProbe, False, False),
        (StateProbe, True, True),
        (StateReplicate, False, False),
        (StateReplicate, True, True),
        (StateSnapshot, False, True),
        (StateSnapshot, True, True),
    ],
)
def test_progress_is_paused(state: ProgressStateType, flow_paused: bool, paused: bool) -> None:
    progress = make_progress(state=state)
    progress.msg_app_flow_paused = flow_paused
    assert progress.is_paused() == paused


def test_progress_resume() -> None:
    """An acknowledgement and a genuine rejection lift the pause, stale ones do not."""
    progress = make_progress(next_index=2)
    progress.msg_app_flow_paused = True
    assert not progress.maybe_update(0)
    assert progress.msg_app_flow_paused
    assert progress.maybe_decr_to(1, 1)
    assert not progress.msg_app_flow_paused
    progress.msg_app_flow_paused = True
    assert progress.maybe_update(2)
    assert not progress.msg_app_flow_paused


@pytest.mark.parametrize(
    ("state", "pending_snapshot", "next_index"), [(StateReplicate, 0, 2), (StateSnapshot, 10, 11), (StateSnapshot, 0, 2)]
)
def test_progress_become_probe(state: ProgressStateType, pending_snapshot: int, next_index: int) -> None:
    progress = make_progress(1, 5, state)
    progress.pending_snapshot = pending_snapshot
    progress.sent_commit = 4
    progress.become_probe()
    assert (progress.state, progress.match, progress.next) == (StateProbe, 1, next_index)
    assert progress.pending_snapshot == 0
    assert progress.sent_commit == min(4, next_index - 1)


def test_progress_become_replicate() -> None:
    progress = make_progress(1, 5)
    progress.msg_app_flow_paused = True
    progress.become_replicate()
    assert (progress.state, progress.match, progress.next, progress.is_paused()) == (StateReplicate, 1, 2, False)


def test_progress_become_snapshot() -> None:
    progress = make_progress(1, 5)
    progress.become_snapshot(10)
    assert (progress.state, progress.match, progress.next) == (StateSnapshot, 1, 11)
    assert (progress.pending_snapshot, progress.sent_commit) == (10, 10)


@pytest.mark.parametrize(
    ("acked", "match", "next_index", "news"), [(2, 3, 5, False), (3, 3, 5, False), (4, 4, 5, True), (5, 5, 6, True)]
)
def test_progress_update(acked: int, match: int, next_index: int, news: bool) -> None:
    progress = make_progress(3, 5)
    assert progress.maybe_update(acked) == news
    assert (progress.match, progress.next) == (match, next_index)


@pytest.mark.parametrize(
    ("state", "match", "next_index", "rejected", "hint", "genuine", "next_after"),
    [
        # Replicating: stale up to the match, else back to behind the match, whatever the hint.
        (StateReplicate, 5, 10, 5, 5, False, 10),
        (StateReplicate, 5, 10, 4, 4, False, 10),
        (StateReplicate, 5, 10, 9, 9, True, 6),
        # Probing: only the answer to the append at next counts.
        (StateProbe, 0, 0, 0, 0, False, 0),
        (StateProbe, 0, 10, 5, 5, False, 10),
        (StateProbe, 0, 10, 9, 9, True, 9),
        (StateProbe, 0, 2, 1, 1, True, 1),
        (StateProbe, 0, 1, 0, 0, True, 1),
        (StateProbe, 0, 10, 9, 2, True, 3),
        (StateProbe, 0, 10, 9, 0, True, 1),
        # A reordered rejection must not bring next down to the match (etcd-io/raft#149).
        (StateProbe, 4, 6, 5, 2, True, 5),
    ],
)
def test_progress_maybe_decr(
    state: ProgressStateType, match: int, next_index: int, rejected: int, hint: int, genuine: bool, next_after: int
) -> None:
    progress = make_progress(match, next_index, state)
    assert progress.maybe_decr_to(rejected, hint) == genuine
    assert (progress.match, progress.next) == (match, next_after)


def test_progress_sent_entries() -> None:
    """Replicating moves next ahead until the window is full, probing waits after the first entries, empty ones are free."""
    progress = make_progress(2, 3, StateReplicate, size=2)
    progress.sent_entries(2, 20)
    assert (progress.next, progress.is_paused(), progress.inflights.count()) == (5, False, 1)
    progress.sent_entries(0, 0)
    assert (progress.next, progress.is_paused(), progress.inflights.count()) == (5, False, 1)
    progress.sent_entries(1, 10)
    assert (progress.next, progress.is_paused(), progress.inflights.count()) == (6, True, 2)
    progress.become_probe()
    progress.sent_entries(0, 0)
    assert not progress.is_paused()
    progress.sent_entries(1, 10)
    assert (progress.next, progress.is_paused()) == (3, True)
    progress.become_snapshot(7)
    with pytest.raises(RaftPanic, match="sending append in unhandled state StateSnapshot"):
        progress.sent_entries(1, 10)


@pytest.mark.parametrize(
    ("sent_commit", "next_index", "commit", "can"),
    [(3, 9, 4, True), (3, 9, 3, False), (3, 9, 2, False), (8, 9, 10, False), (7, 9, 10, True)],
)
def test_progress_can_bump_commit(sent_commit: int, next_index: int, commit: int, can: bool) -> None:
    progress = make_progress(1, next_index, StateReplicate)
    progress.sent_commit = sent_commit
    assert progress.can_bump_commit(commit) == can


OPERATIONS = st.one_of(
    st.tuples(st.just("ack"), st.integers(0, 12), st.just(0)),
    st.tuples(st.just("reject"), st.integers(0, 12), st.integers(0, 12)),
    st.tuples(st.just("send"), st.integers(0, 3), st.integers(0, 50)),
    st.tuples(st.sampled_from(["probe", "replicate"]), st.just(0), st.just(0)),
    st.tuples(st.just("snapshot"), st.integers(0, 12), st.just(0)),
)


def drive(progress: Progress, operation: tuple[str, int, int]) -> None:
    kind, one, other = operation
    if kind == "ack" and progress.maybe_update(one):
        progress.inflights.free_le(one)
    elif kind == "reject":
        progress.maybe_decr_to(one, other)
    elif kind == "send" and not progress.is_paused():
        progress.sent_entries(one, other)
    elif kind == "probe":
        progress.become_probe()
    elif kind == "replicate":
        progress.become_replicate()
    elif one > progress.match:
        progress.become_snapshot(one)


@given(st.lists(OPERATIONS))
def test_progress_invariants(operations: list[tuple[str, int, int]]) -> None:
    """Match stays below next and never falls; export and restore lose nothing."""
    progress = make_progress(size=2, max_bytes=60)
    for operation in operations:
        match = progress.match
        drive(progress, operation)
        assert match <= progress.match < progress.next
        copy = progress.clone()
        assert copy.export() == progress.export()
        assert hash(copy.export()) == hash(progress.export())
        drive(copy, ("snapshot", 99, 0))
        assert copy.export() != progress.export()


def make_tracker(voters: int = 3) -> ProgressTracker:
    tracker = ProgressTracker(10)
    for member in range(1, voters + 1):
        change = ConfChangeSingle(ConfChangeType.ConfChangeAddNode, member)
        tracker = tracker.with_config(*Changer(tracker, 10).simple([change]))
    return tracker


def with_learner(tracker: ProgressTracker, member: int) -> ProgressTracker:
    change = ConfChangeSingle(ConfChangeType.ConfChangeAddLearnerNode, member)
    return tracker.with_config(*Changer(tracker, 10).simple([change]))


def test_tracker_commits_what_a_quorum_of_voters_matches() -> None:
    tracker = with_learner(make_tracker(), 4)
    for member, match in ((1, 9), (2, 5), (3, 2), (4, 9)):
        tracker.progress[member].match = match
    assert tracker.committed() == 5


def test_tracker_counts_active_voters_only() -> None:
    tracker = with_learner(make_tracker(), 4)
    assert tracker.quorum_active()
    tracker.progress[1].recent_active = tracker.progress[2].recent_active = False
    assert not tracker.quorum_active()
    tracker.progress[2].recent_active = True
    assert tracker.quorum_active()


def test_tracker_takes_the_first_vote_of_a_voter() -> None:
    tracker = with_learner(make_tracker(), 4)
    tracker.record_vote(1, True)
    tracker.record_vote(2, False)
    tracker.record_vote(2, True)
    tracker.record_vote(4, True)  # a learner
    tracker.record_vote(9, True)  # a stranger
    assert tracker.tally_votes() == (1, 1, VoteResult.VotePending)
    tracker.record_vote(3, True)
    assert tracker.tally_votes() == (2, 1, VoteResult.VoteWon)
    tracker.reset_votes()
    assert tracker.tally_votes() == (0, 0, VoteResult.VotePending)


def test_tracker_members() -> None:
    tracker = with_learner(make_tracker(), 4)
    assert (tracker.voter_nodes(), tracker.learner_nodes(), tracker.is_singleton()) == ([1, 2, 3], [4], False)
    assert make_tracker(1).is_singleton()
    assert tracker.conf_state() == ConfState(voters=(1, 2, 3), learners=(4,))
    seen: list[int] = []
    tracker.visit(lambda member, _: seen.append(member))
    assert seen == list(tracker.progress) == [1, 2, 3, 4]
    assert progress_lines(tracker.progress).splitlines()[3] == "4: StateProbe match=0 next=10 learner"


def test_tracker_export_and_restore() -> None:
    tracker = make_tracker()
    tracker.progress[2].become_replicate()
    tracker.progress[2].sent_entries(2, 20)
    tracker.record_vote(3, True)
    tracker.record_vote(1, False)
    state = tracker.export()
    other = ProgressTracker(10)
    other.restore(state)
    assert other.export() == state
    assert hash(other.export()) == hash(state)
    other.progress[2].maybe_update(11)
    assert tracker.export() == state
