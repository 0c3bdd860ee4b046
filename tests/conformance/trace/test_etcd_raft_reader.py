"""The reader of etcd-io/raft's trace: what each event becomes, what may be there besides, and what is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from msgspec import json

from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.etcd_raft import EtcdRaftReader
from kubeproof.conformance.verdict import InvalidInput

Record = dict[str, Any]

MESSAGE: Record = {
    "type": "MsgApp",
    "term": 3,
    "from": "1",
    "to": "2",
    "entries": 4,
    "logTerm": 2,
    "index": 9,
    "commit": 8,
    "vote": "0",
    "reject": True,
    "rejectHint": 7,
}
EVENT: Record = {
    "name": "Ready",
    "nid": "1",
    "state": {"term": 3, "vote": "2", "commit": 8},
    "role": "StateLeader",
    "log": 9,
    "conf": [["1", "2"], ["3"]],
}
STATE = events.State(term=3, vote="2", commit=8, role="StateLeader", last_index=9, voters=("1", "2"), voters_outgoing=("3",))


def record(**changes: Any) -> Record:
    return {"level": "debug", "ts": "1", "caller": "c", "msg": "trace", "tag": "trace", "event": deepcopy(EVENT) | changes}


def read(*records: Record | bytes) -> list[events.Event | None]:
    lines = [each if isinstance(each, bytes) else json.encode(each) for each in records]
    reader = EtcdRaftReader("trace", iter([b"\n".join(lines) + b"\n"]))
    return [event for _, block in reader.blocks() for event in block]


def problem(*records: Record | bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(*records)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("InitState", events.Start),
        ("BecomeFollower", events.BecomeFollower),
        ("BecomeCandidate", events.BecomeCandidate),
        ("BecomeLeader", events.BecomeLeader),
        ("Replicate", events.Replicate),
        ("Commit", events.Commit),
        ("Ready", events.Ready),
    ],
)
def test_events_without_more_than_a_state(name: str, kind: type[events.RaftEvent]) -> None:
    assert read(record(name=name)) == [kind(actor="1", state=STATE)]


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("AppendEntriesRequest", ["MsgApp", "MsgHeartbeat"]),
        ("AppendEntriesResponse", ["MsgAppResp", "MsgHeartbeatResp"]),
        ("RequestVoteRequest", ["MsgVote"]),
        ("RequestVoteResponse", ["MsgVoteResp"]),
    ],
)
@pytest.mark.parametrize(("verb", "class_"), [("Send", events.Send), ("Receive", events.Receive)])
def test_messages(
    verb: str, class_: type[events.Send] | type[events.Receive], kind: str, types: list[events.MessageType]
) -> None:
    for type_ in types:
        expected = events.Message(
            type=type_,
            from_="1",
            to="2",
            term=3,
            entry_count=4,
            log_term=2,
            index=9,
            commit=8,
            reject=True,
            reject_hint=7,
        )
        told = read(record(name=verb + kind, msg=MESSAGE | {"type": type_}))
        assert told == [class_(actor="1", state=STATE, message=expected)]


@pytest.mark.parametrize("name", ["SendAppendEntriesRequest", "SendSnapshot", "ReceiveAppendEntriesRequest", "ReceiveSnapshot"])
def test_the_index_of_a_snapshot_stands_in_entries(name: str) -> None:
    (event,) = read(record(name=name, msg=MESSAGE | {"type": "MsgSnap", "index": 0, "logTerm": 0, "commit": 0}))
    assert isinstance(event, events.Send | events.Receive)
    assert event.message.snapshot == events.Snapshot(index=4)
    assert (event.message.entry_count, event.message.index) == (0, 0)


def test_membership() -> None:
    changes = [
        {"nid": "4", "action": "AddNewServer"},
        {"nid": "5", "action": "AddLearner"},
        {"nid": "3", "action": "RemoveServer"},
        {"nid": "0", "action": "RemoveServer"},
    ]
    proposed, applied, nothing = read(
        record(name="ChangeConf", prop={"cc": {"changes": changes}}),
        record(name="ApplyConfChange", prop={"cc": {"newconf": ["1", "4"]}}),
        record(name="ApplyConfChange", prop={"cc": {}}),
    )
    kinds: tuple[events.ChangeType, ...] = (
        "ConfChangeAddNode",
        "ConfChangeAddLearnerNode",
        "ConfChangeRemoveNode",
        "ConfChangeRemoveNode",
    )
    told = tuple(events.Change(type=kind, node=node) for kind, node in zip(kinds, ("4", "5", "3", ""), strict=True))
    assert proposed == events.ChangeConf(actor="1", state=STATE, args=events.ChangeConfArgs(changes=told))
    assert applied == events.ApplyConfChange(actor="1", state=STATE, args=events.ApplyConfChangeArgs(voters=("1", "4")))
    assert nothing == events.ApplyConfChange(actor="1", state=STATE, args=events.ApplyConfChangeArgs(voters=()))


def test_nobody_is_0_and_no_members_are_null() -> None:
    (event,) = read(record(state={"term": 0, "vote": "0", "commit": 0}, conf=[None, []]))
    assert event is not None
    assert not isinstance(event, events.Drop | events.Duplicate | events.Partition | events.Heal)
    assert event.state is not None
    assert (event.state.vote, event.state.voters, event.state.voters_outgoing) == ("", (), ())


def test_unknown_fields_are_passed_over() -> None:
    odd = record(msg=MESSAGE | {"odd": [1]}, name="SendAppendEntriesRequest", state=EVENT["state"] | {"lead": "1"}, odd={"a": 1})
    plain = record(msg=MESSAGE, name="SendAppendEntriesRequest")
    assert read(odd | {"n": 1, "tag2": None}) == read(plain)


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"{}",
        b'{"level":"info","msg":"tick"}',
        b'{"level":"info","event":"started"}',
        b'{"level":"info","event":{"name":"Ready"}}',
        b'{"tag":"other","event":{"name":7}}',
        b'{"tag":7}',
        b'{"tag":null}',
    ],
)
def test_other_records_of_the_log_are_passed_over(other: bytes) -> None:
    assert read(other, record(), other) == [None, events.Ready(actor="1", state=STATE), None]


@pytest.mark.parametrize("field", sorted(EVENT))
def test_every_field_of_an_event_is_needed(field: str) -> None:
    without = record()
    del without["event"][field]
    assert problem(record(), without) == f"trace:2: event: object missing required field `{field}`"


@pytest.mark.parametrize("field", sorted(EVENT["state"]))
def test_every_field_of_a_state_is_needed(field: str) -> None:
    without = record()
    del without["event"]["state"][field]
    assert problem(without) == f"trace:1: event.state: object missing required field `{field}`"


@pytest.mark.parametrize("field", sorted(MESSAGE.keys() - {"vote"}))
def test_every_field_of_a_message_but_vote_is_needed(field: str) -> None:
    message = {name: value for name, value in MESSAGE.items() if name != field}
    text = problem(record(name="SendAppendEntriesRequest", msg=message))
    assert text == f"trace:1: event.msg: object missing required field `{field}`"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "Boom"}, "event.name: expected ApplyConfChange, "),
        ({"name": 1}, "event.name: expected `str`, got `int`"),
        ({"role": "Leader"}, "event.role: expected StateCandidate, "),
        ({"log": -1}, "event.log: expected `int` >= 0"),
        ({"log": 1.5}, "event.log: expected `int`, got `float`"),
        ({"log": 2**64}, "event.log: expected `int` <= "),
        ({"log": "1"}, "event.log: expected `int`, got `str`"),
        ({"log": None}, "event.log: expected `int`, got `null`"),
        ({"state": []}, "event.state: expected `object`, got `array`"),
        ({"conf": [["1"]]}, "event.conf: expected `array` of length 2"),
        ({"conf": [["1"], [], []]}, "event.conf: expected `array` of length 2"),
        ({"conf": [[1], []]}, "event.conf[0][0]: expected `str`, got `int`"),
        ({"conf": [["1", "0"], []]}, 'event.conf: expected the id of a node, got "0"'),
        ({"conf": [[], ["x"]]}, "event.conf: expected the id of a node as decimal text, got 'x'"),
        ({"name": "SendAppendEntriesRequest"}, "event.msg: expected an object in an event SendAppendEntriesRequest"),
        ({"name": "ReceiveRequestVoteResponse", "msg": MESSAGE}, "event.msg.type: expected MsgVoteResp in an event Receive"),
        ({"name": "SendSnapshot", "msg": MESSAGE}, "event.msg.type: expected MsgSnap in an event SendSnapshot, got MsgApp"),
        ({"name": "SendAppendEntriesRequest", "msg": MESSAGE | {"type": "MsgHup"}}, "event.msg.type: expected MsgApp, "),
        ({"name": "SendAppendEntriesRequest", "msg": MESSAGE | {"to": "0"}}, "event.msg.to: expected the id of a node"),
        ({"name": "SendAppendEntriesRequest", "msg": MESSAGE | {"from": "?"}}, "event.msg.from: expected the id of a node"),
        ({"name": "SendAppendEntriesRequest", "msg": MESSAGE | {"term": -1}}, "event.msg.term: expected `int` >= 0"),
        ({"name": "SendAppendEntriesRequest", "msg": MESSAGE | {"reject": 0}}, "event.msg.reject: expected `bool`, got `int`"),
        ({"name": "ApplyConfChange"}, "event.prop.cc: expected an object in an event ApplyConfChange"),
        ({"name": "ChangeConf", "prop": {"match": 1}}, "event.prop.cc: expected an object in an event ChangeConf"),
        (
            {"name": "ApplyConfChange", "prop": {"cc": {"newconf": ["01"]}}},
            "event.prop.cc.newconf: expected the id of a node as decimal text",
        ),
        (
            {"name": "ChangeConf", "prop": {"cc": {"changes": [{"nid": "4", "action": "Add"}]}}},
            "event.prop.cc.changes[0].action: expected AddLearner, AddNewServer, RemoveServer, got 'Add'",
        ),
    ],
)
def test_what_the_library_never_writes_is_refused(changes: Record, what: str) -> None:
    text = problem(record(), b"", record(**changes))
    assert text.startswith(f"trace:3: {what}")


@pytest.mark.parametrize("id_", ["", "-1", "1e3", "1.0", "01", "+1", " 1", "1\n", "١", "0x1", "18446744073709551616", "9" * 5000])
@pytest.mark.parametrize("field", ["nid", "vote"])
def test_ids_are_decimal_text(field: str, id_: str) -> None:
    changed = record(nid=id_) if field == "nid" else record(state=EVENT["state"] | {"vote": id_})
    assert f"{field}: expected the id of a node as decimal text" in problem(changed)


def test_node_0_does_not_exist() -> None:
    assert problem(record(nid="0")) == 'trace:1: event.nid: expected the id of a node, got "0"'


def test_the_largest_id() -> None:
    assert read(record(nid="18446744073709551615")) != []


@pytest.mark.parametrize("line", [b'{"tag":"trace"}', b'{"tag":"trace","event":null}'])
def test_a_line_with_the_tag_has_an_event(line: bytes) -> None:
    assert problem(line) == "trace:1: event: expected an object in a line with the tag trace"


def test_a_line_that_is_no_json_is_refused() -> None:
    assert problem(record(), b"raft 2026/01/01 INFO: became follower").startswith("trace:2: expected one JSON object in UTF-8")
