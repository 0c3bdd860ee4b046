"""How a member carries out a Ready: in one go, or by its append and apply threads.

Whoever hands something to a node runs its loop afterwards (Member does), also when a write or a batch is done.
The order is the contract between Raft and its application (etcd-io/raft doc.go, "Usage" and "Usage with Asynchronous Storage
Writes"). A loop ends with the crash of its member; a restarted member has a new one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, HardState, Message

if TYPE_CHECKING:
    from kubeproof.impl.cluster.member import Member


class SynchronousWrites:
    """One Ready at a time: write, sync, send, apply, advance. Messages are stepped meanwhile, as etcd's Node does."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._busy = False

    def run(self) -> None:
        """Take the next Ready if the last one is done and there is one."""
        member = self._member
        while not self._busy and member.up and member.node.has_ready():
            self._busy = True
            self._write(member.node.ready())

    def _write(self, ready: Ready) -> None:
        member = self._member
        if member.faults.sent_before_written:
            member.send(ready.messages)
        if member.settings.apply_while_writing:
            member.apply(ready.committed_entries)
        member.store.write(ready.snapshot, ready.entries, ready.hard_state)
        commit_only = member.settings.sync_commit and ready.hard_state != EMPTY_HARD_STATE
        if ready.must_sync or ready.snapshot is not None or commit_only:
            member.store.sync(member.when_running, self._written, ready)
        else:
            self._written(ready)

    def _written(self, ready: Ready) -> None:
        member = self._member
        if not member.faults.sent_before_written:
            member.send(ready.messages)
        if ready.snapshot is not None:
            member.install(ready.snapshot)
        member.confirm(ready.read_states)
        if not ready.committed_entries or member.settings.apply_while_writing:
            self._advance()
        elif member.settings.apply_ms[1]:
            member.later(member.settings.apply_ms, self._apply, ready)
        else:
            self._apply(ready)

    def _apply(self, ready: Ready) -> None:
        self._member.apply(ready.committed_entries)
        self._advance()

    def _advance(self) -> None:
        self._busy = False
        self._member.node.advance()
        self._member.compact_if_due()


class AsynchronousWrites:
    """Raft goes on while an append thread writes and an apply thread applies, each in order; both answer with messages."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._answers: deque[list[Message]] = deque()
        self._to_apply: deque[Message] = deque()
        self._applying = False

    def run(self) -> None:
        """Hand out work until there is none."""
        member = self._member
        while member.up and (member.node.has_ready() or self._can_apply()):
            if member.node.has_ready():
                self._hand_out(member.node.ready())
            else:
                self._apply_next()

    def _hand_out(self, ready: Ready) -> None:
        self._member.confirm(ready.read_states)
        for message in ready.messages:
            if message.to == LOCAL_APPEND_THREAD:
                self._append(message)
            elif message.to == LOCAL_APPLY_THREAD:
                self._to_apply.append(message)
            else:
                self._member.send((message,))

    def _append(self, work: Message) -> None:
        member = self._member
        if member.faults.sent_before_written:
            member.send(message for message in work.responses if message.to != member.id)
        member.store.write(work.snapshot, work.entries, HardState(work.term, work.vote, work.commit))
        member.store.sync(member.when_running, self._appended, work)

    def _appended(self, work: Message) -> None:
        member = self._member
        if work.snapshot is not None:
            member.install(work.snapshot)
        if not member.faults.sent_before_written:
            member.send(message for message in work.responses if message.to != member.id)
        self._answers.append([message for message in work.responses if message.to == member.id])
        if member.settings.answer_ms[1]:
            member.later(member.settings.answer_ms, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        """Step the oldest answers: however long each takes, they arrive in order."""
        for message in self._answers.popleft():
            self._member.node.step(message)

    def _can_apply(self) -> bool:
        return bool(self._to_apply) and not self._applying

    def _apply_next(self) -> None:
        self._applying = True
        work = self._to_apply.popleft()
        member = self._member
        if member.settings.apply_ms[1]:
            member.later(member.settings.apply_ms, self._applied, work)
        else:
            self._applied(work)

    def _applied(self, work: Message) -> None:
        self._member.apply(work.entries)
        self._member.compact_if_due()
        self._applying = False
        for message in work.responses:
            self._member.node.step(message)
