"""Messages, entries, snapshots and Readys as etcd-io/raft describes them in its test data.

Mind the radix: the ends of a message are hexadecimal, ids everywhere else decimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubeproof.impl.raft.confchange import ConfChangeDecodeError, conf_changes_to_string, decode_conf_change
from kubeproof.impl.raft.go_quote import go_quote
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.types import (
    EMPTY_HARD_STATE,
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    NO_ID,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    ReadState,
    Snapshot,
    SoftState,
)

_NAMED_TARGETS = {NO_ID: "None", LOCAL_APPEND_THREAD: "AppendThread", LOCAL_APPLY_THREAD: "ApplyThread"}


def describe_target(node: int) -> str:
    return _NAMED_TARGETS.get(node) or f"{node:x}"


def describe_message(message: Message, indent: str = "") -> str:
    """One line, more if the message carries several entries, a snapshot or responses."""
    text = (
        f"{indent}{describe_target(message.from_)}->{describe_target(message.to)} {message.type.name}"
        f" Term:{message.term} Log:{message.log_term}/{message.index}"
    )
    if message.reject:
        text += f" Rejected (Hint: {message.reject_hint})"
    if message.commit:
        text += f" Commit:{message.commit}"
    if message.vote:
        text += f" Vote:{message.vote}"
    if len(message.entries) == 1:
        text += f" Entries:[{describe_entry(message.entries[0])}]"
    elif message.entries:
        text += _block("Entries", indent, (f"{indent}  {describe_entry(entry)}" for entry in message.entries))
    if message.snapshot is not None and message.snapshot.index:
        text += f"\n{indent}  Snapshot: {describe_snapshot(message.snapshot)}"
    if message.responses:
        text += _block("Responses", indent, (describe_message(response, f"{indent}  ") for response in message.responses))
    return text


def _block(title: str, indent: str, lines: Iterable[str]) -> str:
    return f" {title}:[\n" + "\n".join(lines) + f"\n{indent}]"


def describe_entry(entry: Entry) -> str:
    text = f"{entry.term}/{entry.index} {entry.type.name}"
    payload = _describe_payload(entry)
    return f"{text} {payload}" if payload else text


def _describe_payload(entry: Entry) -> str:
    if entry.type is EntryType.EntryNormal:
        return go_quote(entry.data)
    try:
        return conf_changes_to_string(decode_conf_change(entry.type, entry.data).as_v2().changes)
    except ConfChangeDecodeError as error:
        return str(error)


def describe_entries(entries: Iterable[Entry]) -> str:
    """One line each."""
    return "".join(f"{describe_entry(entry)}\n" for entry in entries)


def describe_hard_state(state: HardState) -> str:
    vote = f" Vote:{state.vote}" if state.vote else ""
    return f"Term:{state.term}{vote} Commit:{state.commit}"


def describe_soft_state(state: SoftState) -> str:
    return f"Lead:{state.lead} State:{state.raft_state.name}"


def describe_conf_state(state: ConfState) -> str:
    return (
        f"Voters:{_ids(state.voters)} VotersOutgoing:{_ids(state.voters_outgoing)} Learners:{_ids(state.learners)}"
        f" LearnersNext:{_ids(state.learners_next)} AutoLeave:{'true' if state.auto_leave else 'false'}"
    )


def describe_snapshot(snapshot: Snapshot) -> str:
    return f"Index:{snapshot.index} Term:{snapshot.term} ConfState:{describe_conf_state(snapshot.conf_state)}"


def describe_ready(ready: Ready) -> Iterator[str]:
    """`<empty Ready>`, without a newline, or a line for each thing that the Ready holds.

    In pieces, because a Ready may hold messages to many nodes with many large entries.
    """
    contents = _describe_contents(ready)
    first = next(contents, None)
    if first is None:
        yield "<empty Ready>"
        return
    yield f"Ready MustSync={'true' if ready.must_sync else 'false'}:\n"
    yield first
    yield from contents


def _describe_contents(ready: Ready) -> Iterator[str]:
    if ready.soft_state is not None:
        yield f"{describe_soft_state(ready.soft_state)}\n"
    if ready.hard_state != EMPTY_HARD_STATE:
        yield f"HardState {describe_hard_state(ready.hard_state)}\n"
    if ready.read_states:
        yield f"ReadStates [{' '.join(map(_describe_read_state, ready.read_states))}]\n"
    if ready.entries:
        yield f"Entries:\n{describe_entries(ready.entries)}"
    if ready.snapshot is not None and ready.snapshot.index:
        yield f"Snapshot {describe_snapshot(ready.snapshot)}\n"
    if ready.committed_entries:
        yield f"CommittedEntries:\n{describe_entries(ready.committed_entries)}"
    if ready.messages:
        yield "Messages:\n"
        yield from (f"{describe_message(message)}\n" for message in ready.messages)


def _describe_read_state(state: ReadState) -> str:
    return f"{{{state.index} {_ids(state.request_ctx)}}}"


def _ids(numbers: Iterable[int]) -> str:
    """Go's `%v` of a slice of numbers."""
    return "[" + " ".join(map(str, numbers)) + "]"
