"""What happens to a cluster from outside: faults, each with its healing, and what an operator does."""

from __future__ import annotations

from collections.abc import Callable, Collection

from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.member import Member
from kubeproof.impl.cluster.operations import Operator
from kubeproof.impl.raft.types import Message, MessageType
from kubeproof.impl.sim.network import Network
from kubeproof.impl.sim.streams import Stream

# Ends a fault; None: there is nothing to end.
Heal = Callable[[], object] | None

ENVIRONMENT_FAULTS = {
    "crash": "a member stops and loses some of the writes that are not synced; later it starts again",
    "partition": "links are cut, both ways or one way, between two groups or around the leader; later they are mended",
    "loss": "messages are lost with some probability, for a while",
    "duplicate": "messages arrive twice with some probability, for a while",
    "reorder": "messages are late with some probability, for a while, so that they overtake each other",
    "slow_disk": "syncs of one member take long, for a while",
    "clock_skew": "the clock of one member runs at half to twice its rate, for a while",
    "pause": "a member is not scheduled for a while: what reaches it waits, its clock too",
    "snapshot_loss": "snapshots are lost, for a while",
    "membership": "an operator adds, promotes, demotes and removes members, simply or jointly",
    "transfer": "an operator asks for another leader, or lets a follower forget its leader",
    "compaction": "a member snapshots its state machine and drops its log",
}
# Of these there is one in so many average distances; the others share theirs.
OPERATIONS = {"membership": 4, "transfer": 6, "compaction": 6}
LASTS_MS = (50, 1500)


class Environment:
    """Runs the chosen faults of ENVIRONMENT_FAULTS at random times, on average one every `every_ms` milliseconds.

    Each fault draws from a stream of its own. `happened` counts them by name.
    """

    def __init__(self, cluster: Cluster, network: Network, faults: Collection[str], every_ms: int) -> None:
        unknown = sorted(set(faults) - set(ENVIRONMENT_FAULTS))
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(unknown)} (known: {', '.join(ENVIRONMENT_FAULTS)})")
        self.happened = {name: 0 for name in ENVIRONMENT_FAULTS if name in faults}
        self._cluster = cluster
        self._network = network
        self._every_ms = every_ms
        self._watcher = cluster.watcher
        self._operator = Operator(cluster)
        self._calm = False
        self._begin: dict[str, Callable[[Stream], Heal]] = {
            "crash": self._crash,
            "partition": self._partition,
            "loss": self._lose,
            "duplicate": self._duplicate,
            "reorder": self._reorder,
            "slow_disk": self._slow_disk,
            "clock_skew": self._skew_clock,
            "pause": self._pause,
            "snapshot_loss": self._lose_snapshots,
            "membership": self._operator.change_membership,
            "transfer": self._operator.move_leader,
            "compaction": self._compact,
        }

    def start(self) -> None:
        """Begin."""
        for name in self.happened:
            self._schedule(name, self._cluster.world.stream(f"fault/{name}"))

    def heal(self) -> None:
        """End all faults, start what is down but was not removed, and let nothing more happen."""
        self._calm = True
        self._join()
        for heal in (self._stop_losing, self._stop_duplicating, self._stop_reordering, self._stop_losing_snapshots):
            heal()
        for member in self._cluster.members.values():
            self._mend_disk(member)
            self._mend_clock(member)
            member.resume()
            self._restart(member)

    def stop_removed(self) -> None:
        """Let the operator stop members that are out for good, as he goes on to do when all is calm."""
        self._operator.stop_removed()

    def _schedule(self, name: str, stream: Stream) -> None:
        share = OPERATIONS.get(name) or len(self.happened)
        pause_ms = stream.between(1, 2 * self._every_ms * share)
        self._cluster.world.after(pause_ms, self._happen, name, stream)

    def _happen(self, name: str, stream: Stream) -> None:
        if self._calm:
            return
        self._schedule(name, stream)
        self.happened[name] += 1
        heal = self._begin[name](stream)
        if heal is not None:
            self._cluster.world.after(stream.between(*LASTS_MS), heal)

    # Members

    def _some_member(self, stream: Stream) -> Member | None:
        running = [member for member in self._cluster.members.values() if member.running]
        return stream.choose(running) if running else None

    def _crash(self, stream: Stream) -> Heal:
        member = self._some_member(stream)
        if member is None:
            return None
        member.crash()
        return lambda: self._restart(member)

    def _restart(self, member: Member) -> None:
        if not member.up and not member.retired and member.panic is None:
            member.start()

    def _pause(self, stream: Stream) -> Heal:
        member = self._some_member(stream)
        if member is None:
            return None
        member.pause()
        return member.resume

    def _slow_disk(self, stream: Stream) -> Heal:
        member = self._some_member(stream)
        if member is None:
            return None
        member.store.disk.latency_ms = (10, stream.between(20, 300))
        return lambda: self._mend_disk(member)

    def _mend_disk(self, member: Member) -> None:
        member.store.disk.latency_ms = member.settings.disk_ms

    def _skew_clock(self, stream: Stream) -> Heal:
        member = self._some_member(stream)
        if member is None:
            return None
        member.tick_ms = max(1, member.settings.tick_ms * stream.between(50, 200) // 100)
        return lambda: self._mend_clock(member)

    def _mend_clock(self, member: Member) -> None:
        member.tick_ms = member.settings.tick_ms

    def _compact(self, stream: Stream) -> Heal:
        if member := self._some_member(stream):
            member.compact()
        return None

    # The network

    def _partition(self, stream: Stream) -> Heal:
        ids = stream.shuffled(list(self._cluster.members))
        some = ids[: stream.between(1, max(1, len(ids) // 2))]
        leader = self._cluster.leader()
        if leader is not None and stream.chance(0.4):
            some = [leader.id]
        others = [id_ for id_ in ids if id_ not in some]
        self._join()
        ways = stream.below(4)
        if ways != 0:
            self._network.cut(some, others)
        if ways != 1:
            self._network.cut(others, some)
        if ways > 1 and self._watcher is not None:
            self._watcher.partition((tuple(sorted(some)), tuple(sorted(others))))
        return self._join

    def _join(self) -> None:
        self._network.heal()
        if self._watcher is not None:
            self._watcher.partition(())

    def _lose(self, stream: Stream) -> Heal:
        self._network.conditions.loss = stream.between(1, 30) / 100
        return self._stop_losing

    def _stop_losing(self) -> None:
        self._network.conditions.loss = 0

    def _duplicate(self, stream: Stream) -> Heal:
        self._network.conditions.duplicate = stream.between(1, 30) / 100
        return self._stop_duplicating

    def _stop_duplicating(self) -> None:
        self._network.conditions.duplicate = 0

    def _reorder(self, stream: Stream) -> Heal:
        self._network.conditions.late = stream.between(1, 30) / 100
        return self._stop_reordering

    def _stop_reordering(self) -> None:
        self._network.conditions.late = 0

    def _lose_snapshots(self, _stream: Stream) -> Heal:
        self._network.swallow = _is_snapshot
        return self._stop_losing_snapshots

    def _stop_losing_snapshots(self) -> None:
        self._network.swallow = None


def _is_snapshot(message: Message) -> bool:
    return message.type is MessageType.MsgSnap
