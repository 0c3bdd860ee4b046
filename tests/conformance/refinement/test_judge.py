"""What is known of tuples, and what of it a step can do without."""

from __future__ import annotations

from itertools import product

import pytest

from kubeproof.conformance.refinement.judge import Known
from kubeproof.conformance.refinement.once import Alike, Once
from kubeproof.conformance.refinement.scope import Scope
from kubeproof.models import election, membership
from kubeproof.models.logic.structures import Indexed, Open

MEMBERS, TERMS = (1, 2), (0, 1, 2)
PLACES = [dict(zip(places, at, strict=True)) for places in ((), (0,), (1,), (0, 1)) for at in product(*[MEMBERS] * len(places))]


def known(*terms: int, closed: bool = True) -> Known:
    """A member that has left these terms."""
    found = Known()
    if closed:
        found.close(membership.left, (1,), *terms)
    for term in terms:
        found.set(membership.left, (1, term), True)
    return found


@pytest.mark.parametrize("closed", [set(), {(1,)}, {(1, 2)}, {(1, 2), (2,)}, {()}])
def test_what_is_possible_is_all_but_what_is_closed(closed: set[tuple[int, ...]]) -> None:
    true = {(1, 0), (2, 1)}
    possible = Open([MEMBERS, TERMS], true, closed)
    expected = {at for at in product(MEMBERS, TERMS) if at in true or not any(at[: len(each)] == each for each in closed)}
    assert {at for at in product(MEMBERS, TERMS) if at in possible} == expected == set(possible)
    for places in PLACES:
        assert set(possible.matching(places)) == {at for at in expected if all(at[at_] == each for at_, each in places.items())}


def test_tuples_are_found_by_any_of_their_places() -> None:
    tuples = {(1, 0), (1, 1), (2, 1)}
    indexed = Indexed(tuples)
    for places in PLACES:
        assert set(indexed.matching(places)) == {at for at in tuples if all(at[at_] == each for at_, each in places.items())}


def test_what_is_known_afterwards_was_known_before() -> None:
    assert known(0).keeps(known(0), set())
    assert known(0, 1).keeps(Known(), set())
    assert known(0, 1).keeps(known(0, closed=False), set())
    assert not known(0).keeps(known(0, 1), set())
    assert not known(0, 1).keeps(known(0), set()), "who has left a term has not left it any more"
    assert not known(0, closed=False).keeps(known(0), set())
    assert known(0).keeps(known(0, 1), {membership.left})


def test_states_of_which_the_same_is_known_are_one() -> None:
    alike: Alike[Known] = Alike()
    one = alike(known(0))
    assert alike(known(0)) is one
    assert alike(known(0, 1)) is not one
    assert alike(known(0, closed=False)) is not one


def test_what_is_made_of_an_object_is_made_once() -> None:
    made: list[str] = []
    once: Once[str, int] = Once(lambda value: made.append(value) or len(made))  # type: ignore[func-returns-value]
    first, same = "".join(["a", "b"]), "".join(["a", "b"])
    assert (once(first), once(first), once(same)) == (1, 1, 2)


def test_actions_look_at_what_they_read_and_change() -> None:
    scope = Scope.of([election.election.actions["work_write"]])
    assert {each.name for each in scope.symbols} == {"working", "fencing_token", "write_sent", "write_of"}
    assert election.Request not in scope.sorts
