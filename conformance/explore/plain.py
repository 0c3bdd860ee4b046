"""What a model means, without any table: whole states and their successors.

The explorer must agree with it: tests compare the two, and every counterexample is taken again here, step by step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kubeproof.conformance.explore.system import (
    DROP,
    DUPLICATE,
    Action,
    Event,
    JointEvent,
    Local,
    Message,
    Model,
    Network,
    Taken,
)

CHAIN_MAX = 16
"""Local steps of one action. More are taken for a call that never returns."""

ANYBODY = -1

Budgets = tuple[int | None, ...]


class UnderWay(NamedTuple):
    """A message on its way. Who sent it matters only where messages of one link keep their order; else it is ANYBODY."""

    message: Message
    sender: int = ANYBODY


class GlobalState(NamedTuple):
    """Local states by component, messages under way, and what is left of the budgets.

    Messages are in any order, so sorted by what they print as; on FIFO links by link, and in the order of sending.
    """

    locals: tuple[Local, ...]
    messages: tuple[UnderWay, ...]
    budgets: Budgets


def first_state(model: Model) -> GlobalState:
    """Where the system begins."""
    return GlobalState(tuple(model.system.initial()), (), tuple(model.budgets.values()))


def successors(model: Model, state: GlobalState) -> Iterator[tuple[Action, GlobalState]]:
    """Everything that may happen next, inside the bounds."""
    yield from (each for each in all_successors(model, state) if len(each[1].messages) <= model.messages_max)


def all_successors(model: Model, state: GlobalState) -> Iterator[tuple[Action, GlobalState]]:
    """Everything that may happen next, also where too many messages are under way then."""
    for component, local in enumerate(state.locals):
        for event in model.system.events(component, local):
            yield from _happens(model, state, event.name, [(component, event)], event.costs)
    for joint in model.joint_events:
        yield from _happens(model, state, joint.name, parts(joint), joint.costs)
    for under_way in _deliverable(model, state):
        yield from _arrives(model, state, under_way)
        yield from _network(model, state, under_way)


def parts(joint: JointEvent) -> list[tuple[int, Event]]:
    """Who does what."""
    return [(component, event) for component, event in enumerate(joint.parts) if event is not None]


def _happens(
    model: Model, state: GlobalState, name: str, events: Iterable[tuple[int, Event]], costs: str | None
) -> Iterator[tuple[Action, GlobalState]]:
    budgets = _spend(model, state.budgets, costs)
    if budgets is None:
        return
    taken = []
    for component, event in events:
        step = model.system.step(component, state.locals[component], event)
        if step is None:
            return
        taken.append(Taken(component, event, step))
    yield from _reached(model, state, name, None, taken, budgets)


def _arrives(model: Model, state: GlobalState, under_way: UnderWay) -> Iterator[tuple[Action, GlobalState]]:
    message = under_way.message
    step = model.system.receive(message.to, state.locals[message.to], message)
    if step is not None:
        taken = [Taken(message.to, message, step)]
        left = state if model.network is Network.KEPT else state._replace(messages=_without(state.messages, under_way))
        yield from _reached(model, left, "receive", message, taken, state.budgets)


def _network(model: Model, state: GlobalState, under_way: UnderWay) -> Iterator[tuple[Action, GlobalState]]:
    if DROP in model.budgets and (budgets := _spend(model, state.budgets, DROP)) is not None:
        left = _without(state.messages, under_way)
        yield Action("drop", under_way.message, ()), GlobalState(state.locals, left, budgets)
    if DUPLICATE in model.budgets and (budgets := _spend(model, state.budgets, DUPLICATE)) is not None:
        at = state.messages.index(under_way)
        doubled = (*state.messages[:at], under_way, *state.messages[at:])
        yield Action("duplicate", under_way.message, ()), GlobalState(state.locals, doubled, budgets)


def _deliverable(model: Model, state: GlobalState) -> Iterable[UnderWay]:
    """Each message that may be the next to arrive, once: on FIFO links the oldest."""
    if model.network is not Network.FIFO:
        return dict.fromkeys(state.messages)
    oldest: dict[tuple[int, int], UnderWay] = {}
    for each in state.messages:
        oldest.setdefault(_link(each), each)
    return oldest.values()


def _link(under_way: UnderWay) -> tuple[int, int]:
    return under_way.sender, under_way.message.to


def _reached(
    model: Model, state: GlobalState, name: str, message: Message | None, taken: list[Taken], budgets: Budgets
) -> Iterator[tuple[Action, GlobalState]]:
    """The state after these local steps and all that follow from synchronous messages; none if one of those is not taken."""
    locals_ = list(state.locals)
    for each in taken:
        locals_[each.component] = each.step.state
    waiting = deque([(each.component, sent) for each in taken for sent in each.step.sends])
    put_under_way = []
    while waiting:
        sender, sent = waiting.popleft()
        if not sent.synchronous:
            put_under_way.append(UnderWay(sent, sender if model.network is Network.FIFO else ANYBODY))
            continue
        step = model.system.receive(sent.to, locals_[sent.to], sent)
        if step is None:
            return
        if len(taken) == CHAIN_MAX:
            raise ValueError(f"{CHAIN_MAX} local steps in one: expected that synchronous messages come to an end")
        taken.append(Taken(sent.to, sent, step))
        locals_[sent.to] = step.state
        waiting += [(sent.to, further) for further in step.sends]
    yield Action(name, message, tuple(taken)), GlobalState(tuple(locals_), _together(model, state, put_under_way), budgets)


def _together(model: Model, state: GlobalState, sent: list[UnderWay]) -> tuple[UnderWay, ...]:
    if model.network is Network.KEPT:
        sent = [each for each in dict.fromkeys(sent) if each not in state.messages]
    key = _link if model.network is Network.FIFO else repr
    return tuple(sorted((*state.messages, *sent), key=key))  # sorting is stable: on a link the newest comes last


def _without(messages: tuple[UnderWay, ...], under_way: UnderWay) -> tuple[UnderWay, ...]:
    at = messages.index(under_way)
    return messages[:at] + messages[at + 1 :]


def _spend(model: Model, budgets: Budgets, name: str | None) -> Budgets | None:
    return budgets if name is None else less(budgets, list(model.budgets).index(name))


def less(budgets: Budgets, place: int) -> Budgets | None:
    """What is left when one of a budget is taken; None if nothing of it is left."""
    left = budgets[place]
    if left is None:
        return budgets
    return (*budgets[:place], left - 1, *budgets[place + 1 :]) if left else None
