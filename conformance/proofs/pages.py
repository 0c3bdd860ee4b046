"""The pages in docs/specifications/: `python -m kubeproof.conformance.proofs.pages` makes them anew.

Everything on them is read off the specifications: each property has its proof, each mutant and each guard its judgement, by
`kubeproof prove`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kubeproof.conformance.proofs.describe import heading, meaning, signature, statement
from kubeproof.models import catalogue
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.alternation import cycle
from kubeproof.models.logic.formulas import Symbol, name_of
from kubeproof.models.logic.obligations import all_names, axiom_names, obligation
from kubeproof.models.logic.specification import Axiom, Kind, Lemma, Mutant, Property, Script, Specification
from kubeproof.models.logic.text import text

FOLDER = Path(__file__).parents[2] / "docs" / "specifications"
MADE = "<!-- made by python -m kubeproof.conformance.proofs.pages -->"


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    specs = [catalogue.load(name) for name in catalogue.NAMES]
    return {f"{spec.name}.md": _joined(page(spec)) for spec in specs} | {"README.md": _joined(index(specs))}


def index(specs: Iterable[Specification]) -> Iterator[str]:
    """The blocks of the page that leads to the others."""
    yield from (MADE, "# Specifications")
    yield "`kubeproof prove NAME` proves what a specification says, for any number of elements; `kubeproof spec NAME` prints it."
    rows = [
        (
            f"[{spec.name}]({spec.name}.md)",
            spec.sentence,
            str(len(_promised(spec))),
            str(len(spec.actions)),
            f"{len(all_names(spec)):,}",
        )
        for spec in specs
    ]
    yield _table(("specification", "what it says", "promises", "actions", "obligations"), rows)


def page(spec: Specification) -> Iterator[str]:
    """The blocks of a specification's page."""
    yield from (MADE, f"# {spec.name}", spec.sentence)
    yield f"Source: [models/{spec.name}.py](../../models/{spec.name}.py). With all formulas: `kubeproof spec {spec.name}`."
    yield "## Promised"
    yield _table(("property", "what it says", "kind", "source", "strength", "assumes"), map(_promise, _promised(spec)))
    yield "## Sorts"
    sorts = [(f"`{name_of(sort)}`", meaning(sort), "total" if sort.ordered else "") for sort in spec.sorts]
    yield _table(("sort", "elements", "order"), sorts)
    yield "## State"
    yield "What is rigid never changes; what is ghost is history, which nobody has to keep."
    yield _table(("symbol", "", "what it says"), map(_symbol, spec.symbols))
    yield "## Assumed"
    yield _table(("axiom", "because", "formula", "shown by"), map(_axiom, spec.axioms.values()))
    yield "## Actions"
    for action in spec.actions.values():
        yield from _action(spec, action)
    yield "## Invariants that serve the proofs"
    yield "A proof may assume the invariants of its layer and those below, where it names none."
    helpers = (_helper(spec, each) for each in spec.properties.values() if not each.source)
    yield _table(("property", "what it says", "layer", "its proof may assume"), helpers)
    yield "## Lemmas"
    yield "What follows wherever an action is possible, shown once for all its obligations."
    yield _table(("lemma", "action", "what it says", "its proof may assume"), map(_lemma, spec.lemmas.values()))
    yield "## Guards that safety does not need"
    yield _table(("guard", "why it stands there"), ((f"`{guard}`", because) for guard, because in spec.redundant.items()))
    yield "## Wrong protocols"
    mutants = (_mutant(spec, each) for each in spec.mutants.values())
    yield _table(("mutant", "what it does", "what is changed", "breaks", "shown by"), mutants)
    yield "## What does happen"
    witnesses = ((f"`{each.name}`", each.sentence, _run(each.script)) for each in spec.witnesses.values())
    yield _table(("witness", "what happens", "shown by"), witnesses)
    yield "## Obligations"
    names = all_names(spec)
    yield f"{len(names):,} in all, {len(axiom_names(spec))} of them for axioms."
    yield from _outside_epr(spec, names)


def _promised(spec: Specification) -> list[Property]:
    return [each for each in spec.properties.values() if each.source]


def _promise(each: Property) -> tuple[str, ...]:
    return f"`{each.name}`", each.sentence, each.kind.value, each.source, each.strength.value, "; ".join(each.assumes)


def _symbol(symbol: Symbol) -> tuple[str, ...]:
    marks = [mark for mark, has in (("rigid", symbol.rigid), ("ghost", symbol.ghost)) if has]
    return f"`{signature(symbol)}`", ", ".join(marks), symbol.says


def _axiom(axiom: Axiom) -> tuple[str, ...]:
    shown = "" if axiom.shown_by is None else f"`{text(axiom.shown_by)}`"
    return f"`{axiom.name}`", axiom.because, f"`{text(axiom.formula)}`", shown


def _action(spec: Specification, action: Action) -> Iterator[str]:
    yield f"### {action.name}"
    if action.says:
        yield action.says
    yield f"`{heading(action)}`" + (f" changes {_names(symbol.name for symbol in action.updates)}." if action.updates else ".")
    guards = (
        (f"`{guard}`", f"`{text(formula)}`", "redundant" if f"{action.name}.{guard}" in spec.redundant else "")
        for guard, formula in action.guards.items()
    )
    if action.guards:
        yield _table(("guard", "formula", ""), guards)


def _helper(spec: Specification, each: Property) -> tuple[str, ...]:
    layer = str(each.layer) if each.kind is Kind.INVARIANT else each.kind.value
    assumes = "" if each.using is None else _names(each.using) or "only itself"
    return f"`{each.name}`", each.sentence or f"`{text(statement(spec, each))}`", layer, assumes


def _lemma(lemma: Lemma) -> tuple[str, ...]:
    return f"`{lemma.name}`", f"`{lemma.action}`", lemma.sentence or f"`{text(lemma.formula)}`", _names(lemma.using)


def _mutant(spec: Specification, mutant: Mutant) -> tuple[str, ...]:
    changes = [
        *(f"without the guard `{guard}`" for guard in mutant.without),
        *(
            f"another action `{action.name}`" if action.name in spec.actions else f"also an action `{action.name}`"
            for action in mutant.actions
        ),
        *(f"axiom `{axiom.name}`: `{text(axiom.formula)}`" for axiom in mutant.axioms),
    ]
    shown = "a step from a state where all invariants hold" if mutant.script is None else _run(mutant.script)
    return f"`{mutant.name}`", mutant.sentence, "; ".join(changes), f"`{mutant.breaks}`", shown


def _run(script: Script) -> str:
    return f"a run of {len(script.steps)} steps"


def _outside_epr(spec: Specification, names: Iterable[str]) -> Iterator[str]:
    outside: dict[tuple[str, str], list[str]] = {}
    for each in (obligation(spec, name) for name in names):
        if edges := cycle(each):
            outside.setdefault((each.target, "; ".join(map(str, edges))), []).append(each.action)
    if not outside:
        yield "None leaves EPR: there is no cycle of quantifier alternations and functions."
        return
    yield f"{sum(map(len, outside.values()))} leave EPR, by a cycle of quantifier alternations and functions:"
    rows = (
        (f"`{target}`", _names(actions), edges, spec.outside_epr.get(target, "")) for (target, edges), actions in outside.items()
    )
    yield _table(("property", "obligations", "cycle", "why"), rows)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    if len(lines) == 2:
        return "None."
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(content: str) -> str:
    return content.replace("|", "\\|")


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for former in FOLDER.glob("*.md"):
        former.unlink()
    for name, content in pages().items():
        (FOLDER / name).write_text(content)
