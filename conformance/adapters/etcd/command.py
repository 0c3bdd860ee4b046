"""`kubeproof record etcd`: what is wanted, in one call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from kubeproof.conformance.adapters.etcd.record import FAULTS, Plan, record_answers, record_run
from kubeproof.conformance.adapters.etcd.scenarios import SCENARIOS
from kubeproof.conformance.adapters.etcd.server import NOT_INSTALLED, EtcdFailed, find, version_of


class CannotBeRecorded(Exception):
    """Why not, in one line."""


class Recorded(NamedTuple):
    """What was, for people. A scenario is not as expected if the defect does not show."""

    text: str
    as_expected: bool = True


def record(binary: str | None, plan: Plan, format_: str, scenario: str | None, file: BinaryIO) -> Recorded:
    """Write a Run, answers or a scenario. Raises CannotBeRecorded."""
    etcd = find(binary)
    if etcd is None:
        raise CannotBeRecorded(f"{binary}: no such program" if binary else NOT_INSTALLED)
    try:
        with _ended_by_sigterm():
            return _record(etcd, plan, format_, scenario, file)
    except EtcdFailed as problem:
        raise CannotBeRecorded(str(problem)) from problem


def _record(etcd: str, plan: Plan, format_: str, scenario: str | None, file: BinaryIO) -> Recorded:
    if scenario is not None:
        return _record_scenario(etcd, scenario, file)
    if unknown := set(plan.faults) - FAULTS.keys():
        raise CannotBeRecorded(f"--faults: expected some of {', '.join(FAULTS)}, got {', '.join(sorted(unknown))}")
    if format_ == "etcd-answers":
        if plan.members > 1 or plan.clients > 1 or plan.faults:
            raise CannotBeRecorded("--format etcd-answers is of one client of one member without faults")
        return Recorded(f"etcd {record_answers(etcd, plan, file)}, {plan.operations:,} requests")
    version, counts = record_run(etcd, plan, file)
    return Recorded(f"etcd {version}, " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))


def _record_scenario(etcd: str, name: str, file: BinaryIO) -> Recorded:
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise CannotBeRecorded(f"--scenario: expected one of {', '.join(SCENARIOS)}, got {name}")
    shows = scenario.record(name, etcd, file)
    return Recorded(f"etcd {version_of(etcd)}, {name} ({scenario.about}): {'seen' if shows else 'not seen'}", shows)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a block as Ctrl-C does, so that it cleans up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
