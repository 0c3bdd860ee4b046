"""What a model means, without any table: whole states and their successors.

The explorer must agree with it: tests compare the two, and every counterexample is taken again here, step by step.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import combinations
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
    Property,
    Taken,
)

CHAIN_MAX = 16
"""Local steps of one action. More are taken for a call that never returns."""

ANYBODY = -1

RECEIVE = "receive"
_NETWORK = {DROP: "drop", DUPLICATE: "duplicate"}
"""What the network does, by the budget that it takes."""

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


class Move(NamedTuple):
    """Something that may happen: events of components, or something to a message under way, and what it costs."""

    name: str
    events: tuple[tuple[int, Event], ...]
    under_way: UnderWay | None
    costs: str | None = None


def first_state(model: Model) -> GlobalState:
    """Where the system begins."""
    return GlobalState(tuple(model.system.initial()), (), tuple(model.budgets.values()))


def successors(model: Model, state: GlobalState) -> Iterator[tuple[Action, GlobalState]]:
    """Everything that may happen next, inside the bounds."""
    yield from (each for each in all_successors(model, state) if is_inside(model, each[1]))


def is_inside(model: Model, state: GlobalState) -> bool:
    """Whether no more messages are under way than the bounds allow."""
    if len(state.messages) > model.messages_max:
        return False
    return model.link_max is None or all(count <= model.link_max for count in Counter(map(_link, state.messages)).values())


def all_successors(model: Model, state: GlobalState) -> Iterator[tuple[Action, GlobalState]]:
    """Everything that may happen next, also where too many messages are under way then."""
    for move in moves(model, state):
        if (reached := take(model, state, move)) is not None:
            yield reached


def moves(model: Model, state: GlobalState) -> Iterator[Move]:
    """All that may perhaps happen next; `take` tells whether it does."""
    for component, local in enumerate(state.locals):
        for event in model.system.events(component, local):
            yield Move(event.name, ((component, event),), None, event.costs)
    for joint in model.joint_events:
        yield Move(joint.name, tuple(parts(joint)), None, joint.costs)
    for under_way in _deliverable(model, state):
        yield Move(RECEIVE, (), under_way)
        for name in (DROP, DUPLICATE):
            if name in model.budgets:
                yield Move(_NETWORK[name], (), under_way, name)


def take(model: Model, state: GlobalState, move: Move) -> tuple[Action, GlobalState] | None:
    """What comes of a move of this state; None if it does not happen."""
    budgets = _spend(model, state.budgets, move.costs)
    if budgets is None:
        return None
    if move.under_way is None:
        return _happens(model, state, move, budgets)
    if move.name == RECEIVE:
        return _arrives(model, state, move.under_way)
    return _lost_or_doubled(state, move.name, move.under_way, budgets)


def parts(joint: JointEvent) -> list[tuple[int, Event]]:
    """Who does what."""
    return [(component, event) for component, event in enumerate(joint.parts) if event is not None]


def broken(model: Model, state: GlobalState) -> Property | None:
    """The first property that does not hold in a state."""
    for each in model.always:
        size = len(state.locals) if each.components is None else each.components
        if not all(each.holds(*chosen) for chosen in combinations(state.locals, size)):
            return each
    return None


def _happens(model: Model, state: GlobalState, move: Move, budgets: Budgets) -> tuple[Action, GlobalState] | None:
    taken = []
    for component, event in move.events:
        step = model.system.step(component, state.locals[component], event)
        if step is None:
            return None
        taken.append(Taken(component, event, step))
    return _reached(model, state, move.name, None, taken, budgets)


def _arrives(model: Model, state: GlobalState, under_way: UnderWay) -> tuple[Action, GlobalState] | None:
    message = under_way.message
    step = model.system.receive(message.to, state.locals[message.to], message)
    if step is None:
        return None
    left = state if model.network is Network.KEPT else state._replace(messages=_without(state.messages, under_way))
    return _reached(model, left, RECEIVE, message, [Taken(message.to, message, step)], state.budgets)


def _lost_or_doubled(state: GlobalState, name: str, under_way: UnderWay, budgets: Budgets) -> tuple[Action, GlobalState]:
    at = state.messages.index(under_way)
    doubled = (*state.messages[:at], under_way, *state.messages[at:])
    messages = _without(state.messages, under_way) if name == _NETWORK[DROP] else doubled
    return Action(name, under_way.message, ()), GlobalState(state.locals, messages, budgets)


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
) -> tuple[Action, GlobalState] | None:
    """The state after these local steps and all that follow from synchronous messages; none if one of those is not taken."""
    locals_ = list(state.locals)
    for each in taken:
        locals_[each.component] = each.step.state
        state = _cut(state, each)
    waiting = deque([(each.component, sent) for each in taken for sent in each.step.sends])
    put_under_way = []
    while waiting:
        sender, sent = waiting.popleft()
        if not sent.synchronous:
            put_under_way.append(UnderWay(sent, sender if model.network is Network.FIFO else ANYBODY))
            continue
        step = model.system.receive(sent.to, locals_[sent.to], sent)
        if step is None:
            return None
        if len(taken) == CHAIN_MAX:
            raise ValueError(f"{CHAIN_MAX} local steps in one: expected that synchronous messages come to an end")
        taken.append(Taken(sent.to, sent, step))
        locals_[sent.to] = step.state
        state = _cut(state, taken[-1])
        waiting += [(sent.to, further) for further in step.sends]
    return Action(name, message, tuple(taken)), GlobalState(tuple(locals_), _together(model, state, put_under_way), budgets)


def _cut(state: GlobalState, taken: Taken) -> GlobalState:
    """The state without what is under way on connections that a step breaks."""
    broken = {link for other in taken.step.cuts for link in ((taken.component, other), (other, taken.component))}
    return state._replace(messages=tuple(each for each in state.messages if _link(each) not in broken)) if broken else state


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
