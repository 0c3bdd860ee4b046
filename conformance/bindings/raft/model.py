"""What is explored of Raft: the system, the world it lives in, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

from kubeproof.conformance.bindings.raft.labels import possible
from kubeproof.conformance.bindings.raft.member import Members
from kubeproof.conformance.bindings.raft.prepare import prepared
from kubeproof.conformance.bindings.raft.properties import always, sometimes
from kubeproof.conformance.bindings.raft.record import record
from kubeproof.conformance.bindings.raft.recovery import recoverable
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.symmetry import symmetry
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.system import Model
from kubeproof.impl.raft.types import Message

P = ParamSpec("P")


@dataclass(frozen=True)
class Begun(Members):
    """Members that begin where a prepared way has led."""

    first: tuple[system.Local, ...] = ()

    def initial(self) -> tuple[system.Local, ...]:
        return self.first


def model_of(setup: Setup) -> Model:
    """The model of a setup."""
    first, _ = prepared(setup)
    names = [f"member {member}" for member in setup.ids]
    return Model(
        Begun(setup, first=tuple(first)),
        tuple([*names, "client"] if setup.has_client else names),
        messages_max=setup.messages,
        budgets=setup.budgets(),
        symmetry=symmetry(setup),
        always=always(setup),
        sometimes=sometimes(setup),
        recoverable=recoverable(setup),
        labels=possible(setup),
        describe=describe,
        record=lambda actions: record(setup, actions),
    )


def _from(setup: Callable[P, Setup]) -> Callable[P, Model]:
    """A function with the arguments of a setup; `kubeproof explore` asks for their names and defaults."""

    @wraps(setup)
    def build(*args: P.args, **kwargs: P.kwargs) -> Model:
        return model_of(setup(*args, **kwargs))

    return build


model = _from(Setup)


def describe(value: object) -> str:
    """Local states and messages for people."""
    if isinstance(value, Message):
        entries = f", {len(value.entries)} entries" if value.entries else ""
        rejected = ", rejected" if value.reject else ""
        return (
            f"{value.type.name} {value.from_}->{value.to} (term {value.term}, {value.log_term}/{value.index}, "
            f"commit {value.commit}{entries}{rejected})"
        )
    return str(value)
