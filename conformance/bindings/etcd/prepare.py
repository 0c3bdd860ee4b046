"""Where a search begins: a cluster that was bootstrapped, whose first member leads."""

from __future__ import annotations

from kubeproof.conformance.bindings.etcd.member import NOW_MS, first_id
from kubeproof.impl.etcd.encoding import encode
from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.requests import ConfChangeContext
from kubeproof.impl.etcd.requests import Member as ClusterMember
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType
from kubeproof.impl.raft.types import Message


def prepared(options: MemberOptions, voters: int, learners: int) -> list[Member]:
    """Members 1, 2, ... of which the first leads, and everything is applied, and committed to the backends.

    Learners come last. They are added, and have not heard of it: their disks are empty.
    """
    cluster = [ClusterMember(id_, f"m{id_}", (f"m{id_}",)) for id_ in range(1, voters + learners + 1)]
    members = [Member(each.id, options, Disk(), lambda ticks: ticks, first_id=first_id(each.id, 1)) for each in cluster]
    for member in members[:voters]:
        member.bootstrap(cluster[:voters])
    _settle(members[:voters])
    members[0].node.campaign()
    _settle(members[:voters])
    for each in cluster[voters:]:
        context = encode(ConfChangeContext(each._replace(is_learner=True)))
        members[0].propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddLearnerNode, each.id, context))
        _settle(members[:voters])
    for member in members:
        member.server.kv.backend.commit()
    return members


def _settle(members: list[Member]) -> None:
    """Deliver everything between these, until nothing is left to do."""
    busy = True
    while busy:
        busy = False
        for member in members:
            member.settle(NOW_MS)
            for message in member.take_messages():
                busy = True
                if isinstance(message, Message) and message.to <= len(members):
                    members[message.to - 1].receive(message, NOW_MS)
