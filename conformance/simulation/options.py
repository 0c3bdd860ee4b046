"""The options of simulated clusters: read from text, or drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.raft.types import NO_LIMIT
from kubeproof.impl.sim.streams import Stream

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULTS: Mapping[str, Any] = asdict(Settings())
BOOLEANS = {"true": True, "false": False}


def read_options(texts: Iterable[str]) -> dict[str, Any]:
    """Settings from texts like `pre_vote`, `max_inflight_msgs=4`, `disk_ms=1-5`; InvalidInput for anything else."""
    return dict(_read_option(text) for text in texts)


def _read_option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if name not in DEFAULTS:
        raise InvalidInput("--option", None, f"unknown option {name!r} (known: {', '.join(DEFAULTS)})")
    default = DEFAULTS[name]
    if isinstance(default, bool):
        if not equals or value in BOOLEANS:
            return name, not equals or BOOLEANS[value]
        raise InvalidInput("--option", None, f"{name} is true or false, not {value!r}")
    parts = value.split("-") if isinstance(default, tuple) else [value]
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        shape = "a number or FROM-TO" if isinstance(default, tuple) else "a number"
        raise InvalidInput("--option", None, f"{name} is {shape}, not {value!r}")
    numbers = [int(part) for part in parts]
    if numbers[0] > numbers[-1]:
        raise InvalidInput("--option", None, f"{name} goes from the smaller to the larger number, not {value!r}")
    return name, (numbers[0], numbers[-1]) if isinstance(default, tuple) else numbers[0]


def changed_options(given: DataclassInstance) -> dict[str, Any]:
    """The fields that are not the defaults, by name."""
    return {field.name: value for field in fields(given) if (value := getattr(given, field.name)) != field.default}


def varied_settings(seed: int) -> Settings:
    """Options of every kind, drawn from the seed.

    Asynchronous storage writes come with `vote_request_after_write`: the order of the original has a known hole (docs/faults.md,
    vote_request_before_write), which is shown where it is asked for. Reads are never lease-based: those are linearizable only
    under a bound on clocks that varied worlds do not keep.
    """
    stream = Stream(seed, "settings")
    asynchronous = stream.chance(0.35)
    slow = stream.choose((0, 0, 2, 8))
    return Settings(
        election_tick=stream.choose((6, 10)),
        heartbeat_tick=stream.choose((1, 2, 3)),
        pre_vote=stream.chance(0.5),
        check_quorum=stream.chance(0.5),
        async_storage_writes=asynchronous,
        vote_request_after_write=asynchronous,
        step_down_on_removal=stream.chance(0.5),
        disable_proposal_forwarding=stream.chance(0.2),
        max_size_per_msg=stream.choose((NO_LIMIT, NO_LIMIT, 1, 30, 100)),
        max_committed_size_per_ready=stream.choose((0, 0, 1, 60)),
        max_uncommitted_entries_size=stream.choose((0, 0, 40)),
        max_inflight_msgs=stream.choose((256, 256, 1, 4)),
        disk_ms=stream.choose(((0, 0), (0, 1), (1, 3), (1, 15))),
        apply_ms=(0, slow),
        answer_ms=stream.choose(((0, 0), (0, 0), (0, 10))),
        apply_while_writing=stream.chance(0.3),
        snapshot_every=stream.choose((0, 0, 5, 30)),
        keep_entries=stream.choose((0, 3, 10)),
    )
