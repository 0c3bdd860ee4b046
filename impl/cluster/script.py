"""A cluster whose every step a scenario chooses: which message arrives, which write becomes durable, who campaigns and who
crashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

from kubeproof.impl.cluster.cluster import NO_MISTAKES, Cluster
from kubeproof.impl.cluster.member import Member, Mistakes
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.cluster.watcher import Watcher
from kubeproof.impl.raft.types import Message, MessageType
from kubeproof.impl.sim.network import Held, HeldNetwork
from kubeproof.impl.sim.world import World

ROUNDS_MAX = 200
HOPS_A_TICK = 10


class Which(TypedDict, total=False):
    """Which held messages are meant: by receiver, type, sender, or anything about them. What is left out does not matter."""

    to: int
    type_: MessageType
    from_: int
    where: Callable[[Message], bool]


class Script:
    """Nothing happens by itself: no clock runs, every message is held, and a disk syncs at once unless it is held.

    Election timeouts still come from the seed of `world`; scenarios that do not tick never meet them.
    """

    def __init__(
        self, world: World, settings: Settings, mistakes: Mistakes = NO_MISTAKES, watcher: Watcher | None = None
    ) -> None:
        self.network = HeldNetwork() if watcher is None else HeldNetwork(watcher.network)
        self.cluster = Cluster(world, self.network, replace(settings, tick_ms=0), mistakes, watcher)

    def member(self, id_: int) -> Member:
        """The member of that id."""
        return self.cluster.members[id_]

    def elect(self, id_: int, voters: Sequence[int]) -> None:
        """Let a member campaign and settle what follows among `voters`."""
        self.member(id_).campaign()
        self.settle(*voters)

    def deliver(self, **which: Unpack[Which]) -> int:
        """Deliver the held messages that fit, oldest first; what they cause stays held. Returns how many there were."""
        return self.network.deliver(_fits(**which))

    def drop(self, **which: Unpack[Which]) -> int:
        """Lose the held messages that fit. Returns how many there were."""
        return self.network.drop(_fits(**which))

    def duplicate(self, **which: Unpack[Which]) -> int:
        """Hold a second copy of the held messages that fit. Returns how many there were."""
        return self.network.duplicate(_fits(**which))

    def settle(self, *ids: int) -> None:
        """Deliver what is held between these members, and what that causes, until nothing is left."""
        for _ in range(ROUNDS_MAX):
            if not self.network.deliver(lambda held: held.sender in ids and held.receiver in ids):
                return
        raise RuntimeError(f"messages between {ids} do not come to an end")

    def tick(self, id_: int, ticks: int) -> None:
        """Let ticks pass at one member."""
        for _ in range(ticks):
            self.member(id_).tick()

    def tick_all(self) -> None:
        """Let one tick pass at every running member."""
        for member in self.cluster.members.values():
            member.tick()

    def pass_timeout(self) -> None:
        """One election timeout in a healed world: every member ticks, and messages take a fraction of a tick."""
        for _ in range(self.cluster.settings.election_tick):
            self.tick_all()
            for _ in range(HOPS_A_TICK):
                self.deliver()
            self.pass_time()

    def pass_time(self) -> None:
        """Let what takes time by itself happen: applying with `apply_ms`, and reports of sent snapshots."""
        self.cluster.world.run()

    def hold_disk(self, id_: int) -> None:
        """Let nothing that this member writes become durable until `release_disk`."""
        self.member(id_).store.disk.held = True

    def release_disk(self, id_: int) -> None:
        """Complete all syncs of this member that were asked for, and all further ones at once."""
        disk = self.member(id_).store.disk
        disk.held = False
        while disk.release():
            pass

    def release_sync(self, id_: int) -> None:
        """Complete the oldest sync of a member whose disk is held."""
        self.member(id_).store.disk.release()

    def crash(self, id_: int, kept_writes: int = 0) -> None:
        """Crash a member: of the writes that are not synced only the first `kept_writes` survive."""
        self.member(id_).crash(kept_writes)

    def restart(self, id_: int) -> None:
        """Start a crashed member from what it stored."""
        self.member(id_).store.disk.held = False
        self.member(id_).start()


def _fits(
    to: int | None = None,
    type_: MessageType | None = None,
    from_: int | None = None,
    where: Callable[[Message], bool] | None = None,
) -> Callable[[Held], bool]:
    def fits(held: Held) -> bool:
        return (
            (to is None or held.receiver == to)
            and (from_ is None or held.sender == from_)
            and (type_ is None or held.message.type is type_)
            and (where is None or where(held.message))
        )

    return fits
