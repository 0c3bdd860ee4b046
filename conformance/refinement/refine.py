"""Every local step of an exploration, judged once: does the system refine its specification?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model
from kubeproof.conformance.refinement import raft as raft_map
from kubeproof.conformance.refinement.judge import Judge, NotAllowed
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.models import raft as raft_spec
from kubeproof.models.logic.formulas import Symbol
from kubeproof.models.logic.specification import Specification


@dataclass(frozen=True, slots=True)
class Refused:
    """A step that no action allows."""

    step: raft_map.Step
    why: NotAllowed


@dataclass(slots=True)
class Refinement:
    """What came of it. `actions` counts in how many steps each was taken, those never taken included."""

    judged: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)

    def described(self, describe: Callable[[object], str]) -> list[str]:
        """The first step that is refused, in sentences."""
        step, why = self.refused[0].step, self.refused[0].why
        cause = step.cause.name if isinstance(step.cause, Event) else describe(step.cause)
        sends = [f"it sends {describe(message)}" for message in step.sends]
        return [f"member {step.id}: {describe(step.before)}", cause, f"afterwards {describe(step.after)}", *sends, str(why)]


def setup_of(name: str, model: Model) -> Setup:
    """What the specification of this name is to judge. InvalidInput if it does not speak of this model."""
    setup = getattr(model.system, "setup", None)
    if name != raft_spec.raft.name:
        raise InvalidInput("--refines", None, f"expected raft, got {name}")
    if not isinstance(setup, Setup):
        raise InvalidInput("--refines", None, "expected a scenario of the system raft")
    if wrong := raft_map.beyond(setup):
        raise InvalidInput("--refines", None, f"expected a scenario without {', '.join(wrong)} (docs/fidelity.md)")
    return setup


def refine_raft(
    setup: Setup,
    taken: Iterable[Taken],
    specification: Specification = raft_spec.raft,
    ignoring: Set[Symbol] = frozenset(),
) -> Refinement:
    """Judge the first states, the steps that lead to where the search begins, and all steps of the search."""
    first, prepared = raft_map.beginning(setup)
    steps = list(raft_map.steps_of([*prepared, *taken]))
    common = raft_map.world(setup, first, steps)
    mapped, judge = raft_map.Map.into(common), Judge(specification, common, ignoring)
    for state in first:
        wrong = judge.contradicted(mapped.known(state)) or next((str(each) for each in raft_map.knowledge(state)), None)
        assert wrong is None, f"{state} is no initial state of {specification.name}: {wrong}"
    found = Refinement(len(steps), Counter(dict.fromkeys(specification.actions, 0)))
    for step in steps:
        try:
            found.actions.update(set(judge.judge(mapped.abstract(step))))
        except NotAllowed as why:
            found.refused.append(Refused(step, why))
    return found
