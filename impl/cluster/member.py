"""One member of a simulated cluster: a RawNode, what it keeps on disk, and the state machine it replicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from kubeproof.impl.cluster.faults import ApplicationFaults
from kubeproof.impl.cluster.ready_loop import AsynchronousWrites, SynchronousWrites
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.cluster.stable_store import StableStore
from kubeproof.impl.cluster.state_machine import Ledger, StateMachine
from kubeproof.impl.cluster.watcher import Watcher
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType, ConfChangeV2, decode_conf_change
from kubeproof.impl.raft.config import Config, ReadOnlyOption
from kubeproof.impl.raft.errors import ErrProposalDropped, ErrStepPeerNotFound, RaftPanic
from kubeproof.impl.raft.faults import Faults
from kubeproof.impl.raft.rawnode import Peer, RawNode
from kubeproof.impl.raft.types import ConfState, Entry, EntryType, Message, MessageType, ReadState, Snapshot, StateType
from kubeproof.impl.sim.disk import Disk
from kubeproof.impl.sim.network import Transport
from kubeproof.impl.sim.world import World

# A read that is not confirmed is asked for again under its old name, as etcd's server does, and given up in the end.
READ_RETRY_TICKS = 10
READ_TIMEOUT_TICKS = 30

# When the network tells that a snapshot was taken or that a peer cannot be reached.
REPORT_MS = (1, 30)


class Mistakes(NamedTuple):
    """The switched-on mistakes."""

    library: Faults
    application: ApplicationFaults


class Member:
    """A process that can crash, pause and start again.

    `store` survives a crash, everything else is rebuilt. Whoever calls a member from outside uses `receive`, `propose`, `read`
    and the like, which are ignored while it is down and wait while it is paused. A panic of Raft ends it: `panic` holds its
    last words.
    """

    def __init__(
        self,
        id_: int,
        world: World,
        network: Transport,
        settings: Settings,
        mistakes: Mistakes,
        watcher: Watcher | None,
    ) -> None:
        self.id = id_
        self.settings = settings
        self.faults = mistakes.application
        disk = Disk(world, str(id_))
        disk.latency_ms = settings.disk_ms
        self.store = StableStore(disk, self._take_snapshot, mistakes.application)
        self.up = False
        self.panic: str | None = None
        self.tick_ms = settings.tick_ms
        self.retired = False
        self.conf_state = ConfState()
        self.conf_index = 0
        self.applied = self.applied_term = 0
        self.machine: StateMachine = Ledger()
        self.node: RawNode
        self._world = world
        self._network = network
        self._raft_faults = mistakes.library
        self._watcher = watcher
        self._stream = world.stream(f"member/{id_}")
        self._boot = 0
        self._paused = False
        self._handling = False
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._reads: dict[bytes, int] = {}
        self._confirmed: list[ReadState] = []
        self._loop: SynchronousWrites | AsynchronousWrites

    # The process

    def start(self, peers: tuple[int, ...] = ()) -> None:
        """Start from what is stored; a first start with `peers` makes them the cluster."""
        self._boot += 1
        self.up = True
        self._reads, self._confirmed = {}, []
        snapshot = self.store.storage.stored_snapshot()
        self.applied, self.conf_index, self.conf_state = snapshot.index, snapshot.index, snapshot.conf_state
        self.machine.restore(snapshot.data)
        latency_ms = self.store.disk.latency_ms
        if peers:
            self.store.disk.latency_ms = (0, 0)  # the files of a new cluster are there before its processes run
        self._guard(self._begin, peers)
        self.store.disk.latency_ms = latency_ms
        if not self.up:
            return
        self._network.attach(self.id, self.receive)
        if self.tick_ms:
            self._world.after(self._stream.between(1, self.tick_ms), self._tick, self._boot)

    def _begin(self, peers: tuple[int, ...]) -> None:
        self.node = RawNode(self._config())
        self._loop = (AsynchronousWrites if self.settings.async_storage_writes else SynchronousWrites)(self)
        if peers:
            self.node.bootstrap([Peer(peer) for peer in peers])

    def _config(self) -> Config:
        settings = self.settings
        return Config(
            id=self.id,
            election_tick=settings.election_tick,
            heartbeat_tick=settings.heartbeat_tick,
            storage=self.store.storage,
            applied=self.applied,
            async_storage_writes=settings.async_storage_writes,
            vote_request_after_write=settings.vote_request_after_write,
            max_size_per_msg=settings.max_size_per_msg,
            max_committed_size_per_ready=settings.max_committed_size_per_ready,
            max_uncommitted_entries_size=settings.max_uncommitted_entries_size,
            max_inflight_msgs=settings.max_inflight_msgs,
            max_inflight_bytes=settings.max_inflight_bytes,
            check_quorum=settings.check_quorum,
            pre_vote=settings.pre_vote,
            read_only_option=ReadOnlyOption.ReadOnlyLeaseBased if settings.lease_based_reads else ReadOnlyOption.ReadOnlySafe,
            disable_proposal_forwarding=settings.disable_proposal_forwarding,
            disable_conf_change_validation=settings.disable_conf_change_validation,
            step_down_on_removal=settings.step_down_on_removal,
            draw_election_timeout=lambda ticks: self._stream.between(ticks, 2 * ticks - 1),
            trace=None if self._watcher is None else self._watcher.trace,
            faults=self._raft_faults,
        )

    def crash(self, kept_writes: int | None = None) -> None:
        """Stop at once. Of the writes that are not synced the first `kept_writes` survive (None: by chance)."""
        self._stop()
        self._observe("crash", {"lost_writes": self.store.crash(kept_writes)})

    def _stop(self) -> None:
        self.up = False
        self._paused = False
        self._waiting.clear()
        self._network.detach(self.id)

    def retire(self) -> None:
        """Crash for good."""
        self.retired = True
        if self.up:
            self.crash()

    def pause(self) -> None:
        """Let everything wait, the clock too, as when the process is not scheduled."""
        self._paused = True

    def resume(self) -> None:
        """Go on with what waits."""
        self._paused = False
        while self._waiting and self.up and not self._paused:
            action, arguments = self._waiting.popleft()
            self._guard(action, *arguments)

    @property
    def running(self) -> bool:
        """Up and not paused."""
        return self.up and not self._paused

    @property
    def is_leader(self) -> bool:
        """Whether it is running and believes that it leads."""
        return self.running and self.node.raft.state is StateType.StateLeader

    def flush(self) -> None:
        """Make durable what was written without a sync."""
        self.store.sync(lambda: None)

    def has_stored(self, conf_index: int) -> bool:
        """Whether this member applied the membership of that index and will know after a crash that it is committed."""
        return self.conf_index >= conf_index and self.store.storage.initial_state()[0].commit >= conf_index

    @property
    def term(self) -> int:
        """The current term; asked of a running member."""
        return self.node.raft.term

    @property
    def last_index(self) -> int:
        """The last index of the log, what is not stored yet included; asked of a running member."""
        return self.node.raft.log.last_index()

    @property
    def backlog(self) -> int:
        """How many entries of the log are not applied; asked of a running member."""
        return self.last_index - self.applied

    @property
    def waits_for_reads(self) -> bool:
        """Whether reads that were asked here have not been answered yet, nor given up."""
        return bool(self._reads or self._confirmed)

    # Input

    def receive(self, message: Message) -> None:
        """Step a message that the network delivers."""
        self.when_running(self.node.step, message)

    def propose(self, payload: bytes) -> bool:
        """Propose a payload; False if it was dropped at once, but it may be lost later without a word."""
        return self._call(lambda: self.node.propose(payload))

    def propose_conf_change(self, change: ConfChange | ConfChangeV2 | None) -> None:
        """Propose a membership change (None leaves a joint one); it may be dropped, refused or lost."""
        self._call(lambda: self._propose_conf_change(change))

    def _propose_conf_change(self, change: ConfChange | ConfChangeV2 | None) -> None:
        self.node.propose_conf_change(change)
        if self.faults.conf_change_applied_when_proposed and self.is_leader and change is not None:
            self.conf_state = self.node.apply_conf_change(change)

    def campaign(self) -> None:
        """Start an election now."""
        self._call(lambda: self.node.campaign())

    def transfer_leader(self, to: int) -> None:
        """Ask for `to` to become leader."""
        self._call(lambda: self.node.transfer_leader(to))

    def forget_leader(self) -> None:
        """Let a follower forget its leader."""
        self._call(lambda: self.node.forget_leader())

    def report_unreachable(self, peer: int) -> None:
        """Tell Raft that a message to `peer` could not be sent."""
        self._call(lambda: self.node.report_unreachable(peer))

    def report_snapshot(self, peer: int, ok: bool) -> None:
        """Tell Raft whether a snapshot has been sent to `peer`."""
        self._call(lambda: self.node.report_snapshot(peer, succeeded=ok))

    def tick(self) -> None:
        """Let one tick pass."""
        self._call(lambda: self.node.tick())

    def read(self, name: bytes) -> None:
        """Ask for a linearizable read; the answer is a read_served event, or none ever comes."""
        if self.running:
            self._observe("read_request", {"id": name.decode()})
            self._reads[name] = READ_TIMEOUT_TICKS
            if self.faults.read_served_locally:
                self._serve(name)
            else:
                self._call(lambda: self.node.read_index(name))

    def read_again(self, name: bytes) -> None:
        """Ask Raft for a read once more, under the name it had."""
        self._reads[name] = READ_TIMEOUT_TICKS
        self._call(lambda: self.node.read_index(name))

    def _call(self, call: Callable[[], object]) -> bool:
        return self.running and self._guard(call)

    def when_running(self, action: Callable[..., object], *arguments: Any) -> None:
        """Do something now, or when the pause is over; never after a crash."""
        if self._paused:
            self._waiting.append((action, arguments))
        elif self.up:
            self._guard(action, *arguments)

    def _guard(self, action: Callable[..., object], *arguments: Any) -> bool:
        """Do something with the node, then what it wants done; False if Raft dropped it or panicked.

        What is done meanwhile without taking time, such as an immediate sync, comes back here and must not begin anew.
        """
        if self._handling:
            action(*arguments)
            return True
        accepted = self._handling = True
        try:
            try:
                action(*arguments)
            except (ErrProposalDropped, ErrStepPeerNotFound):
                accepted = False
            self._loop.run()
        except RaftPanic as panic:
            accepted = False
            self.panic = str(panic)
            self._stop()
            self._observe("panic", {"reason": self.panic})
        finally:
            self._handling = False
        return accepted

    # Time

    def later(self, delay_ms: tuple[int, int], action: Callable[..., object], *arguments: Any) -> None:
        """Do something after a time between the two, unless there is a crash before."""
        self._world.after(self._stream.between(*delay_ms), self._if_boot, self._boot, action, *arguments)

    def _if_boot(self, boot: int, action: Callable[..., object], *arguments: Any) -> None:
        if boot == self._boot:
            self.when_running(action, *arguments)

    def _tick(self, boot: int) -> None:
        if boot != self._boot or not self.up:
            return
        self._world.after(self.tick_ms, self._tick, boot)
        self.tick()
        if self._reads:
            self._retry_reads()

    # What a Ready asks for

    def send(self, messages: Iterable[Message]) -> None:
        """Hand messages to the network, and tell Raft what the network tells about them."""
        for message in messages:
            taken = self._network.send(self.id, message.to, message)
            if message.type is MessageType.MsgSnap and self.settings.report_snapshots:
                self.later(REPORT_MS, partial(self.node.report_snapshot, message.to, succeeded=taken))
            elif not taken:
                self.later(REPORT_MS, self.node.report_unreachable, message.to)

    def install(self, snapshot: Snapshot) -> None:
        """Become a stored snapshot."""
        self.machine.restore(snapshot.data)
        self.applied, self.conf_index, self.conf_state = snapshot.index, snapshot.index, snapshot.conf_state
        self._serve_confirmed()

    def apply(self, entries: Iterable[Entry]) -> None:
        """Apply committed entries, but for those that a snapshot has overtaken since they were handed out."""
        covered = self._covered_by_snapshot()
        for entry in entries:
            if entry.index > covered:
                self._apply_entry(entry)
        self._serve_confirmed()

    def _covered_by_snapshot(self) -> int:
        if self.faults.entries_applied_over_snapshot:
            return 0
        received = self.node.raft.log.unstable.snapshot
        return max(self.applied, 0 if received is None else received.index)

    def _apply_entry(self, entry: Entry) -> None:
        self.applied, self.applied_term = entry.index, entry.term
        if entry.type is not EntryType.EntryNormal:
            self._apply_conf_change(decode_conf_change(entry.type, entry.data))
            self.conf_index = entry.index
        elif entry.data:
            self.machine.apply(entry.data)
        if self._watcher is not None:
            self._observe("apply", {"index": entry.index, "term": entry.term, "payload": entry.data.hex()})

    def _apply_conf_change(self, change: ConfChange | ConfChangeV2) -> None:
        if self.faults.removal_not_applied and _removes_another(change, self.id):
            return
        self.conf_state = self.node.apply_conf_change(change)

    def compact_if_due(self) -> None:
        """Compact when enough was applied since the last snapshot."""
        every = self.settings.snapshot_every
        if every and self.applied - self.store.storage.stored_snapshot().index >= every:
            self.compact()

    def compact(self) -> None:
        """Snapshot the state machine and drop the log behind it, but nothing that Raft does not know to be applied."""
        self._take_snapshot()
        self.store.compact(min(self.applied, self.node.raft.log.applied) - self.settings.keep_entries)

    def _take_snapshot(self) -> None:
        self.store.snapshot(self.applied, self.applied_term, self.conf_state, self.machine.export())

    def confirm(self, reads: Iterable[ReadState]) -> None:
        """Remember confirmed reads until their index is applied."""
        for read in reads:
            if self._reads.pop(read.request_ctx, None) is not None:
                self._confirmed.append(read)
        self._serve_confirmed()

    def _serve_confirmed(self) -> None:
        if not self._confirmed:
            return
        waiting = []
        for read in self._confirmed:
            if read.index <= self.applied or self.faults.read_served_before_applied:
                self._serve(read.request_ctx)
            else:
                waiting.append(read)
        self._confirmed = waiting

    def _serve(self, name: bytes) -> None:
        self._observe("read_served", {"id": name.decode(), "index": self.applied})

    def _retry_reads(self) -> None:
        for name, ticks in list(self._reads.items()):
            if ticks == 0:
                del self._reads[name]
                continue
            self._reads[name] = ticks - 1
            if ticks % READ_RETRY_TICKS == 0:
                self._call(partial(self.node.read_index, name))

    def _observe(self, action: str, arguments: Mapping[str, object]) -> None:
        if self._watcher is not None:
            self._watcher.observe(action, self.id, arguments)


def _removes_another(change: ConfChange | ConfChangeV2, own_id: int) -> bool:
    removal = ConfChangeType.ConfChangeRemoveNode
    return any(single.type is removal and single.node_id != own_id for single in change.as_v2().changes)
