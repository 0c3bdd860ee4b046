"""Every local step of an exploration, judged once: does the system refine a specification?"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.backup import BACKUP
from kubeproof.conformance.refinement.binding import Binding, Reading
from kubeproof.conformance.refinement.election import ELECTION
from kubeproof.conformance.refinement.judge import Judge, NotAllowed
from kubeproof.conformance.refinement.lease import LEASE
from kubeproof.conformance.refinement.membership import MEMBERSHIP
from kubeproof.conformance.refinement.mvcc import MVCC
from kubeproof.conformance.refinement.raft import RAFT
from kubeproof.conformance.refinement.reads import READS
from kubeproof.conformance.refinement.watch import WATCH
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.models.logic.formulas import Symbol

UNLIMITED = Limits()

BINDINGS = {binding.specification.name: binding for binding in (RAFT, MEMBERSHIP, READS, ELECTION, MVCC, WATCH, BACKUP, LEASE)}


@dataclass(frozen=True, slots=True)
class Refused:
    """A step that no action allows."""

    step: Taken
    why: NotAllowed


@dataclass(slots=True)
class Refinement:
    """What came of it. `actions` counts in how many steps each was taken, those never taken included."""

    judged: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)

    def details(self) -> dict[str, object]:
        """For a result: how many steps were judged and refused, how often each action was taken, and who refused how many."""
        return {
            "local_steps": self.judged,
            "refused": len(self.refused),
            "actions": dict(self.actions),
            "refused_by": dict(Counter(each.why.reason for each in self.refused)),
        }

    def described(self, model: Model) -> list[str]:
        """The first step that is refused, in sentences."""
        (component, before, cause, step), why = self.refused[0].step, self.refused[0].why
        what = cause.name if isinstance(cause, Event) else f"it receives {model.describe(cause.body)}"
        sends = [f"it sends {model.describe(message.body)}" for message in step.sends]
        name = model.component_names[component]
        return [f"{name}: {model.describe(before)}", what, f"afterwards {model.describe(step.state)}", *sends, str(why)]


def binding_of(name: str, model: Model) -> Binding:
    """How the specification of this name sees the model. InvalidInput if it does not speak of this model."""
    if name not in BINDINGS:
        raise InvalidInput("--refines", None, f"expected {' or '.join(BINDINGS)}, got {name}")
    if wrong := BINDINGS[name].leaves_out(model):
        raise InvalidInput("--refines", None, f"{name} speaks of no scenario with {', '.join(wrong)} (docs/fidelity.md)")
    return BINDINGS[name]


def refine(
    binding: Binding,
    model: Model,
    taken: Iterable[Taken],
    limits: Limits = UNLIMITED,
    ignoring: Set[Symbol] = frozenset(),
) -> Refinement:
    """Judge the first states, the steps that lead to where the search begins, and all steps of the search.

    Raises LimitReached, and InvalidInput where the specification promises nothing or there is nothing to judge.
    """
    with _no_collector():
        return _judged(binding, binding.read(model, taken), limits, ignoring)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Judging makes no cycles, and Python would look for them among all that the exploration has found, over and over."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _judged(binding: Binding, reading: Reading, limits: Limits, ignoring: Set[Symbol]) -> Refinement:
    judge = Judge(binding.specification, reading.world, ignoring)
    if (unmet := judge.unmet()) is not None:
        raise InvalidInput("--refines", None, f"{binding.specification.name} promises nothing here, as not all is so: {unmet}")
    for known, claims in reading.first:
        wrong = judge.contradicted(known) or next(map(str, claims), None)
        assert wrong is None, f"this is no initial state of {binding.specification.name}: {wrong}"
    steps = [*reading.prepared, *reading.steps]
    if not steps:
        raise InvalidInput("--refines", None, f"expected steps of which {binding.specification.name} speaks, there are none")
    found = Refinement(len(steps), Counter(dict.fromkeys(binding.specification.actions, 0)))
    sequences: Counter[tuple[str, ...]] = Counter()
    for step in steps:
        limits.check()
        try:
            sequences[judge.judge(reading.abstract(step))] += 1
        except NotAllowed as why:
            found.refused.append(Refused(step, why.with_traceback(None)))
    for actions, times in sequences.items():
        found.actions.update(dict.fromkeys(actions, times))
    return found
