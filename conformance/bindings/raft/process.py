"""A member's process for the time of one step: it drives the node, and carries out what the node wants done.

The order of things is that of impl/cluster/ready_loop.py. Where somebody is slow, his work stays in hand for a later event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from kubeproof.conformance.bindings.raft.canonical import by_receiver, canonical
from kubeproof.conformance.bindings.raft.client import Applied, Served
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.impl.raft import Config, MemoryStorage, RawNode
from kubeproof.impl.raft.confchange import decode_conf_change
from kubeproof.impl.raft.config import ReadOnlyOption, Tracer
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.types import (
    EMPTY_HARD_STATE,
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    NO_ID,
    Entry,
    EntryType,
    HardState,
    Message,
    ReadState,
    Snapshot,
)

ELECTION_TICK, HEARTBEAT_TICK = 10, 1


class Watch(NamedTuple):
    """Who is told what Raft traces, and what applications do besides (impl/cluster/watcher.py)."""

    trace: Tracer
    observe: Callable[[str, int, Mapping[str, object]], object]


class Process:
    """A member's process. It serves for many steps, each of which begins with `restore`: making a node anew costs more."""

    def __init__(self, setup: Setup, member: int, *, pre_vote: bool, watch: Watch | None) -> None:
        self.setup = setup
        self.id = member
        self.pre_vote = pre_vote
        self.watch = watch
        self.storage = MemoryStorage()
        self.applied = 0
        self.node = RawNode(self._config(None))
        self.node.raft.trace = None if watch is None else watch.trace  # making it is no event of the run
        self._forget()

    def _forget(self) -> None:
        """Nothing is in hand."""
        self.cut_off = False
        self.writes: list[Message] = []
        self.answers: list[tuple[Message, ...]] = []
        self.applies: list[Message] = []
        self.ready: Ready | None = None
        self.reads: list[ReadState] = []
        self._sent: list[system.Message] = []

    # ---- to and from a local state

    def start(self, stored: StorageState) -> None:
        """Start from what is stored."""
        self._forget()
        self.storage.restore(stored)
        self.applied = stored.snapshot.index
        self.node = RawNode(self._config(None if self.watch is None else self.watch.trace))

    def restore(self, state: Running) -> None:
        """Go on from a local state."""
        self.storage.restore(state.storage)
        self.node.restore_state(state.node)
        self.writes, self.answers, self.applies = list(state.writes), list(state.answers), list(state.applies)
        self.ready, self.reads, self.cut_off = state.ready, list(state.reads), state.cut_off
        self.applied = max(state.applied, state.storage.snapshot.index)
        if state.ready is not None and state.ready.committed_entries:
            self.applied = state.ready.committed_entries[-1].index
        self._sent = []

    def export(self) -> tuple[Running, tuple[system.Message, ...]]:
        """The local state that is reached, and what is sent on the way."""
        node = canonical(self.node.export_state(), self.setup)
        in_hand = tuple(self.writes), tuple(self.answers), tuple(self.applies), self.ready, tuple(self.reads)
        return Running(self.id, node, self.storage.export(), *in_hand, self.pre_vote, self.cut_off), tuple(self._sent)

    def _config(self, trace: Tracer | None) -> Config:
        setup = self.setup
        return Config(
            id=self.id,
            election_tick=ELECTION_TICK,
            heartbeat_tick=HEARTBEAT_TICK,
            storage=self.storage,
            draw_election_timeout=lambda ticks: ticks,
            applied=self.applied,
            async_storage_writes=setup.asynchronous,
            max_size_per_msg=setup.max_size_per_msg,
            max_committed_size_per_ready=setup.apply_bytes,
            max_inflight_msgs=setup.max_inflight,
            check_quorum=setup.check_quorum,
            pre_vote=self.pre_vote,
            read_only_option=ReadOnlyOption.ReadOnlyLeaseBased if setup.lease_based_reads else ReadOnlyOption.ReadOnlySafe,
            step_down_on_removal=setup.step_down_on_removal,
            vote_request_after_write=setup.vote_request_after_write,
            trace=trace,
            faults=setup.library,
        )

    # ---- what the node wants done

    def settle(self) -> None:
        """Carry out Readys until there is none, or one waits for its write."""
        while self.ready is None and self.node.has_ready():
            ready = self.node.ready()
            if self.setup.asynchronous:
                self._hand_out(ready)
            elif self.setup.apply_while_writing:
                self._apply_and_write(ready)
            else:
                self._write(ready)

    def _write(self, ready: Ready) -> None:
        self._store(ready.snapshot, ready.entries, ready.hard_state)
        self._send(ready.messages)
        self._confirm(ready.read_states)
        self._apply(ready.committed_entries)
        self.node.advance()

    def _apply_and_write(self, ready: Ready) -> None:
        self._apply(ready.committed_entries)
        self.ready = ready._replace(messages=by_receiver(ready.messages))
        if not ready.must_sync:
            self.written()

    def written(self) -> None:
        """The Ready in hand is written."""
        ready, self.ready = self.ready, None
        assert ready is not None
        self._store(ready.snapshot, ready.entries, ready.hard_state)
        self._send(ready.messages)
        self._confirm(ready.read_states)
        self.node.advance()

    # ---- the append thread and the apply thread

    def _hand_out(self, ready: Ready) -> None:
        self._confirm(ready.read_states)
        for message in ready.messages:
            if message.to == LOCAL_APPEND_THREAD:
                self._hand_to_append_thread(message)
            elif message.to == LOCAL_APPLY_THREAD:
                self.applies.append(message)
                if not self._is_slow(self.setup.slow_applies):
                    self.apply_next()
            else:
                self._send((message,))

    def _hand_to_append_thread(self, work: Message) -> None:
        if self.setup.application.sent_before_written:
            self._send(self._to_others(work.responses))
        self.writes.append(work._replace(responses=by_receiver(work.responses)))
        if not self._is_slow(self.setup.slow_writes):
            self.write_next()

    def write_next(self) -> None:
        """The append thread does the oldest of its work."""
        work = self.writes.pop(0)
        self._store(work.snapshot, work.entries, HardState(work.term, work.vote, work.commit))
        if not self.setup.application.sent_before_written:
            self._send(self._to_others(work.responses))
        answers = tuple([message for message in work.responses if message.to == self.id])
        if answers:
            self.answers.append(answers)
            if not self._is_slow(self.setup.slow_answers):
                self.hear_answers()

    def hear_answers(self) -> None:
        """The node hears of the oldest write that it has not heard of."""
        for message in self.answers.pop(0):
            self.node.step(message)

    def apply_next(self) -> None:
        """The apply thread does the oldest of its work."""
        work = self.applies.pop(0)
        self._apply(work.entries)
        for message in work.responses:
            self.node.step(message)

    def _is_slow(self, count: int) -> bool:
        return self.setup.is_among_last(self.id, count, self.setup.ids)

    def _to_others(self, messages: Iterable[Message]) -> list[Message]:
        return [message for message in messages if message.to != self.id]

    # ---- storing, sending, applying

    def _store(self, snapshot: Snapshot | None, entries: Sequence[Entry], hard_state: HardState) -> None:
        if snapshot is not None:
            self.storage.apply_snapshot(snapshot)
            self.applied = snapshot.index
        self.storage.append(entries)
        faults = self.setup.application
        if hard_state != EMPTY_HARD_STATE and not faults.hard_state_not_stored:
            self._store_hard_state(hard_state._replace(vote=NO_ID) if faults.vote_not_stored else hard_state)
        if snapshot is not None:
            self._serve_reads()

    def _store_hard_state(self, hard_state: HardState) -> None:
        # a write that waited must not take the commit index back behind a snapshot
        self.storage.set_hard_state(hard_state._replace(commit=max(hard_state.commit, self.storage.snapshot().index)))

    def _send(self, messages: Iterable[Message]) -> None:
        if not self.cut_off:
            self._sent += [system.Message(message.to - 1, message) for message in messages]

    def _apply(self, entries: Iterable[Entry]) -> None:
        """Apply what is handed out, but for what a snapshot has overtaken since."""
        received = self.node.raft.log.unstable.snapshot
        covered = max(self.applied, 0 if received is None else received.index)
        for entry in entries:
            if entry.index > covered or self.setup.application.entries_applied_over_snapshot:
                self._apply_entry(entry)
        self._serve_reads()

    def _apply_entry(self, entry: Entry) -> None:
        after, self.applied = self.applied, entry.index
        if entry.type is not EntryType.EntryNormal:
            self.node.apply_conf_change(decode_conf_change(entry.type, entry.data))
        self.observe("apply", {"index": entry.index, "term": entry.term, "payload": entry.data.hex()})
        self._tell_client(Applied(entry, after))

    def compact(self) -> None:
        """Make a snapshot of what is applied, and keep nothing behind it."""
        mislabelled = self.setup.application.snapshot_labelled_with_last_index
        index = self.storage.last_index() if mislabelled else self.applied
        self.storage.create_snapshot(index, self.node.raft.tracker.conf_state(), b"")
        self._store_hard_state(self.storage.initial_state()[0])
        self.storage.compact(min(index, self.node.raft.log.applied))

    # ---- reads

    def read(self, number: int) -> None:
        """A client asks for a linearizable read."""
        if self.setup.application.read_served_locally:
            self._serve(number)
        else:
            self.node.read_index(b"%d" % number)

    def _confirm(self, reads: Iterable[ReadState]) -> None:
        self.reads += reads
        self._serve_reads()

    def _serve_reads(self) -> None:
        early = self.setup.application.read_served_before_applied
        waiting = []
        for read in self.reads:
            if read.index <= self.applied or early:
                self._serve(int(read.request_ctx))
            else:
                waiting.append(read)
        self.reads = waiting

    def _serve(self, number: int) -> None:
        self.observe("read_served", {"id": str(number), "index": self.applied})
        self._tell_client(Served(number, self.applied))

    def _tell_client(self, body: Applied | Served) -> None:
        if self.setup.has_client:
            self._sent.append(system.Message(self.setup.members, body, synchronous=True))

    def observe(self, action: str, arguments: Mapping[str, object]) -> None:
        """Tell who watches what the application does."""
        if self.watch is not None:
            self.watch.observe(action, self.id, arguments)
