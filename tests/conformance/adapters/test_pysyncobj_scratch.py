"""Ways of PySyncObj taken again from scratch, handed over and over TCP: they come to the same, or it is told what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeproof.conformance.adapters.pysyncobj import PySyncObj, over_tcp, scratch
from kubeproof.conformance.adapters.pysyncobj.process import Local
from kubeproof.conformance.explore.counterexample import Way, shortest
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.explore.system import Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.cluster import model as cluster
from kubeproof.conformance.nodes.member import Member, Panicked
from kubeproof.conformance.nodes.node import Answer, Sent, State
from kubeproof.conformance.nodes.retake import confirm
from kubeproof.conformance.replay import replay
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.scenarios.scenario import load
from kubeproof.conformance.verdict import InvalidInput, Verdict
from tests.conformance.adapters.test_pysyncobj import NEW, OLD, needed, pytestmark

__all__ = ["pytestmark"]

ACKNOWLEDGED = "pysyncobj-acknowledged-entry-truncated"
FINDINGS = (ACKNOWLEDGED, "pysyncobj-truncated-entry-committed")
both_ways = pytest.mark.parametrize("tcp", [False, True], ids=["handed over", "over TCP"])


@needed
@pytest.mark.parametrize("name", FINDINGS)
def test_what_is_open_is_found_and_happens_over_tcp_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = explore(name, (), Limits())
    assert (result.verdict, result.details["as_expected"]) == (Verdict.VIOLATED, True), result.message
    said = over_tcp.retake(str(result.details["counterexample"]))
    assert said == f"pysyncobj {NEW}: all {result.details['steps']} steps again over TCP; {result.property} is broken"


@needed
@pytest.mark.parametrize("setting", ["proposals=2", "heartbeats=1"])
def test_it_needs_what_it_has(setting: str) -> None:
    result = explore(ACKNOWLEDGED, ["heartbeats=2", setting], Limits())
    assert result.verdict is Verdict.HOLDS


# ---- teeth


def way_of(name: str) -> tuple[Model, PySyncObj, Way]:
    model = load(name).model()
    return model, node_of(model), shortest(model, Limits())[1]


def node_of(model: Model) -> PySyncObj:
    node = getattr(model.system, "node", None)
    assert isinstance(node, PySyncObj)
    return node


def with_step(way: Way, place: int, step: Step) -> Way:
    """The way, with another outcome of one of its steps."""
    action, state = way[place]
    changed = action._replace(taken=(action.taken[0]._replace(step=step),))
    return [*way[:place], (changed, state), *way[place + 1 :]]


@needed
@both_ways
def test_what_comes_to_something_else_is_told(tcp: bool) -> None:
    _, node, way = way_of(ACKNOWLEDGED)
    node.retake([way], over_tcp=tcp)
    step = way[8][0].taken[0].step
    member = step.state
    assert isinstance(member, Member)
    assert isinstance(member.state, Local)
    for other, difference in (
        (step._replace(state=member._replace(state=member.state._replace(commit=9))), "commit: was 9, now 2"),
        (step._replace(state=member._replace(broken=("votes_once",))), r"broken: was \(votes_once\), now \(\)"),
        (step._replace(state=Panicked(1, "no more")), "panic: was no more, now None"),
    ):
        with pytest.raises(InvalidInput, match=f"takes another way from scratch: step 9: member 1: {difference}"):
            node.retake([way, with_step(way, 8, other)], over_tcp=tcp)
    sends = way[9][0].taken[0].step
    with pytest.raises(InvalidInput, match=r"step 10: member 2: sends: was \(\), now \(\(1, next_node_idx"):
        node.retake([with_step(way, 9, sends._replace(sends=()))], over_tcp=tcp)


@needed
@both_ways
def test_a_message_must_have_been_sent(tcp: bool) -> None:
    _, node, way = way_of(ACKNOWLEDGED)
    first = next(place for place, (action, _) in enumerate(way) if action.name == "heartbeat")
    nothing = "(member 1 has not sent this message|nothing is under way from member 1)"
    with pytest.raises(InvalidInput, match=rf"member 2: panic: was None, now NotDelivered: {nothing}"):
        node.retake([[*way[:first], *way[first + 1 :]]], over_tcp=tcp)


@needed
def test_who_dies_must_die_again_with_the_same_words() -> None:
    """What is not there to be delivered stands for something to die of."""
    _, node, way = way_of(ACKNOWLEDGED)
    first = next(place for place, (action, _) in enumerate(way) if action.name == "heartbeat")
    del way[first]
    place = next(place for place, (action, _) in enumerate(way) if "prevLogIdx', 2" in str(action.message))
    for reason in ("NotDelivered: member 1 has not sent this message", "another reason"):
        dies = with_step(way[: place + 1], place, Step(Panicked(2, reason)))
        hears_nothing = [*dies, dies[place]]
        if reason == "another reason":
            with pytest.raises(InvalidInput, match="panic: was another reason, now NotDelivered"):
                node.retake([hears_nothing])
        else:
            node.retake([hears_nothing])


@needed
def test_over_tcp_it_must_be_the_next() -> None:
    _, node, way = way_of(ACKNOWLEDGED)
    *_, third, second, _ = [place for place, (action, _) in enumerate(way) if action.message and action.component == 1]
    way[third], way[second] = way[second], way[third]
    with pytest.raises(InvalidInput, match=r"NotDelivered: the next message from member 1 is \(.*33,000 bytes, 4, 1"):
        node.retake([way], over_tcp=True)


@needed
@both_ways
def test_another_version_takes_another_way(tcp: bool) -> None:
    _, _, way = way_of("pysyncobj-commit-index-falls")
    PySyncObj(OLD, 2).retake([way], over_tcp=tcp)
    with pytest.raises(InvalidInput, match=f"pysyncobj {NEW}: takes another way from scratch"):
        PySyncObj(NEW, 2).retake([way], over_tcp=tcp)


class ForgetsItsVote(PySyncObj):
    """Does not tell all that matters."""

    def receive(self, number: int, state: State, sender: int, message: Sent) -> Answer | None:
        answer = super().receive(number, state, sender, message)
        assert answer is not None
        assert isinstance(answer.state, Local)
        return answer._replace(state=answer.state._replace(voted_for=0))


@needed
def test_where_nothing_is_found_random_ways_are_taken_again() -> None:
    bounds = {"proposals": 1, "restarts": 1, "heartbeats": None, "breaks": 1}
    confirm(cluster(PySyncObj(NEW, 3), 3, 2, bounds, capacity=2), None)
    with pytest.raises(InvalidInput, match="voted_for: was 0, now"):
        confirm(cluster(ForgetsItsVote(NEW, 3), 3, 2, bounds, capacity=2), None)


@needed
@both_ways
def test_restarts_and_breaks_are_taken_again(tcp: bool) -> None:
    """Member 1 leads, restarts and leads again; then the connection breaks with messages on it."""
    model = cluster(PySyncObj(NEW, 2), 2, 2, {"proposals": 1, "restarts": 1, "heartbeats": None, "breaks": 1}, capacity=3)
    way, state = Way(), first_state(model)
    elected = ["campaign", "receive", "receive"]
    for name in (*elected, "propose", "restart", *elected, "heartbeat", "break", "heartbeat", "receive"):
        way.append(next(reached for reached in successors(model, state) if reached[0].name == name))
        state = way[-1][1]
    node_of(model).retake([way], over_tcp=tcp)
    leader = state.locals[0]
    assert isinstance(leader, Member)
    assert isinstance(leader.state, Local)
    assert (leader.state.term, len(leader.state.log)) == (2, 4)


@needed
def test_a_process_that_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = PySyncObj(NEW, 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"cannot take a way again from scratch: .* is not installed"):
        node.retake([[]])


@needed
def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "TAKES_S", 0.01)
    with pytest.raises(InvalidInput, match=r"more than 0\.01 s"):
        PySyncObj(NEW, 2).retake([[]])


# ---- the program


@needed
def test_other_runs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = explore("register-two-servers", (), Limits())
    with pytest.raises(InvalidInput, match="expected a version of PySyncObj"):
        over_tcp.retake(str(result.details["counterexample"]))
    datagrams = explore(ACKNOWLEDGED, ["capacity=0"], Limits())
    assert datagrams.verdict is Verdict.VIOLATED
    with pytest.raises(InvalidInput, match="expected members that are connected"):
        over_tcp.retake(str(datagrams.details["counterexample"]))


def test_sizes_in_bytes_have_another_limit() -> None:
    with pytest.raises(InvalidInput, match=r"size\.command_bytes: expected 0 to 65536, got 70000"):
        load(ACKNOWLEDGED, ["command_bytes=70000"])
    with pytest.raises(InvalidInput, match=r"size\.proposals: expected 0 to 64"):
        load(ACKNOWLEDGED, ["proposals=65"])


# ---- a schedule made by hand (docs/findings/pysyncobj-answers-without-term.md)

BY_HAND = str(Path(__file__).parents[3] / "docs" / "findings" / "pysyncobj-answers-without-term.ndjson")


@needed
def test_an_answer_from_an_earlier_reign_is_counted() -> None:
    again = replay(BY_HAND, Limits())
    assert (again.verdict, again.details["steps"]) == (Verdict.HOLDS, 40), again.message
    assert over_tcp.retake(BY_HAND).endswith("all 40 steps again over TCP; state_machine_safety is broken")
