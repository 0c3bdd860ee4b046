"""Membership arithmetic and the wire format of conf changes (behaviours of etcd-io/raft's confchange and raftpb tests)."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeproof.impl.raft.confchange import (
    Changer,
    ConfChange,
    ConfChangeDecodeError,
    ConfChangeError,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    Membership,
    conf_changes_from_string,
    conf_changes_to_string,
    decode_conf_change,
    describe_conf_change,
    encode_conf_change,
    restore,
)
from kubeproof.impl.raft.tracker import Inflights, Progress, ProgressTracker, TrackerConfig
from kubeproof.impl.raft.types import ConfState, EntryType

AUTO = ConfChangeTransition.ConfChangeTransitionAuto
IMPLICIT = ConfChangeTransition.ConfChangeTransitionJointImplicit
EXPLICIT = ConfChangeTransition.ConfChangeTransitionJointExplicit

UINT64 = st.integers(min_value=0, max_value=2**64 - 1)
TYPES = st.sampled_from(ConfChangeType)
# Node 1 is never changed, so that there always is a voter.
CHANGES = st.lists(st.builds(ConfChangeSingle, TYPES, st.integers(min_value=2, max_value=10)), min_size=1, max_size=9)


def changer(voters: tuple[int, ...] = (), last_index: int = 10) -> Changer:
    membership = restore(Changer(ProgressTracker(10), last_index), ConfState(voters=voters))
    return Changer(ProgressTracker(10).with_config(*membership), last_index)


def after(before: Changer, membership: Membership) -> Changer:
    return Changer(before.tracker.with_config(*membership), before.last_index)


@given(st.frozensets(st.integers(min_value=2, max_value=6)), CHANGES, st.booleans())
def test_simple_changes_come_to_the_same_as_a_joint_one(
    voters: frozenset[int], changes: list[ConfChangeSingle], auto: bool
) -> None:
    before = changer((1, *sorted(voters)))
    stepwise = before
    for change in changes:
        stepwise = after(stepwise, stepwise.simple([change]))
    joint = after(before, before.enter_joint(auto, changes))
    left = joint.leave_joint()
    assert left[0] == stepwise.tracker.config
    expected = {member: known.is_learner for member, known in stepwise.tracker.progress.items()}
    assert {member: known.is_learner for member, known in left[1].items()} == expected


@given(CHANGES)
def test_a_joint_change_keeps_the_former_voters_as_outgoing_half(changes: list[ConfChangeSingle]) -> None:
    before = changer((1, 2, 3))
    config, progress = before.enter_joint(False, changes)
    assert sorted(config.voters.outgoing) == [1, 2, 3]
    members = config.voters.ids() | (config.learners or frozenset()) | (config.learners_next or frozenset())
    assert list(progress) == sorted(members)


@st.composite
def conf_states(draw: st.DrawFn) -> ConfState:
    """Any membership that can occur: learners apart from voters, staged learners among the voters that leave."""
    ids = draw(st.permutations(range(1, 10)))
    counts = [draw(st.integers(min_value=low, max_value=2)) for low in (1, 0, 0, 0, 0)]
    bounds = [sum(counts[:k]) for k in range(6)]
    stay, come, leave, learners, staged = (tuple(ids[low:high]) for low, high in pairwise(bounds))
    joint = draw(st.booleans())
    if not joint:
        return ConfState(voters=tuple(sorted(stay + come)), learners=tuple(sorted(learners)))
    return ConfState(
        voters=tuple(sorted(stay + come)),
        learners=tuple(sorted(learners)),
        voters_outgoing=tuple(sorted(stay + leave + staged)),
        learners_next=tuple(sorted(staged)),
        auto_leave=draw(st.booleans()),
    )


@given(conf_states())
def test_restore_round_trips(state: ConfState) -> None:
    tracker = ProgressTracker(10)
    assert tracker.with_config(*restore(Changer(tracker, 10), state)).conf_state() == state


@given(st.data())
def test_a_refused_change_leaves_the_tracker_as_it_was(data: st.DataObject) -> None:
    before = after(c := changer((1, 2, 3)), c.enter_joint(False, conf_changes_from_string("l3 v4")))
    state = before.tracker.export()
    before.leave_joint()
    with pytest.raises(ConfChangeError):
        before.simple(data.draw(CHANGES))
    with pytest.raises(ConfChangeError):
        before.enter_joint(True, data.draw(CHANGES))
    assert before.tracker.export() == state


def test_a_new_member_is_probed_from_the_last_index_and_counts_as_active() -> None:
    _, progress = changer((1,), last_index=7).simple(conf_changes_from_string("v2"))
    assert (progress[2].match, progress[2].next, progress[2].recent_active) == (0, 7, True)
    _, progress = changer(last_index=0).simple(conf_changes_from_string("v2"))
    assert progress[2].next == 1


def test_progress_survives_a_change() -> None:
    before = changer((1, 2))
    before.tracker.progress[2].become_replicate()
    before.tracker.progress[2].sent_entries(3, 30)
    known = before.tracker.progress[2].export()
    _, progress = before.simple(conf_changes_from_string("v3"))
    assert progress[2].export() == known


@pytest.mark.parametrize(
    ("config", "members", "problem"),
    [
        ("voters", {}, "no progress for 1"),
        ("learner voter", {1: False}, r"1 is in Learners and Voters\[0\]"),
        ("learner", {1: False}, "1 is in Learners, but is not marked as learner"),
        ("staged", {1: False}, r"1 is in LearnersNext, but not Voters\[1\]"),
        ("auto", {}, "AutoLeave must be false when not joint"),
    ],
)
def test_a_tracker_that_contradicts_itself_is_refused(config: str, members: dict[int, bool], problem: str) -> None:
    one = changer((1,)).tracker.config.voters
    none = changer().tracker.config.voters
    configs = {
        "voters": TrackerConfig(one),
        "learner voter": TrackerConfig(one, one.incoming),
        "learner": TrackerConfig(none, one.incoming),
        "staged": TrackerConfig(none, None, one.incoming),
        "auto": TrackerConfig(none, auto_leave=True),
    }
    progress = {member: Progress(0, 1, Inflights(10), is_learner=learner) for member, learner in members.items()}
    with pytest.raises(ConfChangeError, match=problem):
        Changer(ProgressTracker(10).with_config(configs[config], progress), 10).simple(conf_changes_from_string("v2"))


@pytest.mark.parametrize(
    ("change", "auto_leave", "joint", "leaves"),
    [
        (ConfChangeV2(), False, False, True),
        (ConfChangeV2(AUTO, (), b"context"), False, False, True),
        (ConfChangeV2(changes=conf_changes_from_string("v1")), False, False, False),
        (ConfChangeV2(changes=conf_changes_from_string("v1 v2")), True, True, False),
        (ConfChangeV2(IMPLICIT, conf_changes_from_string("v1")), True, True, False),
        (ConfChangeV2(IMPLICIT), True, True, False),
        (ConfChangeV2(EXPLICIT, conf_changes_from_string("v1")), False, True, False),
    ],
)
def test_when_joint_consensus_is_used(change: ConfChangeV2, auto_leave: bool, joint: bool, leaves: bool) -> None:
    assert (change.enter_joint(), change.leave_joint()) == ((auto_leave, joint), leaves)


SINGLES = st.builds(ConfChangeSingle, TYPES, UINT64)
V2 = st.builds(
    ConfChangeV2,
    st.none() | st.sampled_from(ConfChangeTransition),
    st.lists(SINGLES, max_size=4).map(tuple),
    st.binary(max_size=200),
)
V1 = st.builds(ConfChange, TYPES, UINT64, st.binary(max_size=200), UINT64)


@given(V1 | V2)
def test_encoding_round_trips(change: ConfChange | ConfChangeV2) -> None:
    assert decode_conf_change(*encode_conf_change(change)) == change


@pytest.mark.parametrize(
    ("change", "data"),
    [
        (None, ""),
        (ConfChangeV2(), ""),
        (ConfChangeV2(AUTO), "0800"),
        (ConfChangeV2(changes=conf_changes_from_string("v1")), "120408001001"),
        (ConfChangeV2(EXPLICIT, conf_changes_from_string("r300 l2"), b"hi"), "0802 1205080110ac02 120408031002 1a026869"),
        (ConfChange(ConfChangeType.ConfChangeAddNode, 1), "10001801"),
        (ConfChange(ConfChangeType.ConfChangeRemoveNode, 2, b"c", 7), "0807 1001 1802 220163"),
    ],
)
def test_encoding_is_protobuf_as_in_raft_proto(change: ConfChange | ConfChangeV2 | None, data: str) -> None:
    assert encode_conf_change(change)[1] == bytes.fromhex(data)


def test_decoding_takes_any_order_the_last_value_and_skips_unknown_fields() -> None:
    unknown = "7d00000000 79 0000000000000000 7a0161 7001"  # fields 14 and 15 in every wire type
    data = bytes.fromhex(unknown + "1803 1801 1001 1a0161" + unknown)
    assert decode_conf_change(EntryType.EntryConfChange, data) == ConfChange(ConfChangeType.ConfChangeRemoveNode, 1)


@pytest.mark.parametrize(
    "data",
    [
        "08",  # no value
        "0880",  # a varint that does not end
        "08ffffffffffffffffff7f",  # more than 64 bits
        "0880808080808080808080808000",  # longer than ten bytes
        "12ff01",  # less bytes than announced
        "0000",  # field 0
        "0b",  # a group
        "0809",  # no such transition
        "12020809",  # no such type
    ],
)
def test_malformed_bytes_are_refused(data: str) -> None:
    with pytest.raises(ConfChangeDecodeError):
        decode_conf_change(EntryType.EntryConfChangeV2, bytes.fromhex(data))


@given(st.binary(max_size=60), st.sampled_from(EntryType))
def test_any_bytes_are_a_change_or_refused(data: bytes, entry_type: EntryType) -> None:
    try:
        change = decode_conf_change(entry_type, data)
    except ConfChangeDecodeError:
        return
    assert decode_conf_change(*encode_conf_change(change)) == change


def test_a_normal_entry_holds_no_conf_change() -> None:
    with pytest.raises(ConfChangeDecodeError, match="EntryNormal"):
        decode_conf_change(EntryType.EntryNormal, b"")


@given(st.lists(SINGLES, max_size=5).map(tuple))
def test_short_form_round_trips(changes: tuple[ConfChangeSingle, ...]) -> None:
    assert conf_changes_from_string(conf_changes_to_string(changes)) == changes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v", "unknown token v"),
        ("v1  v2", "unknown token "),
        ("x1", "unknown input: x1"),
        ("V1", "unknown input: V1"),
        ("v-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("v\u0661", 'strconv.ParseUint: parsing "\u0661": invalid syntax'),
        ("v18446744073709551616", 'strconv.ParseUint: parsing "18446744073709551616": value out of range'),
        ("v" + "9" * 5000, 'strconv.ParseUint: parsing "' + "9" * 5000 + '": value out of range'),
    ],
)
def test_short_form_refuses_everything_else(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        conf_changes_from_string(text)


def test_long_form() -> None:
    change = ConfChangeV2(EXPLICIT, conf_changes_from_string("v3 r1"), b'say "hi"\n')
    assert describe_conf_change(change) == (
        "transition:ConfChangeTransitionJointExplicit changes:{type:ConfChangeAddNode node_id:3}"
        r' changes:{type:ConfChangeRemoveNode node_id:1} context:"say \"hi\"\n"'
    )
    assert describe_conf_change(ConfChange(ConfChangeType.ConfChangeUpdateNode, 2)) == (
        "transition:ConfChangeTransitionAuto changes:{type:ConfChangeUpdateNode node_id:2}"
    )
