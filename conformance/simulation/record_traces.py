"""Makes traces/ anew, byte for byte: `python -m kubeproof.conformance.simulation.record_traces`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation.demonstrate import demonstrate
from kubeproof.conformance.simulation.registry import FAULTS
from kubeproof.conformance.simulation.simulate import simulate
from kubeproof.conformance.trace import check_file

MANIFEST = "manifest.json"
FOLDER = Path(__file__).parents[2] / "traces"

# Name of the file -> what to simulate.
GOOD: dict[str, dict[str, Any]] = {
    "plain": {"nodes": 3, "seed": 1, "events": 600},
    "crash-partition": {"nodes": 5, "seed": 2, "events": 1100, "faults": ("crash", "partition", "loss")},
    "lossy-network": {"nodes": 3, "seed": 3, "events": 1000, "faults": ("loss", "duplicate", "reorder")},
    "joint-membership": {"nodes": 3, "seed": 4, "events": 1000, "faults": ("membership",)},
    "async-storage-writes": {
        "nodes": 3,
        "seed": 5,
        "events": 1000,
        "faults": ("crash", "slow_disk"),
        "options": {"async_storage_writes": True, "vote_request_after_write": True, "disk_ms": (1, 5)},
    },
    "snapshots": {
        "nodes": 3,
        "seed": 6,
        "events": 1000,
        "faults": ("crash", "partition", "snapshot_loss"),
        "options": {"snapshot_every": 5, "keep_entries": 0},
    },
    "prevote-checkquorum-transfer": {
        "nodes": 3,
        "seed": 7,
        "events": 1000,
        "faults": ("partition", "transfer", "pause"),
        "options": {"pre_vote": True, "check_quorum": True},
    },
}
# Faults whose schedule is recorded with the switch on.
BAD = (
    "vote_erased_on_reset",
    "vote_for_shorter_log",
    "election_without_joint_quorum",
    "learner_counted_as_voter",
    "campaign_with_unapplied_conf_change",
    "commit_older_term_by_counting",
    "truncate_without_conflict",
    "append_response_without_term",
    "read_index_context_reused",
    "auto_leave_repeated",
    "vote_not_stored",
    "sent_before_written",
    "empty_disk_at_restart",
    "conf_change_applied_when_proposed",
    "snapshot_labelled_with_last_index",
    "vote_request_before_write",
)


def record(folder: Path) -> None:
    """Write all Runs and the manifest into a folder."""
    rows = [*_good(folder), *_bad(folder)]
    for row in rows:
        row |= _judged(folder / str(row["file"]))
    text = msgspec.json.format(msgspec.json.encode(rows), indent=2)
    (folder / MANIFEST).write_bytes(text + b"\n")


def _good(folder: Path) -> Iterator[dict[str, object]]:
    for name, arguments in GOOD.items():
        path = folder / f"good-{name}.ndjson"
        simulate("raft", **arguments, out=str(path))
        yield {"file": path.name, "source": _command(arguments)}


def _bad(folder: Path) -> Iterator[dict[str, object]]:
    for name in BAD:
        path = folder / f"bad-{name.replace('_', '-')}.ndjson"
        with path.open("wb") as file:
            demonstrate(FAULTS[name], on=True, limits=Limits(), file=file)
        yield {"file": path.name, "source": f"schedule {FAULTS[name].steps.__name__} with {name} on"}


def _command(arguments: Mapping[str, Any]) -> str:
    words = [f"kubeproof simulate raft --nodes {arguments['nodes']} --seed {arguments['seed']} --events {arguments['events']}"]
    if "faults" in arguments:
        words.append(f"--faults {','.join(arguments['faults'])}")
    for name, value in arguments.get("options", {}).items():
        shown = "-".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        words.append(f"--option {name}={shown}")
    return " ".join(words)


def _judged(path: Path) -> dict[str, object]:
    result = check_file(str(path), None, Limits())
    return {
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "events": result.details["events"],
        "verdict": result.verdict,
        "property": result.property,
        "line": result.details["line"],
    }


if __name__ == "__main__":
    record(FOLDER if len(sys.argv) < 2 else Path(sys.argv[1]))
