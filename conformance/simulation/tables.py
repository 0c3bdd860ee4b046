"""The tables in docs/ that are made from code: `python -m kubeproof.conformance.simulation.tables` makes them anew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubeproof.conformance.simulation.options import DEFAULTS
from kubeproof.conformance.simulation.registry import FAULTS
from kubeproof.conformance.trace.raft import PROPERTIES
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS
from kubeproof.impl.raft.types import NO_LIMIT

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("simulation.md", "faults.md", "checking-traces.md")
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Every table as Markdown, by name."""
    layers = ("library", "application", "original")
    return {
        "environment": _table(("`--faults`", "what happens"), [(f"`{k}`", v) for k, v in ENVIRONMENT_FAULTS.items()]),
        "options": _table(("`--option`", "default"), [(f"`{name}`", _shown(value)) for name, value in DEFAULTS.items()]),
        "properties": _table(("property", "what it says", "source"), [(f"`{p.id}`", p.sentence, p.source) for p in PROPERTIES]),
        **{layer: _faults(layer) for layer in layers},
    }


def with_tables(page: str) -> str:
    """A page with each table between its marks replaced by the present one."""
    current = tables()
    return TABLE.sub(lambda match: match[1] + current[match[2]] + match[3], page)


def _faults(layer: str) -> str:
    rows = [
        (f"`{fault.name}`", fault.reference, fault.sentence, fault.kind, f"`{fault.breaks}`", _options(fault.options))
        for fault in FAULTS.values()
        if fault.layer == layer
    ]
    return _table(("`--bug`", "reference", "what is wrong", "kind", "breaks", "needs"), rows)


def _options(options: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}={_shown(value)}`" for name, value in options.items())


def _shown(value: object) -> str:
    if value == NO_LIMIT:
        return "no limit"
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return str(value).lower()


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for path in (DOCS / page for page in PAGES):
        path.write_text(with_tables(path.read_text()))
