"""Exploration beside Stateright: the same model of Raft (ongardie_raft.py), its states counted by both, in one run.

Stateright's program is not part of this project. It is a direct model of ongardie's raft.tla that is called with
`HOW none TERM_MAX LOG_MAX 1` (HOW: bfs, dfs, dfs-sym) and prints a line with `distinct=N`. Its path, or that of its package,
is the argument, or else the variable STATERIGHT_RAFT; without it there is one line that says so. The counts must be equal.

Processor seconds of whole processes, best of three; ours without start and compilation, which stand beside.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROUNDS = 3
TERM_MAX = 2
OURS = Path(__file__).with_name("ongardie_raft.py")


class Measured(NamedTuple):
    """One exploration. `start` are the processor seconds that are not counted, for start and compilation."""

    distinct: int
    seconds: float
    start: float = 0.0

    @property
    def rate(self) -> float:
        return self.distinct / self.seconds


def ours(log_max: int, *options: str) -> Measured:
    """Explore with kubeproof."""
    output, _ = _run([sys.executable, str(OURS), f"--term-max={TERM_MAX}", f"--log-max={log_max}", *options])
    figures = json.loads(output)
    return Measured(figures["distinct"], figures["seconds"], figures["start_seconds"])


def stateright(program: Path, how: str, log_max: int) -> Measured:
    """Explore with Stateright."""
    output, seconds = _run([str(program), how, "none", str(TERM_MAX), str(log_max), "1"])
    found = re.search(r"distinct=(\d+)", output)
    assert found is not None, output
    return Measured(int(found[1]), seconds)


def _run(command: list[str]) -> tuple[str, float]:
    """What a process prints, and its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def built(path: Path, folder: Path) -> Path | None:
    """The program at this path; if that is a Cargo package, it is built in a folder. None if that cannot be."""
    if path.is_file():
        return path
    if not (path / "Cargo.toml").is_file() or shutil.which("cargo") is None:
        return None
    copy = Path(shutil.copytree(path, folder / "package", copy_function=shutil.copyfile))
    copy.chmod(0o700)  # cargo writes a lock file
    subprocess.run(["cargo", "build", "--release", "--quiet", "--target-dir", folder / "target"], cwd=copy, check=True)
    return next((each for each in (folder / "target/release").iterdir() if each.is_file() and os.access(each, os.X_OK)), None)


def compare(program: Path, log_max: int) -> bool:
    """Print what each takes, and how many times as fast ours is; whether all counts are equal."""
    best: dict[str, Measured] = {}
    for _ in range(ROUNDS):
        for name, measured in (
            ("ours", ours(log_max)),
            ("ours, symmetry", ours(log_max, "--symmetry")),
            ("Stateright BFS", stateright(program, "bfs", log_max)),
            ("Stateright DFS", stateright(program, "dfs", log_max)),
            ("Stateright DFS, symmetry", stateright(program, "dfs-sym", log_max)),
        ):
            best[name] = min(best.get(name, measured), measured, key=lambda each: each.seconds)
    for name, each in best.items():
        start = f" (and {each.start:.2f} s of start and compilation)" if each.start else ""
        print(f"{name}: {each.distinct:,} distinct, {each.seconds:.2f} s{start}, {each.rate:,.0f} distinct a second")
    for name in ("Stateright BFS", "Stateright DFS"):
        print(f"ours / {name}: {best['ours'].rate / best[name].rate:.2f}")
    reduced = best["ours, symmetry"], best["Stateright DFS, symmetry"]
    print(f"ours, symmetry / Stateright DFS, symmetry: {reduced[0].rate / reduced[1].rate:.2f}")
    whole = {best[name].distinct for name in ("ours", "Stateright BFS", "Stateright DFS")}
    return len(whole) == 1 and reduced[0].distinct == reduced[1].distinct


def main() -> None:
    """Compare, if there is something to compare with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", nargs="?", type=Path, default=os.environ.get("STATERIGHT_RAFT"))
    parser.add_argument("--log-max", type=int, default=2)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="kubeproof-") as folder:
        program = None if arguments.program is None else built(Path(arguments.program), Path(folder))
        if program is None:
            print(
                "skipped: no program of Stateright's (give its path, or with cargo that of its package, or set STATERIGHT_RAFT)"
            )
        elif not compare(program, arguments.log_max):
            sys.exit("the counts differ")


if __name__ == "__main__":
    main()
