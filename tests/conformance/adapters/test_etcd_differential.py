"""The same odd requests to a real etcd and to impl/store, which answers as that release does: every field is the same.

KUBEPROOF_ETCD names another binary than the installed one, KUBEPROOF_ETCD_OPERATIONS another number of requests (the slow tier:
100000).
"""

from __future__ import annotations

import os
from itertools import count

import msgspec

from kubeproof.conformance.adapters.etcd.answers import ask
from kubeproof.conformance.adapters.etcd.gateway import Gateway
from kubeproof.conformance.adapters.etcd.server import running
from kubeproof.conformance.adapters.etcd.traffic import OddTraffic
from kubeproof.conformance.answers.checker import Replay
from kubeproof.conformance.answers.reading import version_of
from kubeproof.conformance.answers.recorded import Exchange
from tests.conformance.adapters.etcd import BINARY, needs_etcd

OPERATIONS = int(os.environ.get("KUBEPROOF_ETCD_OPERATIONS", "2000"))
MAX_REQUEST_BYTES = 4096


@needs_etcd
def test_every_answer_is_that_of_a_real_etcd() -> None:
    assert BINARY is not None
    asked = 0
    for seed in count():
        with (
            running(BINARY, more=[f"--max-request-bytes={MAX_REQUEST_BYTES}"]) as cluster,
            cluster.members[0].gateway() as gateway,
        ):
            asked += compare(gateway, cluster.version, seed, OPERATIONS - asked)
        if asked >= OPERATIONS:
            break


def compare(gateway: Gateway, server: str, seed: int, operations: int) -> int:
    """How much a new server was asked: less if it died, which some requests make it do. Then the reference dies of it, too."""
    version = version_of(server)
    assert version is not None
    traffic, replay = OddTraffic(seed, 0, version), Replay(version, MAX_REQUEST_BYTES)
    for number in range(operations):
        line = ask(gateway, *traffic.next())
        difference = replay.compare(msgspec.convert(line, Exchange), longest_s=600)
        where = f"etcd {server}, seed {seed}, request {number}"
        assert difference is None, f"{where}: {difference.field}: etcd {difference.seen}, ours {difference.expected}: {line}"
        if replay.died:
            return number + 1
        traffic.learn(line.get("resp", {}))
    return operations
