"""A member of a cluster as a step machine: Raft (impl/raft), the server, and what both keep on disk.

Whoever drives it calls what happens (`tick`, `receive`, `ask`), then `step` until there is nothing to do, and carries what is to
be sent (`take_messages`). A Ready is worked off in phases, each of which is a step: write the log, sync it, send, then one step
for each entry that is applied. So a crash (`disk`) can come at every sync point and between them. What was not synced is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum

from kubeproof.impl.etcd import configure
from kubeproof.impl.etcd.encoding import decode
from kubeproof.impl.etcd.requests import Member as ClusterMember
from kubeproof.impl.etcd.requests import Request
from kubeproof.impl.etcd.server import EtcdServer, ServerOptions
from kubeproof.impl.etcd.state import Answer, Disk, MemberState, PeerAnswer, PeerRequest
from kubeproof.impl.etcd.wal import WAL, Log, Record, WALState, mark, store
from kubeproof.impl.raft.confchange import ConfChange
from kubeproof.impl.raft.config import Config
from kubeproof.impl.raft.errors import ErrProposalDropped, ErrStepPeerNotFound
from kubeproof.impl.raft.faults import Faults as RaftFaults
from kubeproof.impl.raft.rawnode import Peer, RawNode
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.types import Message, MessageType, Snapshot, StateType
from kubeproof.impl.store import Backend, Committed, StorePanic
from kubeproof.impl.store.backend import CONSISTENT_INDEX


@dataclass(frozen=True, slots=True)
class MemberOptions:
    """etcd's defaults. An election timeout is that of the store's Options, in ticks of `tick_ms`."""

    server: ServerOptions = field(default_factory=ServerOptions)
    tick_ms: int = 100
    pre_vote: bool = True
    check_quorum: bool = True
    max_size_per_msg: int = 1024 * 1024
    max_inflight_msgs: int = 512
    snapshot_count: int = 10_000
    """Entries that are applied before the log is cut behind them."""
    catch_up_entries: int = 5000
    """Entries that are kept all the same, for followers that are a little behind."""
    raft_faults: RaftFaults = field(default_factory=RaftFaults)

    @property
    def election_tick(self) -> int:
        return self.server.store.election_timeout_ms // self.tick_ms


class Phase(Enum):
    """What is to be done with a Ready."""

    WRITE = "write"
    SYNC = "sync"
    SEND = "send"
    APPLY = "apply"


_IN_ORDER = (Phase.WRITE, Phase.SYNC, Phase.SEND, Phase.APPLY)
_SYNCED_LAST = (Phase.WRITE, Phase.APPLY, Phase.SYNC, Phase.SEND)


class Member:
    """A running member. `draw_election_timeout` and `is_connected` are chance and the network (raft/config.py, consensus.py)."""

    def __init__(
        self,
        id_: int,
        options: MemberOptions,
        disk: Disk,
        draw_election_timeout: Callable[[int], int],
        is_connected: Callable[[int], bool] = lambda _: True,
        first_id: int = 1,
    ) -> None:
        """Start on a disk. A member of a new cluster is made by `bootstrap`; the disk of one that joins is empty."""
        self.id = id_
        self.options = options
        self.is_connected = is_connected
        backend, self._snapshots = _opened(disk, options)
        self.server = EtcdServer(id_, options.server, backend, self, first_id)
        self._wal = WAL(WALState(disk.wal))
        self.log = Log(disk.wal, self._applied)
        """What Raft reads: all that was written."""
        self._draw = draw_election_timeout
        if self.server.applied_index > self.log.last_index():
            raise StorePanic(f"the backend has entry {self.server.applied_index}, the log ends at {self.log.last_index()}")
        self._make_node(self.server.applied_index)
        self._messages: list[Message] = []
        self._take_up(None, (), 0)

    def _make_node(self, applied: int) -> None:
        options, faults = self.options, self.options.raft_faults
        if options.server.faults.single_member_answers_before_sync:
            faults = replace(faults, single_voter_commits_before_write=True)
        self.node = RawNode(
            Config(
                id=self.id,
                election_tick=options.election_tick,
                heartbeat_tick=1,
                storage=self.log,
                draw_election_timeout=self._draw,
                applied=applied,
                max_size_per_msg=options.max_size_per_msg,
                max_inflight_msgs=options.max_inflight_msgs,
                check_quorum=options.check_quorum,
                pre_vote=options.pre_vote,
                faults=faults,
            )
        )

    def _take_up(self, ready: Ready | None, phases: tuple[Phase, ...], applied: int) -> None:
        """A Ready, the phases that are left of it, and how many of its entries are applied."""
        self._ready, self._phases, self._applied_of_ready = ready, phases, applied

    def bootstrap(self, members: Sequence[ClusterMember]) -> None:
        """Begin a new cluster of these members: its log begins with their additions."""
        self.node.bootstrap([Peer(member.id, configure.added(member).context) for member in members])

    # ---- what happens

    def tick(self, now_ms: int) -> None:
        """Let `tick_ms` pass: the backend commits, too, as often as it does in etcd."""
        self.node.tick()
        self.server.tick(now_ms)
        self.server.kv.backend.commit()

    def ask(self, request: Request, now_ms: int) -> int:
        """A client asks (EtcdServer.ask)."""
        return self.server.ask(request, now_ms)

    def receive(self, message: Message | PeerRequest | PeerAnswer, now_ms: int) -> None:
        """Another member has sent this. The content of a snapshot is a file of its own before Raft hears of it."""
        if not isinstance(message, Message):
            self.server.receive(message, now_ms)
            return
        if message.snapshot is not None:
            self._save_snapshot(message.snapshot)
            message = message._replace(snapshot=message.snapshot._replace(data=b""))
        with suppress(ErrProposalDropped, ErrStepPeerNotFound):  # nobody is told: who has proposed gets no answer
            self.node.step(message)

    def report_unreachable(self, peer: int) -> None:
        """The network could not deliver to this member."""
        self.node.report_unreachable(peer)

    def report_snapshot(self, peer: int, *, succeeded: bool) -> None:
        """The network has delivered a snapshot, or has failed to: Raft sends no entries there before it knows."""
        self.node.report_snapshot(peer, succeeded=succeeded)

    def _save_snapshot(self, snapshot: Snapshot) -> None:
        if self.options.server.faults.snapshot_file_released_early:
            self._snapshots = {index: data for index, data in self._snapshots.items() if index > snapshot.index}
        self._snapshots[snapshot.index] = snapshot.data

    # ---- what is to be done

    def step(self, now_ms: int) -> bool:
        """Do what is to be done next, up to the next sync point at most. False if there is nothing."""
        if self.server.stopped:
            return False
        if self._ready is None:
            if not self.node.has_ready():
                return self._cut_log() or self.server.remove_compacted()
            self._begin(self.node.ready(), now_ms)
        phase, ready = self._phases[0], self._ready
        assert ready is not None
        done = _DOES[phase](self, ready, now_ms)
        if done:
            self._phases = self._phases[1:]
        if not self._phases:
            self._take_up(None, (), 0)
            self.node.advance()
        return True

    def settle(self, now_ms: int) -> None:
        """Do all that is to be done."""
        while self.step(now_ms):
            pass

    def take_messages(self) -> list[Message | PeerRequest | PeerAnswer]:
        """What is to be sent to others now."""
        messages: list[Message | PeerRequest | PeerAnswer] = [*self._messages, *self.server.waits.take_messages()]
        self._messages.clear()
        return messages

    def take_answers(self) -> list[Answer]:
        """What clients are to be told now."""
        return self.server.waits.take_answers()

    def _begin(self, ready: Ready, now_ms: int) -> None:
        raft = self.node.raft
        alone = raft.tracker.is_singleton() and self.options.server.faults.single_member_answers_before_sync
        self._take_up(ready, _SYNCED_LAST if alone else _IN_ORDER, 0)
        self.server.lead(raft.lead, raft.term, now_ms, leads=raft.state is StateType.StateLeader)

    def _write(self, ready: Ready, _: int) -> bool:
        record = Record(ready.hard_state, ready.entries, ready.snapshot)
        if record != Record():
            self._wal.write(record)
            store(self.log, record)
        return True

    def _sync(self, ready: Ready, _: int) -> bool:
        if ready.must_sync or ready.snapshot is not None:
            self._wal.sync()
        return True

    def _send(self, ready: Ready, now_ms: int) -> bool:
        for message in ready.messages:
            self._messages.append(self._with_content(message) if message.type is MessageType.MsgSnap else message)
        for read in ready.read_states:
            self.server.confirm(read, now_ms)
        return True

    def _with_content(self, message: Message) -> Message:
        """A snapshot goes out with the backend as it is now, whatever Raft has asked for (etcd createMergedSnapshotMessage)."""
        data = self.server.snapshot()
        return message._replace(snapshot=self._applied()._replace(data=data))

    def _apply(self, ready: Ready, now_ms: int) -> bool:
        """Become a snapshot, then apply one entry more. True if it was the last one."""
        if ready.snapshot is not None and self._applied_of_ready == 0:
            self._install(ready.snapshot.index, now_ms)
        entries = ready.committed_entries
        if self._applied_of_ready < len(entries):
            self.server.apply(entries[self._applied_of_ready], now_ms)
            self._applied_of_ready += 1
        return self._applied_of_ready >= len(entries) or self.server.stopped

    def _install(self, index: int, now_ms: int) -> None:
        content = self._snapshots.get(index)
        if content is None:
            raise StorePanic("failed to find database snapshot file (snap: snapshot file doesn't exist)")
        self.server.install(content, now_ms)
        self._release_snapshots()

    def _release_snapshots(self) -> None:
        """Files of what is applied are needed no more, whether Raft has taken the snapshot or not."""
        self._snapshots = {index: data for index, data in self._snapshots.items() if index > self.server.applied_index}

    def _cut_log(self) -> bool:
        """Cut the log if enough was applied, when the backend has all that goes. A sync point."""
        applied = self.server.applied_index
        if applied - self.log.mark.index < self.options.snapshot_count:
            return False
        self.server.kv.backend.commit()
        self._wal.mark(applied, self.options.catch_up_entries)
        mark(self.log, applied, self.options.catch_up_entries)
        self._release_snapshots()
        return True

    # ---- consensus, as the server sees it

    def propose(self, data: bytes) -> None:
        self.node.propose(data)

    def propose_conf_change(self, change: ConfChange) -> None:
        self.node.propose_conf_change(change)

    def apply_conf_change(self, change: ConfChange) -> None:
        self.node.apply_conf_change(change)

    def read_index(self, context: bytes) -> None:
        self.node.read_index(context)

    def transfer_leadership(self, to: int) -> None:
        self.node.transfer_leader(to)

    def leads(self, term: int) -> bool:
        return self.node.raft.state is StateType.StateLeader and self.node.raft.term == term

    def match(self) -> Mapping[int, int]:
        raft = self.node.raft
        if raft.state is not StateType.StateLeader:
            return {}
        return {id_: progress.match for id_, progress in raft.tracker.progress.items()}

    @property
    def committed_index(self) -> int:
        return self.node.raft.log.committed

    def _applied(self) -> Snapshot:
        """What is applied, as Raft sends it: without its content."""
        index = self.server.applied_index
        return Snapshot(index, self.log.term(index), self.server.cluster.conf_state())

    # ---- state

    def disk(self) -> Disk:
        """What a crash leaves: all that is synced."""
        return Disk(self.server.kv.backend.committed(), self._wal.export().synced, tuple(sorted(self._snapshots.items())))

    def export(self, now_ms: int) -> MemberState:
        """The whole state, but for what is to be taken; `restore` makes an equal member of it."""
        return MemberState(
            self.node.export_state(),
            self._wal.export(),
            self.server.export(now_ms),
            tuple(sorted(self._snapshots.items())),
            self._ready,
            tuple([phase.value for phase in self._phases]),
            self._applied_of_ready,
        )

    @classmethod
    def restore(
        cls,
        id_: int,
        options: MemberOptions,
        state: MemberState,
        now_ms: int,
        draw_election_timeout: Callable[[int], int],
        is_connected: Callable[[int], bool] = lambda _: True,
    ) -> Member:
        """The member with this state."""
        member = cls.__new__(cls)
        member.id, member.options, member.is_connected, member._draw = id_, options, is_connected, draw_election_timeout
        member.server = EtcdServer.restore(id_, options.server, state.server, member, now_ms)
        member._snapshots = dict(state.snapshots)
        member._wal = WAL(state.wal)
        member.log = Log(member._wal.written(), Snapshot)  # of nothing: what the node begins with is replaced
        member._make_node(0)
        member.node.restore_state(state.node)
        member._messages = []
        member.log.applied = member._applied
        member._take_up(state.ready, tuple(map(Phase, state.phases)), state.applied)
        return member


_DOES: Mapping[Phase, Callable[[Member, Ready, int], bool]] = {
    Phase.WRITE: Member._write,
    Phase.SYNC: Member._sync,
    Phase.SEND: Member._send,
    Phase.APPLY: Member._apply,
}


def _opened(disk: Disk, options: MemberOptions) -> tuple[Backend, dict[int, bytes]]:
    """The backend; or the snapshot that it was to be replaced by (etcd recoverSnapshotBackend). Other files are orphans."""
    snapshots, content = dict(disk.snapshots), disk.backend
    begin = disk.wal.snapshot.index
    if dict(content.meta).get(CONSISTENT_INDEX, 0) < begin:
        if begin not in snapshots:
            raise StorePanic("failed to find database snapshot file (snap: snapshot file doesn't exist)")
        content = decode(snapshots[begin])
        assert isinstance(content, Committed)
    return Backend(options.server.store.batch_limit, content), {}
