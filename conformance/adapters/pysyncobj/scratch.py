"""Ways taken again from scratch: in a fresh Python process, by members that are never brought into a state.

Each member is one object of the package, started on a file journal of its own, and started again on it where it restarts. It is
handed what the others have sent there. After each step what there is to see of it, of its disk, and of its promises must be what
it was, and so must its messages: else what was explored is not what the package does.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kubeproof.conformance.adapters.pysyncobj.process import Settings
from kubeproof.conformance.explore.counterexample import Way
from kubeproof.conformance.explore.system import Event as ModelEvent
from kubeproof.conformance.explore.system import Message, Step
from kubeproof.conformance.nodes.cluster import BREAK, RECEIVE, Delivered, in_brief
from kubeproof.conformance.nodes.member import Member, Panicked, after
from kubeproof.conformance.nodes.node import Answer, Event, Node, Sent
from kubeproof.conformance.verdict import InvalidInput

PROCESS = "kubeproof.conformance.adapters.pysyncobj.scratch_process"
TAKES_S = 120.0


class Asked(NamedTuple):
    """What happens to a member, and to whom it has sent something then. Members are numbered from 1, in BREAK's argument, too."""

    number: int
    cause: Event | Delivered
    receivers: tuple[int, ...]


class Told(NamedTuple):
    """What has come of it; `panic` are the last words of a member that has died of it."""

    answer: Answer | None
    panic: str | None = None


def retake(node: Node, settings: Settings, ways: Sequence[Way], *, over_tcp: bool = False) -> None:
    """InvalidInput names the first step that comes to something else. `over_tcp` see over_tcp_members.py."""
    expected = [list(_local_steps(way)) for way in ways]
    told = _told(node.name, settings, [[asked for _, asked, _ in steps] for steps in expected], over_tcp)
    for steps, answers in zip(expected, told, strict=True):
        members = {number: Member(number, node.initial(number)) for number in range(1, settings.members + 1)}
        for (position, asked, step), answer in zip(steps, answers, strict=True):
            if difference := _difference(node, members, asked, step, answer):
                where = f"step {position}: member {asked.number}: {difference}"
                raise InvalidInput(node.name, None, f"takes another way from scratch: {where}")


def _local_steps(way: Way) -> Iterator[tuple[int, Asked, Step]]:
    """Those of members that live."""
    dead = set()
    for position, (action, _) in enumerate(way, 1):
        for component, cause, step in action.taken:
            if component in dead:
                continue
            receivers = tuple([message.to + 1 for message in step.sends])
            yield position, Asked(component + 1, _cause(cause), receivers), step
            if isinstance(step.state, Panicked):
                dead.add(component)


def _cause(cause: ModelEvent | Message) -> Event | Delivered:
    if isinstance(cause, Message):
        assert isinstance(cause.body, Delivered)
        return cause.body
    argument = cause.argument + 1 if cause.name == BREAK and isinstance(cause.argument, int) else cause.argument
    return Event(cause.name, argument)


def _told(name: str, settings: Settings, schedules: list[list[Asked]], over_tcp: bool) -> list[list[Told]]:
    """What members of a fresh process say."""
    try:
        process = subprocess.run(
            [sys.executable, "-m", PROCESS],
            input=pickle.dumps((settings, schedules, over_tcp)),
            capture_output=True,
            timeout=TAKES_S,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInput(name, None, f"takes more than {TAKES_S:g} s to take a way again from scratch") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise InvalidInput(name, None, f"cannot take a way again from scratch: {last}") from error
    told: list[list[Told]] = pickle.loads(process.stdout)
    return told


def _difference(node: Node, members: dict[int, Member], asked: Asked, step: Step, told: Told) -> str | None:
    """The first thing that is not as it was; the member goes on."""
    if told.panic is not None or isinstance(step.state, Panicked):
        return _first({"panic": getattr(step.state, "reason", None)}, {"panic": told.panic})
    if told.answer is None:
        return None
    assert isinstance(step.state, Member)
    was = members[asked.number]
    event = asked.cause.name if isinstance(asked.cause, Event) else RECEIVE
    seen, reached = node.observe(was.number, was.state), node.observe(was.number, told.answer.state)
    members[asked.number] = after(was, seen, reached, told.answer, event)
    return _first(_fields(step.state, _sends(step)), _fields(members[asked.number], told.answer.sends))


def _sends(step: Step) -> tuple[Sent, ...]:
    return tuple([message.body.message for message in step.sends if isinstance(message.body, Delivered)])


def _fields(member: Member, sends: tuple[Sent, ...]) -> Mapping[str, Hashable]:
    """All that must be as it was. Messages to different members have no order."""
    local: Mapping[str, Hashable] = member.state._asdict()  # type: ignore[attr-defined]
    by_receiver = tuple(sorted(sends, key=lambda sent: sent.to))
    return {**local, "acknowledged": member.acknowledged, "broken": member.broken, "sends": by_receiver}


def _first(was: Mapping[str, Hashable], now: Mapping[str, Hashable]) -> str | None:
    name = next((name for name in was if was[name] != now[name]), None)
    return None if name is None else f"{name}: was {in_brief(was[name])}, now {in_brief(now[name])}"
