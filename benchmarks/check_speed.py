"""How fast recorded runs are checked, from file to verdict: events a second, by length and format, and the memory it takes.

Wanted on one core: at least 100,000 events a second for a Run of 10^6 events, the same rate at every length, and at most 64 bytes
for each distinct message. The first argument may be a trace of etcd-io/raft to time as well.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation import simulate
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace.raft.sent_messages import SentMessages
from kubeproof.conformance.verdict import Verdict

LENGTHS = (125_000, 250_000, 500_000, 1_000_000)
ROUNDS = 3
FAULTS = ("crash", "partition", "loss", "duplicate", "reorder")


def record(folder: Path) -> dict[int, Path]:
    """One simulated Run of each length, by its number of events."""
    runs = {}
    for events in LENGTHS:
        path = folder / f"{events}.ndjson"
        simulate("raft", nodes=5, seed=1, events=events, faults=FAULTS, options={"snapshot_every": 100}, out=str(path))
        runs[events] = path
    return runs


def seconds(path: Path) -> tuple[float, int]:
    """Processor seconds of the fastest of several checks, and the number of events."""
    best, events = float("inf"), 0
    for _ in range(ROUNDS):
        begun = time.process_time()
        result = check_file(str(path), None, Limits())
        best = min(best, time.process_time() - begun)
        if result.verdict is not Verdict.HOLDS:
            raise SystemExit(f"{path}: {result.verdict}: {result.message}")
        events = int(str(result.details["events"]))
    return best, events


def peak_memory_mb(path: Path) -> float:
    """Peak resident size of a process of its own that checks the file."""
    program = (
        "import atexit, resource; from kubeproof.conformance.cli import main; "
        "atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "check", str(path)], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) / 1024


def bytes_a_message() -> float:
    """The most that the table of sent messages takes for each, at any size up to a million."""
    sent, most = SentMessages(), 0.0
    for count in range(1, 1_000_001):
        sent.put(count * 0x9E3779B97F4A7C15, 1)
        if count > 2_000:
            most = max(most, sent.size_bytes() / count)
    return most


def main() -> None:
    """Print one line a figure."""
    with tempfile.TemporaryDirectory() as folder:
        for events, path in record(Path(folder)).items():
            spent, seen = seconds(path)
            print(f"{seen:,} events: {seen / spent:,.0f} events a second, {spent / seen * 1e6:.2f} us an event")
            if events == max(LENGTHS):
                print(f"peak memory with {path.stat().st_size / 1e6:,.0f} MB of Run: {peak_memory_mb(path):.0f} MB")
    for trace in map(Path, sys.argv[1:]):
        spent, seen = seconds(trace)
        print(f"{trace.name}: {seen:,} events, {seen / spent:,.0f} events a second ({spent:.2f} s)")
    print(f"sent messages: at most {bytes_a_message():.1f} bytes each")


if __name__ == "__main__":
    main()
