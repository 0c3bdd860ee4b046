"""A cluster of Raft members in one world, and who tells whom when a message could not be sent."""

from __future__ import annotations

from collections.abc import Sequence

from kubeproof.impl.cluster.faults import ApplicationFaults
from kubeproof.impl.cluster.member import Member, Mistakes
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.cluster.watcher import Watcher
from kubeproof.impl.raft.faults import Faults
from kubeproof.impl.sim.network import Transport
from kubeproof.impl.sim.world import World

NO_MISTAKES = Mistakes(Faults(), ApplicationFaults())


class Cluster:
    """Members by id, in the order in which they were made. All have the same settings and make the same mistakes."""

    def __init__(
        self,
        world: World,
        network: Transport,
        settings: Settings,
        mistakes: Mistakes = NO_MISTAKES,
        watcher: Watcher | None = None,
    ) -> None:
        self.members: dict[int, Member] = {}
        self.settings = settings
        self.world = world
        self.network = network
        self._mistakes = mistakes
        self.watcher = watcher

    def add(self, id_: int) -> Member:
        """A new member with an empty disk, not started."""
        member = Member(id_, self.world, self.network, self.settings, self._mistakes, self.watcher)
        self.members[id_] = member
        return member

    def replacement_id(self, removed: int) -> int:
        """The id of a new member in place of a removed one: never used before, as Raft demands."""
        return removed if self._mistakes.application.removed_id_used_again else max(self.members) + 1

    def bootstrap(self, ids: Sequence[int]) -> None:
        """Start a new cluster of these members."""
        for id_ in ids:
            self.add(id_)
        for id_ in ids:
            others = self._mistakes.application.bootstrapped_with_other_peers and id_ == ids[-1]
            self.members[id_].start((id_,) if others else tuple(ids))

    def leader(self) -> Member | None:
        """The running member that leads the highest term, if any member believes to lead."""
        leaders = [member for member in self.members.values() if member.is_leader]
        return max(leaders, key=lambda member: member.term, default=None)
