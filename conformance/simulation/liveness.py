"""After the faults: a healed cluster must elect a leader, commit, and bring every member up to date, within bounded time.

Raft promises progress only while a majority can talk and election timeouts are longer than a broadcast (paper, section 5.6). A
healed world keeps both, so a bound can be given; it leaves room for repeated split votes and for logs that are sent entry by
entry.
"""

from __future__ import annotations

from collections.abc import Callable

from kubeproof.impl.cluster.client import Client
from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.member import Member

LIVENESS = "liveness_after_heal"
COMMIT_WITHIN_TIMEOUTS = 20
SETTLED_WITHIN_TIMEOUTS = 100


def recovery_failure(cluster: Cluster, client: Client, pass_timeout: Callable[[], object]) -> str | None:
    """Let a healed world run, one election timeout with each call of `pass_timeout`; what it fails to do in time, or None.

    First a leader must commit all that is in its log, then a new payload. Then all members of its membership that are up must
    have applied that, a joint membership that is left automatically must be left, and no read may wait for an answer.
    """
    committed = _new_commit(cluster, client, pass_timeout)
    if committed is None:
        seen = "no member leads" if cluster.leader() is None else "the leader does not commit what it has"
        return f"{COMMIT_WITHIN_TIMEOUTS} election timeouts after everything healed {seen}"
    for _ in range(SETTLED_WITHIN_TIMEOUTS):
        unsettled = _unsettled(cluster, committed)
        if unsettled is None:
            return None
        pass_timeout()
    return f"{SETTLED_WITHIN_TIMEOUTS} election timeouts after a new commit {unsettled}"


def _new_commit(cluster: Cluster, client: Client, pass_timeout: Callable[[], object]) -> int | None:
    """The index of a new payload that some leader committed in the term in which it appended it.

    Nothing is proposed to a leader before it has committed what it had: a quorum must suffice without new entries.
    """
    proposed: tuple[Member, int, int] | None = None
    for _ in range(COMMIT_WITHIN_TIMEOUTS):
        pass_timeout()
        leader = cluster.leader()
        if leader is None or leader.applied < leader.last_index:
            continue
        if proposed is not None and proposed[:2] == (leader, leader.term):
            return proposed[2]
        if client.propose_at(leader):
            proposed = leader, leader.term, leader.last_index
    return None


def _unsettled(cluster: Cluster, committed: int) -> str | None:
    leader = cluster.leader()
    if leader is None:
        return "no member leads"
    conf_state = leader.conf_state
    if conf_state.voters_outgoing and conf_state.auto_leave:
        return "the joint membership is not left"
    members = [cluster.members[id_] for id_ in (*conf_state.voters, *conf_state.learners, *conf_state.voters_outgoing)]
    behind = sorted({member.id for member in members if member.up and member.applied < committed})
    if behind:
        return f"members {behind} have not applied it"
    waiting = [member.id for member in members if member.up and member.waits_for_reads]
    return f"members {waiting} wait for reads" if waiting else None
