"""Descriptions of what no scenario shows: rare fields, and payloads as Go quotes them."""

from __future__ import annotations

import pytest

from kubeproof.conformance.interaction.describe import describe_entry, describe_message
from kubeproof.impl.raft.go_quote import go_quote
from kubeproof.impl.raft.types import (
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    Entry,
    EntryType,
    Message,
    MessageType,
    Snapshot,
)


@pytest.mark.parametrize(
    ("data", "quoted"),
    [
        (b"", '""'),
        (b'say "hi"', r'"say \"hi\""'),
        (b"\a\b\f\n\r\t\v\\", r'"\a\b\f\n\r\t\v\\"'),
        (b"\x00\x1b\x7f", r'"\x00\x1b\x7f"'),
        (b"\xff\xc3(\xe2\x82", r'"\xff\xc3(\xe2\x82"'),
        (b"\xed\xa0\x80", r'"\xed\xa0\x80"'),
        ("grüße コンセンサス 🗳".encode(), '"grüße コンセンサス 🗳"'),
        ("\u00a0\u00ad\u200b\u2028\ue000\ufffd".encode(), r'"\u00a0\u00ad\u200b\u2028\ue000"'[:-1] + '\ufffd"'),
        ("\U000e0001\U0010ffff".encode(), r'"\U000e0001\U0010ffff"'),
    ],
)
def test_go_quote(data: bytes, quoted: str) -> None:
    """Expected values from Go's fmt.Printf("%q")."""
    assert go_quote(data) == quoted


def test_targets_have_names() -> None:
    for target, name in ((0, "None"), (10, "a"), (LOCAL_APPEND_THREAD, "AppendThread"), (LOCAL_APPLY_THREAD, "ApplyThread")):
        message = Message(MessageType.MsgHup, to=target, from_=target)
        assert describe_message(message) == f"{name}->{name} MsgHup Term:0 Log:0/0"


def test_all_parts_of_a_message() -> None:
    entries = (Entry(1, 2, EntryType.EntryNormal, b"x"), Entry(1, 3, EntryType.EntryConfChangeV2))
    inner = Message(MessageType.MsgAppResp, to=1, from_=2, entries=entries)
    message = Message(
        MessageType.MsgStorageAppend,
        to=LOCAL_APPEND_THREAD,
        from_=17,
        term=5,
        log_term=4,
        index=3,
        reject=True,
        reject_hint=0,
        commit=2,
        vote=17,
        entries=entries[:1],
        snapshot=Snapshot(index=9, term=4),
        responses=(inner,),
    )
    assert describe_message(message, "  ").splitlines() == [
        '  11->AppendThread MsgStorageAppend Term:5 Log:4/3 Rejected (Hint: 0) Commit:2 Vote:17 Entries:[1/2 EntryNormal "x"]',
        "    Snapshot: Index:9 Term:4 ConfState:Voters:[] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false"
        " Responses:[",
        "    2->1 MsgAppResp Term:0 Log:0/0 Entries:[",
        '      1/2 EntryNormal "x"',
        "      1/3 EntryConfChangeV2",
        "    ]",
        "  ]",
    ]


def test_an_empty_snapshot_is_not_shown() -> None:
    assert describe_message(Message(MessageType.MsgSnap, to=1, from_=2, snapshot=Snapshot())) == "2->1 MsgSnap Term:0 Log:0/0"


def test_a_malformed_conf_change_is_described_by_its_error() -> None:
    assert describe_entry(Entry(1, 2, EntryType.EntryConfChange, b"\x08")).startswith("1/2 EntryConfChange integer at byte 1")
