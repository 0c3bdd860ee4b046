"""Take counterexamples of PySyncObj again from scratch, over its own transport on loopback.

`python -m kubeproof.conformance.adapters.pysyncobj.over_tcp RUN...`, where each Run is one of `kubeproof explore`.
"""

from __future__ import annotations

import sys

from kubeproof.conformance.adapters.pysyncobj.node import PySyncObj
from kubeproof.conformance.explore.plain import broken
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.cluster import Cluster
from kubeproof.conformance.scenarios import recorded
from kubeproof.conformance.trace.run import RunReader
from kubeproof.conformance.verdict import InvalidInput


def retake(path: str) -> str:
    """What a Run comes to over TCP, in a line. InvalidInput if it is none of PySyncObj, or takes another way."""
    scenario, numbers = recorded.scenario_of(RunReader[object](path).header)
    model = scenario.model()
    system = model.system
    if not isinstance(system, Cluster) or not isinstance(system.node, PySyncObj):
        raise InvalidInput(path, 1, "options.node: expected a version of PySyncObj")
    if not scenario.size["capacity"]:
        raise InvalidInput(path, 1, "options.size.capacity: expected members that are connected, as over TCP")
    way = list(recorded.take(model, numbers, Limits()))
    system.node.retake([way], over_tcp=True)
    wrong = broken(model, way[-1][1]) if way else None
    return f"{system.node.name}: all {len(way)} steps again over TCP; {f'{wrong.id} is broken' if wrong else 'all holds'}"


if __name__ == "__main__":
    try:
        for path in sys.argv[1:]:
            print(retake(path))
    except InvalidInput as error:
        sys.exit(str(error))
