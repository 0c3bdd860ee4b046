"""Implementations by name, as `--node` and scenarios call them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from kubeproof.conformance.adapters import etcd_raft_go
from kubeproof.conformance.adapters.pysyncobj import PySyncObj, versions
from kubeproof.conformance.adapters.raftos import Raftos
from kubeproof.conformance.adapters.raftos.release import RELEASE
from kubeproof.conformance.nodes.child import Child
from kubeproof.conformance.nodes.node import Node
from kubeproof.conformance.nodes.reference import Reference
from kubeproof.conformance.verdict import InvalidInput

REFERENCE = "reference"
"""impl/raft."""
PYSYNCOBJ = "pysyncobj-"
RAFTOS = f"raftos-{RELEASE.package.version}"

Options = Mapping[str, int | bool]
"""How nodes are configured: what is not given is as the implementation has it by default."""


def not_installed(name: str) -> str | None:
    """How to get an implementation that is not on this machine; None if it is."""
    if name == etcd_raft_go.PROGRAM:
        return etcd_raft_go.why_not_built()
    if name == RAFTOS:
        return RELEASE.missing()
    version = name.removeprefix(PYSYNCOBJ)
    return versions.release(version).missing() if version in versions.SHA256 else None


def node_of(name: str, members: int, options: Options) -> Node:
    """The implementation of this name, for clusters of so many members. InvalidInput if there is none, or it is not here."""
    if missing := not_installed(name):
        raise InvalidInput("node", None, missing)
    if name == REFERENCE:
        return Reference(members, options)
    if name == etcd_raft_go.PROGRAM:
        return Child(shlex.quote(str(etcd_raft_go.built())), members, options)
    if is_program(name):
        return Child(name, members, options)
    if name == RAFTOS:
        _only(options)
        return Raftos(members)
    return _pysyncobj(name.removeprefix(PYSYNCOBJ), members, options)


def is_program(name: str) -> bool:
    """Whether it is the command line of a program (nodes/child.py), which may be another program the next time."""
    return not name.startswith(PYSYNCOBJ) and name not in (REFERENCE, etcd_raft_go.PROGRAM, RAFTOS)


def digests(name: str) -> tuple[str, ...]:
    """Those of the files that a command line names, by which one sees that it is another program. (Imports are not known.)"""
    if not is_program(name):
        return ()
    named = [Path(word) for word in shlex.split(name)]
    return tuple([sha256(path.read_bytes()).hexdigest() for path in named if path.is_file()])


def answers_as_reference(name: str) -> bool:
    """Whether it has the options of the reference, and tells of itself in its words (nodes/words.py)."""
    return name in (REFERENCE, etcd_raft_go.PROGRAM)


def require_no_program(where: str, name: str | None) -> None:
    """InvalidInput if a file names a program: nothing is executed because a file says so, only what the user does."""
    if name is not None and is_program(name):
        expected = f"one of {', '.join(NAMES)}, or a program that is given by --node"
        raise InvalidInput(where, None, f"node: expected {expected}, got {name}")


VERSIONS = tuple(f"{PYSYNCOBJ}{version}" for version in versions.SHA256)
NAMES = (REFERENCE, etcd_raft_go.PROGRAM, RAFTOS, *VERSIONS)


def _pysyncobj(version: str, members: int, options: Options) -> Node:
    if version not in versions.SHA256:
        raise InvalidInput("node", None, f"expected {' or '.join(VERSIONS)}, got {PYSYNCOBJ}{version}")
    _only(options, "command_bytes", "batch_bytes")
    return PySyncObj(version, members, **options)


def _only(options: Options, *known: str) -> None:
    for name in options:
        if name not in known:
            raise InvalidInput("node", None, f"expected {' and '.join(known) or 'none'} as options of this node, got {name}")
