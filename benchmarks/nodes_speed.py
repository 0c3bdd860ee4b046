"""How fast clusters of somebody's nodes are explored: global states a second, and how many steps their code took for it.

Without arguments: small scenarios with each implementation that is on this machine. `big`: a cluster of go.etcd.io/raft,
unmodified, of more than 10^8 states; wanted within 10 minutes on two cores. `compare`: it beside the reference, in all states of
a scenario.
"""

from __future__ import annotations

import sys

from kubeproof.conformance.adapters.etcd_raft_go import PROGRAM
from kubeproof.conformance.adapters.nodes import REFERENCE, not_installed
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.compare import compare
from kubeproof.conformance.scenarios.explore import How, explore
from kubeproof.conformance.verdict import Result

SMALL = ("raft-elections", "raft-crash", "raft-snapshot")
BIG = ("raft-crash", ("messages=4", "lossy=true"))
COMPARED = ("raft-elections", "raft-replication", "raft-crash", "raft-check-quorum", "raft-snapshot", "raft-read-index")


def line(result: Result) -> str:
    """One line about an exploration."""
    details = result.details
    distinct, seconds = details["distinct"], details["local_step_seconds"]
    assert isinstance(distinct, int)
    assert isinstance(seconds, float)
    return (
        f"{result.subject}: {result.verdict}, {distinct:,} distinct, {details['generated']:,} generated, "
        f"{details['local_steps']:,} local steps in {seconds:.1f} s; {result.seconds:.1f} s in all; "
        f"without local steps {distinct / (result.seconds - seconds):,.0f} distinct a second"
    )


def speed() -> None:
    """A line for each scenario and node."""
    for node in (REFERENCE, PROGRAM):
        if missing := not_installed(node):
            print(f"left out: {missing}")
            continue
        for name in SMALL:
            print(f"{node}, {line(explore(name, [], Limits(), How(threads=2, node=node)))}", flush=True)


def big() -> None:
    """The big one."""
    name, settings = BIG
    print(line(explore(name, settings, Limits(), How(threads=2, node=PROGRAM))))


def comparisons() -> None:
    """How long it takes to ask both."""
    for name in COMPARED:
        result = compare(name, [], PROGRAM, Limits(), threads=2)
        print(f"{name}: {result.message}, {result.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    {"big": big, "compare": comparisons}.get(sys.argv[1] if len(sys.argv) > 1 else "", speed)()
