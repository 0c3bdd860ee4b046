"""Which machine runs which member: what fails together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Topology(NamedTuple):
    """The members by the names of the hosts that run them."""

    hosts: tuple[tuple[str, tuple[int, ...]], ...]

    def members_on(self, host: str) -> tuple[int, ...]:
        """The members that a crash of this host takes along; KeyError if there is no such host."""
        return dict(self.hosts)[host]


def stacked(masters: Sequence[str]) -> Topology:
    """A member on each master (kubeadm's default): who loses a master loses a member."""
    return Topology(tuple((master, (id_,)) for id_, master in enumerate(masters, 1)))


def external(masters: Sequence[str], hosts: Sequence[str]) -> Topology:
    """Members on hosts of their own: masters come and go without them."""
    return Topology((*((master, ()) for master in masters), *((host, (id_,)) for id_, host in enumerate(hosts, 1))))
