"""The findings of docs/findings on a running server: they show where they are said to, and impl/store does the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kubeproof.conformance.adapters.etcd.answers import ask
from kubeproof.conformance.adapters.etcd.scenarios import SCENARIOS, put_without_previous
from kubeproof.conformance.adapters.etcd.server import Cluster, running, version_of
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import Verdict
from tests.conformance.adapters.etcd import BINARY, IMPATIENT, needs_etcd

FINDINGS = Path(__file__).parents[3] / "docs" / "findings"


@needs_etcd
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_finding_shows_where_it_is_said_to(name: str, tmp_path: Path) -> None:
    assert BINARY is not None
    recorded = tmp_path / "recorded.ndjson"
    with recorded.open("wb") as file:
        shows = SCENARIOS[name].record(name, BINARY, file)
    version = version_of(BINARY)
    assert shows == any(version.startswith(f"{line}.") for line in SCENARIOS[name].seen_in), version
    if recorded.read_bytes().startswith(b'{"case"'):
        result = check_file(str(recorded), None, Limits())
        assert result.verdict is Verdict.HOLDS, result.message


@needs_etcd
def test_one_transaction_takes_a_cluster_away() -> None:
    """Who has not yet heard that the entry is committed lives on, alone."""
    assert BINARY is not None
    with running(BINARY, 3, IMPATIENT) as cluster, cluster.members[0].gateway() as gateway:
        for step in put_without_previous:
            ask(gateway, *step)
        assert loses_its_majority(cluster)


def loses_its_majority(cluster: Cluster) -> bool:
    deadline = time.monotonic() + 15
    while sum(member.runs for member in cluster.members) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    return sum(member.runs for member in cluster.members) <= 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_a_page(name: str) -> None:
    assert any(f"--scenario {name}" in page.read_text() for page in FINDINGS.glob("*.md"))
