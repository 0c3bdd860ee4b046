"""Members come and go: what is refused, where, and what comes of it."""

from __future__ import annotations

import pytest

from kubeproof.impl.etcd.errors import (
    ErrBadLeaderTransferee,
    ErrIDRemoved,
    ErrMemberBadURLs,
    ErrMemberLearnerNotReady,
    ErrMemberNotEnoughStarted,
    ErrMemberNotFound,
    ErrMemberNotLearner,
    ErrNotLeader,
    ErrNotSupportedForLearner,
    ErrPeerURLExist,
    ErrStopped,
    ErrTooManyLearners,
    ErrUnhealthy,
)
from kubeproof.impl.etcd.requests import (
    Member,
    MemberAddRequest,
    MemberAddResponse,
    MemberListRequest,
    MemberPromoteRequest,
    MemberRemoveRequest,
    MembersResponse,
    MemberUpdateRequest,
    MoveLeaderRequest,
    StatusRequest,
    StatusResponse,
)
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.raft.types import ConfState, Message, MessageType
from kubeproof.impl.store.requests import PutRequest, PutResponse, RangeRequest, RangeResponse, ResponseHeader
from tests.impl.etcd.cluster import Cluster, options

LEARNER = MemberAddRequest(("http://new:2380",), is_learner=True)
VOTER = MemberAddRequest(("http://new:2380",))


def added(cluster: Cluster, request: MemberAddRequest = LEARNER, *, starts: bool = True) -> int:
    """Add a member, and start it; its id."""
    answer = cluster.ask(1, request)
    assert isinstance(answer, MemberAddResponse)
    id_ = answer.member.id
    if starts:
        cluster.start(id_, Disk())
        cluster.ticks(2)
        cluster.members[id_].server.publish("new", ("http://new:2379",), cluster.now_ms)
        cluster.settle()
    return id_


def test_a_learner_is_added_and_promoted() -> None:
    cluster = Cluster(3)
    cluster.ask(1, PutRequest(b"a", b"1"))
    id_ = added(cluster)
    assert cluster.members[id_].server.kv.store.revision == 2
    assert cluster.members[id_].server.cluster.conf_state() == ConfState((1, 2, 3), (id_,))
    promoted = cluster.ask(2, MemberPromoteRequest(id_))  # which asks the leader
    assert isinstance(promoted, MembersResponse)
    assert promoted.members[-1] == Member(id_, "new", ("http://new:2380",), ("http://new:2379",))
    assert {member.server.cluster.conf_state() for member in cluster.members.values()} == {ConfState((1, 2, 3, id_))}
    assert cluster.members[1].node.raft.tracker.config.voters.ids() == {1, 2, 3, id_}


def test_what_a_learner_answers() -> None:
    cluster = Cluster(3)
    id_ = added(cluster)
    assert isinstance(cluster.ask(id_, RangeRequest(b"a", serializable=True)), RangeResponse)
    status = cluster.ask(id_, StatusRequest())
    assert isinstance(status, StatusResponse)
    assert status.is_learner
    for request in (RangeRequest(b"a"), PutRequest(b"a", b"1"), MemberListRequest()):
        assert isinstance(cluster.ask(id_, request), ErrNotSupportedForLearner)


def test_a_learner_that_is_behind_is_not_promoted() -> None:
    cluster = Cluster(3)
    id_ = added(cluster, starts=False)
    for _ in range(100):
        cluster.ask(1, PutRequest(b"a", b"1"))
    assert isinstance(cluster.ask(1, MemberPromoteRequest(id_)), ErrMemberLearnerNotReady)
    assert isinstance(cluster.ask(1, MemberPromoteRequest(99)), ErrMemberNotFound)


def test_only_learners_are_promoted() -> None:
    assert isinstance(Cluster(3).ask(1, MemberPromoteRequest(2)), ErrMemberNotLearner)


def test_there_is_one_learner_at_most() -> None:
    cluster = Cluster(3)
    added(cluster)
    assert isinstance(cluster.ask(1, MemberAddRequest(("http://other:2380",), is_learner=True)), ErrTooManyLearners)


def test_urls() -> None:
    cluster = Cluster(3)
    assert isinstance(cluster.ask(1, MemberAddRequest()), ErrMemberBadURLs)
    assert isinstance(cluster.ask(1, MemberAddRequest(("http://m2:2380",))), ErrPeerURLExist)
    assert isinstance(cluster.ask(1, MemberUpdateRequest(1, ("http://m2:2380",))), ErrPeerURLExist)
    moved = cluster.ask(1, MemberUpdateRequest(2, ("http://m2:1",)))
    assert isinstance(moved, MembersResponse)
    assert moved.members[1].peer_urls == ("http://m2:1",)


def test_a_refused_change_changes_raft_nowhere() -> None:
    cluster = Cluster(3)
    cluster.ask(1, MemberAddRequest(("http://m2:2380",)))
    assert all(member.node.raft.tracker.config.voters.ids() == {1, 2, 3} for member in cluster.members.values())
    cluster.crash(3)
    cluster.start(3)
    cluster.settle()
    assert cluster.members[3].node.raft.tracker.config.voters.ids() == {1, 2, 3}


def test_a_removed_member_stops_and_does_not_come_back() -> None:
    cluster = Cluster(3)
    cluster.ask(1, MemberRemoveRequest(3))
    assert cluster.members[3].server.stopped
    assert isinstance(cluster.ask(3, PutRequest(b"a")), ErrStopped)
    assert isinstance(cluster.ask(1, MemberRemoveRequest(3)), ErrIDRemoved)
    assert isinstance(cluster.ask(1, MemberRemoveRequest(9)), ErrMemberNotFound)
    assert isinstance(cluster.ask(1, PutRequest(b"a")), PutResponse)
    assert cluster.members[1].server.cluster.conf_state() == ConfState((1, 2))


def test_a_leader_that_is_removed_leaves_a_cluster_that_goes_on() -> None:
    cluster = Cluster(3)
    assert isinstance(cluster.ask(1, MemberRemoveRequest(1)), MembersResponse)
    assert cluster.members[1].server.stopped
    cluster.crash(1)
    cluster.ticks(25)
    assert cluster.ask(2, PutRequest(b"a", b"1")) == PutResponse(ResponseHeader(2))
    assert {member.server.cluster.conf_state() for member in cluster.members.values()} == {ConfState((2, 3))}


def test_a_read_at_a_member_that_is_removed_gets_an_answer() -> None:
    cluster = Cluster(3)
    cluster.lose = lambda message: isinstance(message, Message) and message.type is MessageType.MsgReadIndex
    read = cluster.begin(3, RangeRequest(b"a"))
    cluster.ask(1, MemberRemoveRequest(3))
    assert isinstance(cluster.answers[read], ErrStopped)


def test_membership_survives_a_crash() -> None:
    cluster = Cluster(3)
    cluster.ask(1, MemberRemoveRequest(3))
    cluster.crash(3)
    cluster.ticks(1)
    for id_ in (1, 2):
        cluster.crash(id_)
        member = cluster.start(id_)
        assert member.node.raft.tracker.config.voters.ids() == {1, 2}
        assert member.server.cluster.removed == (3,)


# ---- strict reconfiguration check (on by default)


def test_a_cluster_of_one_may_grow_by_one_that_has_not_started() -> None:
    cluster = Cluster(1)
    assert added(cluster, VOTER, starts=False) != 1


def test_a_quorum_of_members_must_have_started() -> None:
    cluster = Cluster(2)
    added(cluster, VOTER, starts=False)
    assert isinstance(cluster.ask(1, MemberRemoveRequest(2)), ErrMemberNotEnoughStarted)
    assert isinstance(cluster.ask(1, MemberAddRequest(("http://other:2380",))), ErrMemberNotEnoughStarted)


@pytest.mark.parametrize("request_", [VOTER, LEARNER])
def test_all_voters_must_be_connected_for_a_new_member(request_: MemberAddRequest) -> None:
    cluster = Cluster(3)
    cluster.crash(3)
    assert isinstance(cluster.ask(1, request_), ErrUnhealthy)


def test_who_is_connected_may_not_go_if_the_quorum_needs_it() -> None:
    cluster = Cluster(3)
    cluster.crash(3)
    assert isinstance(cluster.ask(1, MemberRemoveRequest(2)), ErrUnhealthy)
    assert isinstance(cluster.ask(1, MemberRemoveRequest(3)), MembersResponse)


def test_without_the_check() -> None:
    cluster = Cluster(3, options(ServerOptions(strict_reconfig_check=False)))
    cluster.crash(3)
    assert isinstance(cluster.ask(1, VOTER), MemberAddResponse)


# ---- leadership


def test_where_leadership_may_go() -> None:
    cluster = Cluster(3)
    id_ = added(cluster)
    assert isinstance(cluster.ask(2, MoveLeaderRequest(3)), ErrNotLeader)
    assert isinstance(cluster.ask(1, MoveLeaderRequest(99)), ErrBadLeaderTransferee)
    assert isinstance(cluster.ask(1, MoveLeaderRequest(id_)), ErrBadLeaderTransferee)
