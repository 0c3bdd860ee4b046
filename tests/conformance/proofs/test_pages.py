"""The pages in docs/specifications/ are those of the present specifications, and leave nothing out."""

from __future__ import annotations

from kubeproof.conformance.proofs.pages import FOLDER, index, page, pages
from kubeproof.models.logic import Element, Formula, Specification, forall
from kubeproof.models.logic.obligations import all_names
from tests.models.lock import build


def test_the_pages_are_current() -> None:
    made = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    assert made == pages(), "run python -m kubeproof.conformance.proofs.pages"


def test_a_page_tells_everything() -> None:
    spec = build()
    told = "\n".join(page(spec))
    guards = [guard for action in spec.actions.values() for guard in action.guards]
    for name in (
        *spec.actions,
        *guards,
        *spec.properties,
        *spec.axioms,
        *spec.lemmas,
        *spec.mutants,
        *spec.witnesses,
        *spec.redundant,
    ):
        assert f"`{name}`" in told or f"### {name}\n" in told, name
    sentences = [
        *(each.sentence for each in spec.properties.values()),
        *(each.sentence for each in spec.mutants.values()),
        *(each.sentence for each in spec.witnesses.values()),
        *(each.says for each in spec.symbols),
        *(each.says for each in spec.actions.values()),
    ]
    assert all(each in told for each in (spec.sentence, *sentences))
    assert f"{len(all_names(spec))} in all" in told
    assert "None leaves EPR" in told


class Place(Element):
    """A place in a row."""


def test_an_obligation_outside_epr_is_told_with_its_cycle() -> None:
    spec = Specification("row", "A row | without an end.", (Place,), universes=({"place": 1},))
    following = spec.function("following", Place, to=Place, rigid=True)
    full = spec.relation("full", Place)
    spec.init("full", forall(Place, lambda p: full(p)))

    @spec.invariant
    def next_is_full(p: Place) -> Formula:
        return full(following(p))

    assert "| [row](row.md) | A row \\| without an end. |" in "\n".join(index([spec]))
    spec.leaves_epr("next_is_full", "rows go on")
    told = "\n".join(page(spec))
    assert "1 leave EPR" in told
    assert "| `next_is_full` | `initially` | place -> place (function following) | rows go on |" in told
