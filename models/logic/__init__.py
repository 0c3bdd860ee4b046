"""The specification language: many-sorted first-order transition systems, and the readers of their formulas.

A specification is a Python module with one `Specification`. Its formulas are one syntax tree with several readers: Z3 for any
number of elements (unbounded), SAT for a few of them (grounded), concrete structures (evaluator), the EPR check (alternation),
SMT-LIB, and people (text).
"""

from kubeproof.models.logic.actions import ANY, Action
from kubeproof.models.logic.formulas import (
    FALSE,
    TRUE,
    Element,
    Formula,
    Function,
    LanguageError,
    Real,
    Relation,
    exists,
    forall,
    iff,
    ite,
    number,
)
from kubeproof.models.logic.specification import Specification, Strength
from kubeproof.models.logic.structures import Structure, View

__all__ = [
    "ANY",
    "FALSE",
    "TRUE",
    "Action",
    "Element",
    "Formula",
    "Function",
    "LanguageError",
    "Real",
    "Relation",
    "Specification",
    "Strength",
    "Structure",
    "View",
    "exists",
    "forall",
    "iff",
    "ite",
    "number",
]
