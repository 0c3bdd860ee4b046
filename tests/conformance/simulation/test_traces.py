"""The Runs that ship are what the program makes today."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kubeproof.conformance.simulation.record_traces import MANIFEST, record

SHIPPED = Path(__file__).parents[3] / "traces"


def test_they_are_made_again_byte_for_byte(tmp_path: Path) -> None:
    record(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shipped = {path.name: path.read_bytes() for path in SHIPPED.iterdir()}
    assert made.keys() == shipped.keys()
    assert [name for name in made if made[name] != shipped[name]] == []


def test_good_ones_hold_and_bad_ones_do_not() -> None:
    rows = msgspec.json.decode((SHIPPED / MANIFEST).read_bytes())
    for row in rows:
        good = row["file"].startswith("good-")
        assert (row["verdict"], row["property"] is None, row["line"] is None) == ("holds" if good else "violated", good, good)
    assert all((SHIPPED / row["file"]).stat().st_size < 300_000 for row in rows)
