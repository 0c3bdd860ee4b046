"""What is left of the budgets, as small integers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import Ints, Words, budget_word
from kubeproof.conformance.explore.plain import Budgets, less

NO_COST = 0


class BudgetTable:
    """All that can be left: `left[budget]`, `FIRST` at the beginning. `after_cost[budget, cost]` is the budget then, -1 if none.

    Cost 0 is none, the others are the budgets in their order. `words` stand for them in fingerprints.
    """

    FIRST = 0

    def __init__(self, budgets: Mapping[str, int | None]) -> None:
        self._names = tuple(budgets)
        self.left: list[Budgets] = [tuple(budgets.values())]
        self._ids = {self.left[0]: self.FIRST}
        self.after_cost: Ints = np.array([self._after(budget) for budget in self.left], np.int32)  # it grows meanwhile
        self.words: Words = np.array([budget_word(np.int64(number)) for number in range(len(self.left))], np.uint64)

    def _after(self, budget: Budgets) -> list[int]:
        rests = [less(budget, place) for place in range(len(budget))]
        return [self._ids[budget], *(-1 if rest is None else self._id(rest) for rest in rests)]

    def _id(self, budget: Budgets) -> int:
        if budget not in self._ids:
            self._ids[budget] = len(self.left)
            self.left.append(budget)
        return self._ids[budget]

    def cost_of(self, name: str) -> int:
        """The column of a budget; -1 if there is none of that name."""
        return self._names.index(name) + 1 if name in self._names else -1

    def event_cost(self, event: str, costs: str | None) -> int:
        """The column of what an event costs. ValueError if there is no such budget."""
        if costs is None:
            return NO_COST
        cost = self.cost_of(costs)
        if cost < 0:
            raise ValueError(f"event {event} costs {costs!r}, and the model has no budget of that name")
        return cost
