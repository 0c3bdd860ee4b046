"""The teeth of every property on etcd-io/raft's traces: a correct trace with one thing changed, and the line that shows it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import json

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation.plan import varied_plan
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.simulation.registry import FAULTS
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import PROPERTIES
from kubeproof.conformance.verdict import Verdict
from kubeproof.impl.cluster.script import Script
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType
from kubeproof.impl.raft.types import MessageType
from kubeproof.impl.sim.world import World
from tests.conformance.trace.simulated import planned_run, scheduled_run
from tests.conformance.trace.with_tla import Record, with_tla, write_trace

Lines = list[Record]
Steps = Callable[[Script], None]
Edit = Callable[[Lines], int]
THREE = (1, 2, 3)
FIVE = (1, 2, 3, 4, 5)

# ---- correct traces


@cache
def scripted(steps: Steps, keep_entries: int = 10) -> Lines:
    run: list[events.Event] = []
    world = World(0)
    steps(Script(world, replace(Settings(), keep_entries=keep_entries), watcher=Recorder(world, run.append, reads=False)))
    return with_tla(run)


def two_leaders(script: Script) -> None:
    """Member 1 leads term 2, member 2 leads term 3; member 3 restarts in each."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for payload in (b"a", b"b"):
        script.member(1).propose(payload)
        script.settle(*THREE)
    script.crash(3)
    script.restart(3)
    script.tick(1, 1)
    script.settle(*THREE)
    script.elect(2, THREE)
    for payload in (b"c", b"d"):
        script.member(2).propose(payload)
        script.settle(*THREE)
    script.tick(2, 1)
    script.settle(*THREE)
    script.crash(3)
    script.restart(3)
    script.member(2).propose(b"e")
    script.settle(*THREE)


def five_vote(script: Script) -> None:
    script.cluster.bootstrap(FIVE)
    script.elect(1, FIVE)


def append_is_lost(script: Script) -> None:
    """Member 3 misses an entry and rejects the next one at first."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.drop(to=3, type_=MessageType.MsgApp)
    script.settle(1, 2)
    script.member(1).propose(b"b")
    script.settle(*THREE)


def member_joins(script: Script) -> None:
    """Member 4 becomes the fourth voter, gets a snapshot, and everybody restarts."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.cluster.add(4).start()
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddNode, 4))
    script.settle(*THREE)
    script.member(1).propose(b"a")
    script.settle(*THREE)
    script.settle(*THREE, 4)
    for each in (*THREE, 4):
        script.crash(each)
        script.restart(each)


def member_is_far_behind(script: Script) -> None:
    """Member 3 needs a snapshot."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for payload in (b"a", b"b", b"c"):
        script.member(1).propose(payload)
        script.settle(1, 2)
        script.drop()
    script.member(1).compact()
    script.member(1).propose(b"d")
    script.settle(*THREE)


def vote_is_not_written(script: Script) -> None:
    """Member 3 crashes before its vote for member 2 is written; the answer never leaves."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.hold_disk(3)
    script.member(2).campaign()
    script.deliver(to=3, type_=MessageType.MsgVote)
    script.crash(3)
    script.restart(3)


def vote_comes_late(script: Script) -> None:
    """Member 1 campaigns twice; the vote of member 2 for the first time arrives in the second."""
    script.cluster.bootstrap(THREE)
    script.member(1).campaign()
    script.deliver(to=2, type_=MessageType.MsgVote)
    script.member(1).campaign()
    script.deliver(to=1, type_=MessageType.MsgVoteResp)
    script.settle(*THREE)


# ---- finding and changing lines


def find(
    lines: Lines, name: str, node: str | None = None, after: int = -1, where: Callable[[Record], bool] = lambda _: True
) -> int:
    """The first such line behind `after`."""
    for at in range(after + 1, len(lines)):
        event = lines[at]["event"]
        if event["name"] == name and node in (None, event["nid"]) and where(event):
            return at
    raise LookupError(name)


def find_last(lines: Lines, name: str, node: str | None = None, where: Callable[[Record], bool] = lambda _: True) -> int:
    """The last such line."""
    at = find(lines, name, node, where=where)
    while True:
        try:
            at = find(lines, name, node, at, where)
        except LookupError:
            return at


def find_next(lines: Lines, node: str, after: int) -> int:
    """The next line of a node."""
    return next(at for at in range(after + 1, len(lines)) if lines[at]["event"]["nid"] == node)


def of_type(*types: str) -> Callable[[Record], bool]:
    return lambda event: event["msg"]["type"] in types


def insert(lines: Lines, at: int, **changes: object) -> int:
    """A copy of the line at `at`, without its message and with these changes, right before it. Its number."""
    event = {key: value for key, value in deepcopy(lines[at]["event"]).items() if key not in ("msg", "prop")}
    lines.insert(at, {**lines[at], "event": {**event, **changes}})
    return at + 1


def change(lines: Lines, at: int, **changes: object) -> int:
    """Change an event's own fields. Its number."""
    lines[at]["event"].update(changes)
    return at + 1


def change_state(lines: Lines, at: int, **changes: object) -> int:
    lines[at]["event"]["state"].update(changes)
    return at + 1


def change_message(lines: Lines, at: int, **changes: object) -> int:
    lines[at]["event"]["msg"].update(changes)
    return at + 1


def leads(event: Record) -> bool:
    return bool(event["role"] == "StateLeader")


def follows(event: Record) -> bool:
    return bool(event["role"] == "StateFollower" and event["state"]["commit"] > 3)


# ---- the edits: each changes a correct trace and says on which line it shows


class Case(NamedTuple):
    """The property and, if any is named, the guard that the edit of the trace breaks."""

    broken: str
    guard: str | None
    base: Callable[[], Lines]
    edit: Edit


CASES: list[Case] = []


def breaks(broken: str, base: Callable[[], Lines], guard: str | None = None) -> Callable[[Edit], Edit]:
    """An edit of this trace, which breaks that property and that guard of a specification."""

    def register(edit: Edit) -> Edit:
        CASES.append(Case(broken, guard, base, edit))
        return edit

    return register


def of_script(steps: Steps, keep_entries: int = 10) -> Callable[[], Lines]:
    return lambda: scripted(steps, keep_entries)


def of_fault(name: str, *, on: bool = False) -> Callable[[], Lines]:
    return lambda: with_tla(scheduled_run(FAULTS[name], on=on))


plain, joining, snapshots = of_script(two_leaders), of_script(member_joins), of_script(member_is_far_behind, 0)


@breaks("election_safety", plain, guard="raft.become_leader.quorum_of_votes")
def a_follower_becomes_leader_too(lines: Lines) -> int:
    at = find(lines, "BecomeLeader", "2")
    term = lines[at]["event"]["state"]["term"]
    ready = find(lines, "Ready", "3", at, lambda event: bool(event["state"]["term"] == term))
    return insert(lines, ready, name="BecomeLeader", role="StateLeader")


@breaks("election_safety", of_fault("vote_granted_twice"), guard="raft.become_leader.quorum_of_votes")
def a_losing_candidate_becomes_leader_too(lines: Lines) -> int:
    at = find(lines, "BecomeLeader", where=lambda event: bool(event["state"]["term"] > 1))
    winner, term = lines[at]["event"]["nid"], lines[at]["event"]["state"]["term"]
    refusal = find(
        lines,
        "ReceiveRequestVoteResponse",
        after=at,
        where=lambda event: bool(event["nid"] != winner and event["state"]["term"] == term and event["role"] == "StateCandidate"),
    )
    return insert(lines, refusal, name="BecomeLeader", role="StateLeader")


@breaks("one_vote_per_term", of_fault("vote_granted_twice"), guard="raft.grant_vote.voted_for_no_other")
def a_second_grant(lines: Lines) -> int:
    return change_message(
        lines, find(lines, "SendRequestVoteResponse", where=lambda event: bool(event["msg"]["reject"])), reject=False
    )


@breaks("one_vote_per_term", plain, guard="raft.grant_vote.voted_for_no_other")
def the_recorded_vote_changes(lines: Lines) -> int:
    return change_state(lines, find(lines, "Ready", "3", where=lambda event: bool(event["state"]["vote"] == "2")), vote="1")


@breaks("one_vote_per_term", plain)
def the_recorded_vote_vanishes(lines: Lines) -> int:
    return change_state(lines, find_last(lines, "ReceiveAppendEntriesRequest", "3"), vote="0")


@breaks("one_vote_per_term", plain, guard="raft.grant_vote.voted_for_no_other")
def a_candidate_votes_for_another(lines: Lines) -> int:
    return change_state(lines, find(lines, "BecomeCandidate", "2"), vote="1")


@breaks("election_quorum", plain, guard="raft.become_leader.quorum_of_votes")
def no_vote_arrives(lines: Lines) -> int:
    leader = find(lines, "BecomeLeader", "2")
    received = [
        at
        for at in range(leader)
        if lines[at]["event"]["name"] == "ReceiveRequestVoteResponse" and lines[at]["event"]["msg"]["from"] in ("1", "3")
    ]
    del lines[received[-1]]
    return leader


@breaks("election_quorum", of_script(five_vote), guard="raft.become_leader.quorum_of_votes")
def one_vote_arrives_twice(lines: Lines) -> int:
    leader = find(lines, "BecomeLeader", "1")
    votes = [
        at
        for at in range(leader)
        if lines[at]["event"]["name"] == "ReceiveRequestVoteResponse" and lines[at]["event"]["msg"]["from"] != "1"
    ]
    assert len(votes) == 2
    lines[votes[1]]["event"]["msg"] = lines[votes[0]]["event"]["msg"]
    return leader + 1


@breaks("election_quorum", of_script(vote_comes_late), guard="raft.become_leader.quorum_of_votes")
def a_vote_of_the_term_before_counts(lines: Lines) -> int:
    campaign = find_last(lines, "BecomeCandidate", "1")
    late = find(lines, "ReceiveRequestVoteResponse", "1", campaign, lambda event: bool(event["msg"]["from"] == "2"))
    assert lines[late]["event"]["msg"]["term"] < lines[late]["event"]["state"]["term"]
    return insert(lines, find_next(lines, "1", late), name="BecomeLeader", role="StateLeader")


@breaks("election_quorum", plain, guard="membership.become_leader.is_candidate")
def a_follower_of_a_new_term_leads_it(lines: Lines) -> int:
    ready = find_last(lines, "Ready", "1")
    term = lines[ready]["event"]["state"]["term"] + 1
    state = {**lines[ready]["event"]["state"], "term": term, "vote": "0"}
    insert(lines, ready, name="BecomeFollower", state=state)
    return insert(lines, ready + 1, name="BecomeLeader", role="StateLeader", state=state)


@breaks("vote_up_to_date", of_fault("vote_for_shorter_log"), guard="raft.grant_vote.up_to_date")
def a_vote_for_a_log_that_is_behind(lines: Lines) -> int:
    at = find(
        lines,
        "SendRequestVoteResponse",
        where=lambda event: bool(event["msg"]["reject"] and event["state"]["vote"] == "0"),
    )
    return change_message(lines, at, reject=False)


@breaks("vote_up_to_date", plain, guard="membership.request_votes.has_campaigned")
def a_candidate_boasts_of_an_entry(lines: Lines) -> int:
    at = find(lines, "SendRequestVoteRequest", "2")
    return change_message(lines, at, index=lines[at]["event"]["msg"]["index"] + 1)


@breaks("vote_up_to_date", plain, guard="membership.request_votes.has_campaigned")
def a_candidate_boasts_of_a_term(lines: Lines) -> int:
    at = find(lines, "SendRequestVoteRequest", "2")
    return change_message(lines, at, logTerm=lines[at]["event"]["msg"]["logTerm"] + 1)


@breaks("monotone_term", plain, guard="raft.update_term.newer_term")
def a_follower_of_an_older_term(lines: Lines) -> int:
    ready = find_last(lines, "Ready", "1")
    state = lines[ready]["event"]["state"]
    return insert(lines, ready, name="BecomeFollower", state={**state, "term": state["term"] - 1, "vote": "0"})


@breaks("monotone_term", plain, guard="raft.update_term.newer_term")
def the_term_goes_down(lines: Lines) -> int:
    at = find_last(lines, "Ready", "2")
    return change_state(lines, at, term=lines[at]["event"]["state"]["term"] - 1)


@breaks("monotone_term", plain)
def the_term_goes_up_by_itself(lines: Lines) -> int:
    at = find_last(lines, "Ready", "3")
    return change_state(lines, at, term=lines[at]["event"]["state"]["term"] + 1)


@breaks("monotone_term", plain)
def a_candidate_skips_a_term(lines: Lines) -> int:
    at = find(lines, "BecomeCandidate", "2")
    return change_state(lines, at, term=lines[at]["event"]["state"]["term"] + 1)


@breaks("monotone_term", plain)
def an_answer_of_an_older_term(lines: Lines) -> int:
    at = find_last(lines, "SendAppendEntriesResponse", "3")
    return change_message(lines, at, term=lines[at]["event"]["msg"]["term"] - 1)


@breaks("monotone_commit", plain, guard="raft.learn_commit.advances")
def the_commit_index_goes_back(lines: Lines) -> int:
    at = find_last(lines, "Ready", "1", follows)
    return change_state(lines, at, commit=lines[at]["event"]["state"]["commit"] - 1)


@breaks("monotone_commit", plain, guard="raft.advance_commit.advances")
def the_leader_s_commit_index_goes_back(lines: Lines) -> int:
    at = find_last(lines, "Commit", "2")
    return change_state(lines, at, commit=lines[at]["event"]["state"]["commit"] - 1)


def behind(event: Record) -> bool:
    return bool(event["state"]["commit"] < event["log"])


@breaks("commit_quorum", plain, guard="raft.advance_commit.quorum_of_acks")
def a_commit_without_quorum(lines: Lines) -> int:
    at = find(lines, "Commit", "1", find(lines, "Replicate", "1"), behind)
    return change_state(lines, at, commit=lines[at]["event"]["log"])


@breaks("commit_quorum", plain, guard="membership.advance_commit.has_entry")
def a_commit_beyond_the_log(lines: Lines) -> int:
    at = find_last(lines, "Commit", "2")
    return change_state(lines, at, commit=lines[at]["event"]["log"] + 1)


@breaks("commit_quorum", of_fault("commit_older_term_by_counting"), guard="raft.advance_commit.entry_of_own_term")
def a_commit_of_an_older_term_by_counting(lines: Lines) -> int:
    faulty = of_fault("commit_older_term_by_counting", on=True)()
    at = next(at for at, (line, other) in enumerate(zip(lines, faulty, strict=False)) if line != other)
    assert lines[at]["event"]["name"] == "Commit"
    return change_state(lines, at, commit=faulty[at]["event"]["state"]["commit"])


@breaks("commit_quorum", plain, guard="raft.send_heartbeat.commit")
def a_heartbeat_commits_more_than_is_committed(lines: Lines) -> int:
    at = find(lines, "SendAppendEntriesRequest", "2", where=of_type("MsgHeartbeat"))
    return change_message(lines, at, commit=lines[at]["event"]["state"]["commit"] + 1)


@breaks("commit_quorum", plain, guard="raft.send_append.commit")
def an_append_commits_more_than_is_committed(lines: Lines) -> int:
    at = find_last(lines, "SendAppendEntriesRequest", "2", of_type("MsgApp"))
    return change_message(lines, at, commit=lines[at]["event"]["state"]["commit"] + 1)


@breaks("commit_quorum", plain, guard="raft.learn_commit.leader_committed")
def a_follower_commits_more_than_it_was_told(lines: Lines) -> int:
    at = find(lines, "Ready", "3", find(lines, "Replicate", "1"), behind)
    return change_state(lines, at, commit=lines[at]["event"]["state"]["commit"] + 1)


@breaks("commit_quorum", plain)
def a_leader_commits_in_passing(lines: Lines) -> int:
    at = find(lines, "Ready", "1", find(lines, "Replicate", "1"), behind)
    return change_state(lines, at, commit=lines[at]["event"]["state"]["commit"] + 1)


@breaks("log_matching", of_script(append_is_lost), guard="membership.acknowledge.entry_written")
def a_gap_is_accepted(lines: Lines) -> int:
    at = find(lines, "SendAppendEntriesResponse", "3", where=lambda event: bool(event["msg"]["reject"]))
    return change_message(lines, at, reject=False, index=lines[at]["event"]["msg"]["index"] + 1, rejectHint=0, logTerm=0)


@breaks("log_matching", of_script(append_is_lost))
def a_gap_is_filled_by_itself(lines: Lines) -> int:
    at = find(lines, "SendAppendEntriesResponse", "3", where=lambda event: bool(event["msg"]["reject"]))
    return change(lines, at, log=lines[at]["event"]["log"] + 2)


@breaks("log_matching", of_script(append_is_lost))
def a_rejection_names_an_entry_beyond_the_log(lines: Lines) -> int:
    at = find(lines, "SendAppendEntriesResponse", "3", where=lambda event: bool(event["msg"]["reject"]))
    return change_message(lines, at, rejectHint=lines[at]["event"]["log"] + 1)


@breaks("log_matching", of_script(append_is_lost))
def a_rejection_names_a_false_term(lines: Lines) -> int:
    at = find(lines, "SendAppendEntriesResponse", "3", where=lambda event: bool(event["msg"]["reject"]))
    return change_message(lines, at, logTerm=lines[at]["event"]["msg"]["logTerm"] + 1)


@breaks("log_matching", plain, guard="raft.send_append.previous")
def a_false_previous_term(lines: Lines) -> int:
    at = find_last(lines, "SendAppendEntriesRequest", "2", of_type("MsgApp"))
    return change_message(lines, at, logTerm=lines[at]["event"]["msg"]["logTerm"] - 1)


@breaks("log_matching", plain, guard="raft.send_append.entries")
def entries_that_the_leader_does_not_have(lines: Lines) -> int:
    at = find_last(lines, "SendAppendEntriesRequest", "2", of_type("MsgApp"))
    msg = lines[at]["event"]["msg"]
    return change_message(lines, at, entries=lines[at]["event"]["log"] - msg["index"] + 1)


@breaks("log_matching", plain, guard="membership.acknowledge.entry_written")
def an_acknowledgement_beyond_the_log(lines: Lines) -> int:
    at = find_last(lines, "SendAppendEntriesResponse", "3", of_type("MsgAppResp"))
    return change_message(lines, at, index=lines[at]["event"]["log"] + 1)


@breaks("log_matching", plain)
def a_follower_s_log_grows_by_itself(lines: Lines) -> int:
    at = find_last(lines, "Ready", "1", follows)
    return change(lines, at, log=lines[at]["event"]["log"] + 1)


@breaks("log_matching", plain)
def a_follower_s_log_shrinks(lines: Lines) -> int:
    at = find_last(lines, "Ready", "1", follows)
    return change(lines, at, log=lines[at]["event"]["log"] - 1)


@breaks("leader_append_only", plain)
def an_announced_entry_is_not_there(lines: Lines) -> int:
    announced = find(lines, "Replicate", "1", find(lines, "Replicate", "1"))
    at = find_next(lines, "1", announced)
    return change(lines, at, log=lines[announced]["event"]["log"])


@breaks("leader_append_only", plain, guard="raft.propose.next_index")
def the_leader_s_log_shrinks(lines: Lines) -> int:
    at = find_last(lines, "Ready", "2", leads)
    return change(lines, at, log=lines[at]["event"]["log"] - 1)


@breaks("leader_append_only", plain)
def the_leader_s_log_grows_by_itself(lines: Lines) -> int:
    at = find_last(lines, "Ready", "2", leads)
    return change(lines, at, log=lines[at]["event"]["log"] + 2)


def message(type_: str, term: int, **fields: object) -> Record:
    return {
        "type": type_,
        "term": term,
        "from": "3",
        "to": "2",
        "entries": 0,
        "logTerm": 0,
        "index": 0,
        "commit": 0,
        "vote": "0",
        "reject": False,
        "rejectHint": 0,
        **fields,
    }


def follower_sends(lines: Lines, type_: str, **fields: object) -> int:
    ready = find_last(lines, "Ready", "3", follows)
    term = lines[ready]["event"]["state"]["term"]
    return insert(lines, ready, name="SendAppendEntriesRequest", msg=message(type_, term, **fields))


@breaks("leader_only", plain, guard="raft.send_heartbeat.is_leader")
def a_follower_sends_a_heartbeat(lines: Lines) -> int:
    return follower_sends(lines, "MsgHeartbeat")


@breaks("leader_only", plain, guard="raft.send_append.is_leader")
def a_follower_sends_an_append(lines: Lines) -> int:
    return follower_sends(lines, "MsgApp")


@breaks("leader_only", plain, guard="raft.send_snapshot.is_leader")
def a_follower_sends_a_snapshot(lines: Lines) -> int:
    return follower_sends(lines, "MsgSnap", entries=3)


@breaks("leader_only", plain, guard="raft.propose.is_leader")
def a_follower_takes_a_proposal(lines: Lines) -> int:
    return insert(lines, find_last(lines, "Ready", "3", follows), name="Replicate")


@breaks("leader_only", plain, guard="membership.propose_simple.is_leader")
def a_follower_takes_a_membership_change(lines: Lines) -> int:
    changes = {"cc": {"changes": [{"nid": "4", "action": "AddNewServer"}]}}
    return insert(lines, find_last(lines, "Ready", "3", follows), name="ChangeConf", prop=changes)


@breaks("leader_only", plain, guard="membership.advance_commit.is_leader")
def a_follower_evaluates_a_commit_index(lines: Lines) -> int:
    return insert(lines, find_last(lines, "Ready", "3", follows), name="Commit")


@breaks("leader_only", plain, guard="raft.send_append.own_term")
def a_leader_sends_in_an_older_term(lines: Lines) -> int:
    at = find_last(lines, "SendAppendEntriesRequest", "2", of_type("MsgApp"))
    return change_message(lines, at, term=lines[at]["event"]["msg"]["term"] - 1)


@breaks("leader_only", plain)
def a_follower_calls_itself_leader(lines: Lines) -> int:
    return change(lines, find_last(lines, "Ready", "3", follows), role="StateLeader")


@breaks("leader_completeness", of_fault("vote_request_before_write", on=True))
def a_vote_request_outlives_its_term(lines: Lines) -> int:
    return 1 + find_last(lines, "BecomeLeader")


@breaks("state_machine_safety", snapshots, guard="raft.send_snapshot.committed")
def a_snapshot_of_entries_that_are_not_committed(lines: Lines) -> int:
    at = find(lines, "SendAppendEntriesRequest", where=of_type("MsgSnap"))
    return change_message(lines, at, entries=lines[at]["event"]["state"]["commit"] + 1)


@breaks("state_machine_safety", joining)
def a_node_starts_with_entries_that_were_never_committed(lines: Lines) -> int:
    at = find(lines, "InitState", "4")
    change_state(lines, at, commit=50)
    return change(lines, at, log=50)


@breaks("message_origin", plain, guard="membership.receive_append.sent")
def an_append_arrives_before_it_is_sent(lines: Lines) -> int:
    received = find_last(lines, "ReceiveAppendEntriesRequest", "3", of_type("MsgApp"))
    line = lines[received]
    sent = find(lines, "SendAppendEntriesRequest", "2", where=lambda event: bool(event["msg"] == line["event"]["msg"]))
    assert not any(lines[at]["event"]["nid"] == "3" for at in range(sent, received))
    lines.insert(sent, lines.pop(received))
    return sent + 1


@breaks("message_origin", plain)
def a_message_in_another_s_name(lines: Lines) -> int:
    return change_message(lines, find_last(lines, "SendAppendEntriesResponse", "3"), **{"from": "1"})


@breaks("message_origin", plain)
def a_message_arrives_at_another_node(lines: Lines) -> int:
    return change_message(lines, find_last(lines, "ReceiveAppendEntriesRequest", "3"), to="1")


@breaks("message_origin", plain, guard="raft.grant_vote.requested")
def a_vote_that_nobody_asked_for(lines: Lines) -> int:
    ready = find_last(lines, "Ready", "3")
    term = lines[ready]["event"]["state"]["term"] + 1
    state = {**lines[ready]["event"]["state"], "term": term, "vote": "0"}
    insert(lines, ready, name="BecomeFollower", state=state)
    return insert(lines, ready + 1, name="SendRequestVoteResponse", state=state, msg=message("MsgVoteResp", term))


def altered(
    name: str, type_: str, base: Callable[[], Lines], guard: str | None = None, **fields: Callable[[int], object]
) -> None:
    """The last message of a kind arrives with one field altered."""
    for field, new in fields.items():

        def edit(lines: Lines, field: str = field, new: Callable[[int], object] = new) -> int:
            at = find_last(lines, name, where=of_type(type_))
            return change_message(lines, at, **{field: new(lines[at]["event"]["msg"][field])})

        edit.__name__ = f"{type_}_arrives_with_altered_{field}"
        breaks("message_origin", base, guard)(edit)


def more(number: int) -> int:
    return number + 1000


def opposite(flag: int) -> bool:
    return not flag


altered(
    "ReceiveAppendEntriesRequest",
    "MsgApp",
    plain,
    guard="membership.receive_append.sent",
    term=more,
    index=more,
    logTerm=more,
    entries=more,
    commit=more,
    rejectHint=more,
)
altered("ReceiveAppendEntriesRequest", "MsgHeartbeat", plain, guard="raft.receive_heartbeat.sent", term=more, commit=more)
altered("ReceiveAppendEntriesRequest", "MsgSnap", snapshots, guard="raft.receive_new_snapshot.sent", term=more, entries=more)
altered("ReceiveAppendEntriesResponse", "MsgAppResp", plain, term=more, index=more, reject=opposite, rejectHint=more)
altered("ReceiveAppendEntriesResponse", "MsgHeartbeatResp", plain, term=more)
altered("ReceiveRequestVoteRequest", "MsgVote", plain, guard="raft.grant_vote.requested", term=more, index=more, logTerm=more)
altered("ReceiveRequestVoteResponse", "MsgVoteResp", plain, term=more, reject=opposite)


@breaks("config_change", plain)
def a_member_vanishes(lines: Lines) -> int:
    return change(lines, find_last(lines, "Ready", "1"), conf=[["1", "2"], []])


@breaks("config_change", plain)
def a_joint_configuration_from_nowhere(lines: Lines) -> int:
    return change(lines, find_last(lines, "Ready", "1"), conf=[["1", "2", "3"], ["1", "2"]])


@breaks("config_change", plain)
def a_change_from_nowhere(lines: Lines) -> int:
    return insert(lines, find_last(lines, "Ready", "1"), name="ApplyConfChange", prop={"cc": {"newconf": ["1", "2"]}})


@breaks("config_change", joining, guard="membership.apply.committed")
def a_change_is_applied_before_it_is_committed(lines: Lines) -> int:
    changed = find(lines, "ChangeConf", "1")
    following = find_next(lines, "1", changed)
    assert behind(lines[following]["event"])
    return insert(lines, following, name="ApplyConfChange", prop={"cc": {"newconf": ["1", "2", "3", "4"]}})


@breaks("config_change", joining)
def a_change_is_applied_twice(lines: Lines) -> int:
    applied = find(lines, "ApplyConfChange", "1", find(lines, "ChangeConf", "1"))
    following = find_next(lines, "1", applied)
    return insert(lines, following, name="ApplyConfChange", prop=lines[applied]["event"]["prop"])


@breaks("config_change", joining)
def a_change_is_skipped(lines: Lines) -> int:
    applied = find(lines, "ApplyConfChange", "2", find(lines, "ChangeConf", "1"))
    del lines[applied]
    return 1 + find_next(lines, "2", applied - 1)


@breaks("config_change", joining)
def a_change_adds_somebody_else(lines: Lines) -> int:
    at = find(lines, "ApplyConfChange", "1", find(lines, "ChangeConf", "1"))
    return change(lines, at, prop={"cc": {"newconf": ["1", "2", "3", "5"]}})


@breaks("config_change", joining)
def a_change_has_another_effect_elsewhere(lines: Lines) -> int:
    at = find(lines, "ApplyConfChange", "2", find(lines, "ChangeConf", "1"))
    following = find_next(lines, "2", at)
    return change(lines, following, conf=[["1", "2", "3", "4"], ["1", "2", "3"]])


@breaks("config_change", plain)
def a_bootstrap_with_another_peer(lines: Lines) -> int:
    at = find(lines, "ApplyConfChange", "3", where=lambda event: len(event["prop"]["cc"].get("newconf", ())) == 3)
    return change(lines, at, prop={"cc": {"newconf": ["1", "2", "9"]}})


@breaks("config_change", plain)
def a_bootstrap_with_more_peers(lines: Lines) -> int:
    at = find(lines, "ApplyConfChange", "3", where=lambda event: bool(event["log"] == 3))
    change_state(lines, at, commit=4)
    return change(lines, at, log=4)


@breaks("config_change", joining, guard="membership.restart.applied_is_committed")
def a_stored_membership_that_never_was(lines: Lines) -> int:
    restarted = find(lines, "InitState", "1", find(lines, "ChangeConf", "1"))
    at = find(lines, "ApplyConfChange", "1", restarted)
    return change(lines, at, prop={"cc": {"newconf": ["1", "7"]}})


@breaks("config_change", joining)
def somebody_campaigns_who_is_no_voter(lines: Lines) -> int:
    at = find(lines, "BecomeFollower", "4") + 1
    state = {"term": 1, "vote": "4", "commit": 0}
    return insert(lines, at, name="BecomeCandidate", nid="4", role="StateCandidate", state=state, log=0, conf=[[], []])


def last_start(lines: Lines, name: str) -> int:
    return find(lines, name, "3", find_last(lines, "InitState", "3") - 1)


@breaks("durable_state", plain)
def a_restart_forgets_the_vote(lines: Lines) -> int:
    return change_state(lines, last_start(lines, "BecomeFollower"), vote="0")


@breaks("durable_state", plain)
def a_restart_changes_the_vote(lines: Lines) -> int:
    return change_state(lines, last_start(lines, "BecomeFollower"), vote="1")


@breaks("durable_state", plain)
def a_restart_forgets_the_term(lines: Lines) -> int:
    return change_state(lines, last_start(lines, "BecomeFollower"), term=2, vote="1")


@breaks("durable_state", plain)
def a_restart_forgets_an_entry(lines: Lines) -> int:
    at = last_start(lines, "InitState")
    return change(lines, at, log=lines[at]["event"]["log"] - 1)


@breaks("durable_state", plain)
def a_restart_invents_an_entry(lines: Lines) -> int:
    at = last_start(lines, "InitState")
    return change(lines, at, log=lines[at]["event"]["log"] + 1)


@breaks("durable_state", plain)
def a_restart_forgets_everything(lines: Lines) -> int:
    at = last_start(lines, "InitState")
    change_state(lines, at, commit=0)
    return change(lines, at, log=0)


@breaks("durable_state", plain, guard="raft.restart.not_above")
def a_restart_commits_beyond_the_log(lines: Lines) -> int:
    at = last_start(lines, "BecomeFollower")
    return change_state(lines, at, commit=lines[at]["event"]["log"] + 1)


@breaks("durable_state", of_script(vote_is_not_written), guard="membership.send_vote.written")
def a_vote_arrives_that_was_not_written(lines: Lines) -> int:
    sent = find(lines, "SendRequestVoteResponse", "3", where=lambda event: bool(event["msg"]["to"] == "2"))
    ready = find_last(lines, "Ready", "2")
    grant = lines[sent]["event"]["msg"]
    lines.append(deepcopy(lines[ready]))
    return change(lines, len(lines) - 1, name="ReceiveRequestVoteResponse", msg=grant)


def case_name(case: Case) -> str:
    return f"{case.broken}-{case.edit.__name__}"


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_it_is_rejected_where_it_shows(case: Case, tmp_path: Path) -> None:
    lines = deepcopy(case.base())
    number = case.edit(lines)
    result = check_file(write_trace(tmp_path / "trace.ndjson", lines), None, Limits())
    assert (result.verdict, result.property, result.details["line"]) == (Verdict.VIOLATED, case.broken, number), result.message
    assert result.details.get("guard") == (
        case.guard and dict(zip(("spec", "action", "guard"), case.guard.split("."), strict=True))
    )


def test_every_property_that_shows_has_its_edits() -> None:
    edited = {case.broken for case in CASES}
    not_told = {"one_change_at_a_time", "reads_are_linearizable", "no_panic"}
    assert edited == {each.id for each in PROPERTIES} - not_told


@pytest.mark.parametrize("keep_entries", [0, 10])
@pytest.mark.parametrize(
    "steps", [two_leaders, five_vote, append_is_lost, member_joins, member_is_far_behind, vote_is_not_written, vote_comes_late]
)
def test_the_traces_hold_before_they_are_edited(steps: Steps, keep_entries: int, tmp_path: Path) -> None:
    result = check_file(write_trace(tmp_path / "trace.ndjson", scripted(steps, keep_entries)), None, Limits())
    assert result.verdict is Verdict.HOLDS, result.message


# ---- edits that change nothing


@cache
def long_trace() -> Lines:
    plan = varied_plan(5, 3000)
    assert plan.nodes > 1
    return with_tla(planned_run(plan))


def assert_holds(path: Path, lines: Lines, events_: int) -> None:
    result = check_file(write_trace(path, lines), None, Limits())
    assert (result.verdict, result.details["events"]) == (Verdict.HOLDS, events_), result.message


@pytest.mark.parametrize("share", range(1, 21))
def test_a_prefix_is_accepted(share: int, tmp_path: Path) -> None:
    lines = long_trace()[: len(long_trace()) * share // 20 - share % 3]
    assert_holds(tmp_path / "trace.ndjson", lines, len(lines))


def test_other_names_are_accepted(tmp_path: Path) -> None:
    names = {str(number): str(18_446_744_073_709_551_615 - number * number * 7 % 11 - 100 * number) for number in range(1, 40)}

    def renamed(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {key: renamed(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item, key) for item in value]
        of_node = isinstance(value, str) and key in ("nid", "vote", "from", "to", "conf", "newconf")
        return names.get(str(value), value) if of_node else value

    lines = [{**line, "event": renamed(line["event"])} for line in long_trace()]
    assert lines[0]["event"]["nid"].startswith("18446744073709551")
    assert_holds(tmp_path / "trace.ndjson", lines, len(lines))


def test_unknown_fields_are_accepted(tmp_path: Path) -> None:
    def extended(value: object) -> object:
        if isinstance(value, dict):
            return {"new": {"a": [1, None, "x"]}, **{key: extended(item) for key, item in value.items()}, "also": 1.5}
        return value

    lines = [extended(line) for line in long_trace()]
    assert_holds(tmp_path / "trace.ndjson", lines, len(lines))  # type: ignore[arg-type]


def test_other_records_of_the_log_are_accepted(tmp_path: Path) -> None:
    others: Lines = [{"level": "info", "msg": "raft"}, {"tag": "other", "event": None}, {"tag": "", "ts": 1}]
    lines = [each for number, line in enumerate(long_trace()) for each in (others[number % 3], line)]
    assert_holds(tmp_path / "trace.ndjson", lines, len(long_trace()))


def test_lines_are_counted_with_other_records(tmp_path: Path) -> None:
    lines = deepcopy(plain())
    number = the_term_goes_down(lines)
    path = tmp_path / "trace.ndjson"
    blanks = b"".join(b'\n{"msg":"raft"}\n' + json.encode(line) + b"\n" for line in lines)
    path.write_bytes(blanks)
    result = check_file(str(path), "etcd-raft", Limits())
    assert (result.verdict, result.details["line"], result.details["events"]) == (Verdict.VIOLATED, 3 * number, number)


# ---- recorded traces

RECORDED = Path(__file__).parents[4] / "shared" / "testdata" / "etcd-raft" / "traces"
EXPECTED = RECORDED / "EXPECTED.tsv"
ROWS = [row.split("\t") for row in EXPECTED.read_text().splitlines()[1:]] if EXPECTED.exists() else []


@pytest.mark.skipif(not ROWS, reason="the recorded traces are not here")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_recorded_traces(row: list[str]) -> None:
    name, verdict, broken, line = row[:4]
    result = check_file(str(RECORDED / name), None, Limits())
    found = (result.verdict, (result.property or "-").replace("_", ""), str(result.details["line"] or "-"))
    expected = Verdict.HOLDS if verdict == "accept" else Verdict.VIOLATED
    assert found == (expected, broken.lower().replace("_", ""), line), result.message
