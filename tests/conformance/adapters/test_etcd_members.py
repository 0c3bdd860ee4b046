"""Requests about members, alarms and leadership on a running server and on impl/etcd: both refuse for the same reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubeproof.conformance.adapters.etcd.gateway import Gateway, Refused
from kubeproof.conformance.adapters.etcd.server import running, version_of
from kubeproof.impl.etcd.faults import NO_FAULTS, Faults
from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.requests import (
    AlarmAction,
    AlarmRequest,
    AlarmType,
    MemberAddRequest,
    MemberListRequest,
    MemberPromoteRequest,
    MemberRemoveRequest,
    MemberUpdateRequest,
    MoveLeaderRequest,
    Request,
)
from kubeproof.impl.etcd.requests import Member as ClusterMember
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.store import StoreError
from kubeproof.impl.store.requests import DeleteRangeRequest, PutRequest, RangeRequest
from tests.conformance.adapters.etcd import BINARY, IMPATIENT, needs_etcd

OWN, NEW, NOBODY = "own", "new", 5
"""The first member, the one that is added, and one that never was."""
Who = str | int
A = "http://127.0.0.1:1"
B = "http://127.0.0.1:2"

Case = tuple[str, Any]
CASES: tuple[Case, ...] = (
    ("add", ([OWN], False)),
    ("add", ([], False)),
    ("remove", NOBODY),
    ("update", (NOBODY, [A])),
    ("promote", NOBODY),
    ("promote", OWN),
    ("add", ([A], True)),
    ("add", ([B], True)),
    ("promote", NEW),
    ("move", NEW),
    ("move", NOBODY),
    ("move", OWN),
    ("update", (NEW, [OWN])),
    ("update", (NEW, [B])),
    ("remove", NEW),
    ("remove", NEW),
    ("update", (NEW, [A])),
    ("alarm", (AlarmAction.DEACTIVATE, 0, AlarmType.NOSPACE)),
    ("alarm", (AlarmAction.ACTIVATE, 3, AlarmType.CORRUPT)),
    ("put", None),
    ("range", None),
    ("delete", None),
    ("alarm", (AlarmAction.GET, 0, AlarmType.NONE)),
    ("alarm", (AlarmAction.DEACTIVATE, 3, AlarmType.CORRUPT)),
    ("put", None),
    ("list", None),
)


class Names:
    """What this cluster calls the members and where they are found."""

    def __init__(self, own: int, url: str) -> None:
        self.ids: dict[Who, int] = {OWN: own, NOBODY: NOBODY}
        self.urls = {OWN: url}

    def at(self, urls: list[str]) -> list[str]:
        return [self.urls.get(url, url) for url in urls]


def real(gateway: Gateway, names: Names, case: Case) -> object:
    """What the running server says: the refusal, or what is left when ids and places are taken out."""
    name, given = case
    calls: dict[str, Any] = {
        "add": lambda: gateway.call("cluster/member/add", {"peerURLs": names.at(given[0]), "isLearner": given[1]}),
        "remove": lambda: gateway.call("cluster/member/remove", {"ID": str(names.ids[given])}),
        "update": lambda: gateway.call("cluster/member/update", {"ID": str(names.ids[given[0]]), "peerURLs": names.at(given[1])}),
        "promote": lambda: gateway.call("cluster/member/promote", {"ID": str(names.ids[given])}),
        "move": lambda: gateway.call("maintenance/transfer-leadership", {"targetID": str(names.ids[given])}),
        "alarm": lambda: gateway.call(
            "maintenance/alarm", {"action": given[0].name, "memberID": str(given[1]), "alarm": given[2].name}
        ),
        "put": lambda: gateway.call("kv/put", {"key": "YQ==", "value": "MQ=="}),
        "range": lambda: gateway.call("kv/range", {"key": "YQ=="}),
        "delete": lambda: gateway.call("kv/deleterange", {"key": "YQ=="}),
        "list": lambda: gateway.call("cluster/member/list", {}),
    }
    try:
        answer = calls[name]()
    except Refused as refused:
        return refused.code, str(refused)
    if "member" in answer:
        names.ids[NEW] = int(answer["member"]["ID"])
    alarms = [(int(each["memberID"]), each["alarm"]) for each in answer.get("alarms", ())]
    return sorted(map(_shape, answer.get("members", ()))), alarms


def _shape(member: Mapping[str, Any]) -> tuple[bool, bool, int]:
    return "name" in member, member.get("isLearner", False), len(member["peerURLs"])


def reference(member: Member, names: Names, case: Case) -> object:
    """What impl/etcd says, in the same words."""
    name, given = case
    requests: dict[str, Any] = {
        "add": lambda: MemberAddRequest(tuple(names.at(given[0])), given[1]),
        "remove": lambda: MemberRemoveRequest(names.ids[given]),
        "update": lambda: MemberUpdateRequest(names.ids[given[0]], tuple(names.at(given[1]))),
        "promote": lambda: MemberPromoteRequest(names.ids[given]),
        "move": lambda: MoveLeaderRequest(names.ids[given]),
        "alarm": lambda: AlarmRequest(*given),
        "put": lambda: PutRequest(b"a", b"1"),
        "range": lambda: RangeRequest(b"a"),
        "delete": lambda: DeleteRangeRequest(b"a"),
        "list": MemberListRequest,
    }
    request: Request = requests[name]()
    member.ask(request, 0)
    member.settle(0)
    [(_, answer)] = member.take_answers()
    if isinstance(answer, StoreError):
        return answer.code, answer.text
    if isinstance(request, MemberAddRequest):
        names.ids[NEW] = answer.member.id  # type: ignore[union-attr]
    there = getattr(answer, "members", ())
    alarms = [(each.member_id, AlarmType(each.alarm).name) for each in getattr(answer, "alarms", ())]
    return sorted((each.is_started, each.is_learner, len(each.peer_urls)) for each in there), alarms


def alone(faults: Faults = NO_FAULTS) -> Member:
    member = Member(1, MemberOptions(ServerOptions(faults=faults)), Disk(), lambda ticks: ticks)
    member.bootstrap([ClusterMember(1, "m1", ("http://m1:2380",))])
    member.settle(0)
    member.node.campaign()
    member.settle(0)
    return member


@needs_etcd
def test_who_is_refused_is_so_for_the_same_reason() -> None:
    assert BINARY is not None
    never_mended = version_of(BINARY).startswith("3.4.")
    ours, own = alone(Faults(updated_learner_forgotten=never_mended)), Names(1, "http://m1:2380")
    with running(BINARY, 1, IMPATIENT) as cluster, cluster.members[0].gateway() as gateway:
        [first] = gateway.call("cluster/member/list", {})["members"]
        names = Names(int(first["ID"]), first["peerURLs"][0])
        for case in CASES:
            assert reference(ours, own, case) == real(gateway, names, case), case


def test_the_cases_are_refused_for_all_reasons_that_one_member_has() -> None:
    """Otherwise the comparison would say little."""
    ours, own = alone(), Names(1, "http://m1:2380")
    refusals = {
        answer for case in CASES if isinstance(answer := reference(ours, own, case), tuple) and isinstance(answer[0], int)
    }
    assert len(refusals) == 8
