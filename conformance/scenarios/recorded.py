"""A way through the state space as a Run, and from the Run back to the way.

The Run's header says what was explored and which way was taken: for each step, the how manyth of the successors it leads to, in
the order of the plain semantics.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import msgspec

from kubeproof.conformance.adapters.nodes import require_no_program
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Action, Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.ndjson import explained
from kubeproof.conformance.scenarios.scenario import Scenario, checked
from kubeproof.conformance.trace.run import Event, Header, LineSink, write_run
from kubeproof.conformance.verdict import InvalidInput, Verdict

WAY = "way"
STEPS_MAX = 1000
NUMBER_MAX = 1 << 16

Way = Sequence[tuple[Action, GlobalState]]
"""Actions, each with the state that it leads to; the way begins in the first state."""


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """What the header of such a Run says."""

    size: dict[str, int]
    options: dict[str, bool]
    faults: list[str]
    way: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]], msgspec.Meta(max_length=STEPS_MAX)]
    node: str | None = None
    leaves_out: list[str] = []


def write(file: LineSink, source: str, scenario: Scenario, model: Model, way: Way) -> None:
    """Write the Run: the system's own events if the model has them, else one event a step."""
    numbers = _numbers(model, way)
    options = Options(scenario.size, scenario.options, scenario.faults, numbers, scenario.node, scenario.leaves_out)
    header = Header(system=scenario.system, source=source, options=msgspec.to_builtins(options))
    write_run(file, header, _events(model, way))


def scenario_of(header: Header, node: str | None = None) -> tuple[Scenario, list[int]]:
    """What was explored and the numbers of the way. InvalidInput if the header does not say it, or what cannot be explored.

    With a `node` it is that implementation's: a program is not started because a Run names it.
    """
    try:
        options = msgspec.convert(header.options, Options)
    except msgspec.ValidationError as error:
        raise InvalidInput("options", None, explained(str(error), Options)) from error
    if node is None:
        require_no_program("options", options.node)
    scenario = Scenario(
        header.system,
        Verdict.VIOLATED,
        size=options.size,
        options=options.options,
        faults=options.faults,
        node=node or options.node,
        leaves_out=options.leaves_out,
    )
    return checked("options", scenario), options.way


def take(model: Model, numbers: Sequence[int], limits: Limits) -> Way:
    """The way of these numbers, taken by the plain semantics. InvalidInput if it leads nowhere."""
    way: list[tuple[Action, GlobalState]] = []
    state = first_state(model)
    for number in numbers:
        limits.check()
        found = next(islice(successors(model, state), number, None), None)
        if found is None:
            raise InvalidInput(f"options.way[{len(way)}]", None, f"expected the number of a successor, got {number}")
        way.append(found)
        state = found[1]
    return way


def _numbers(model: Model, way: Way) -> list[int]:
    before = (first_state(model), *(state for _, state in way))
    return [
        next(number for number, each in enumerate(successors(model, state)) if each == step)
        for state, step in zip(before, way, strict=False)
    ]


def _events(model: Model, way: Way) -> Sequence[msgspec.Struct]:
    if model.record is not None:
        return model.record([action for action, _ in way])
    return [_event(model, action, state) for action, state in way]


def _event(model: Model, action: Action, state: GlobalState) -> Event:
    message = action.message
    return Event(
        action=action.name,
        actor=model.component_names[action.component],
        state={model.component_names[each.component]: model.describe(state.locals[each.component]) for each in action.taken},
        args={"sends": [f"{model.component_names[sent.to]}: {model.describe(sent.body)}" for sent in action.sends]},
        message=None if message is None else {"body": model.describe(message.body)},
    )


def sentences(model: Model, way: Way) -> list[str]:
    """Each step for people, numbered, with what it has changed; and where a way that ends where it was before goes round from."""
    states = [first_state(model), *(state for _, state in way)]
    lines = [
        f"{number}. {_sentence(model, action, before, after)}"
        for number, ((action, after), before) in enumerate(zip(way, states, strict=False), 1)
    ]
    if states.index(states[-1]) < len(way):
        lines.insert(states.index(states[-1]), "From here on the same again and again:")
    return lines


def _sentence(model: Model, action: Action, before: GlobalState, after: GlobalState) -> str:
    """Who does what, and the local state that it leads to; where several components are concerned, those that have changed."""
    message = "" if action.message is None else f" {model.describe(action.message.body)}"
    names = model.component_names
    concerned = dict.fromkeys(each.component for each in action.taken)
    changed = [component for component in concerned if before.locals[component] != after.locals[component]]
    if len(changed) < 2:
        component = changed[0] if changed else action.component
        return f"{names[action.component]}: {action.name}{message} -> {model.describe(after.locals[component])}"
    states = "; ".join(f"{names[component]} -> {model.describe(after.locals[component])}" for component in changed)
    return f"{names[action.component]}: {action.name}{message}: {states}"
