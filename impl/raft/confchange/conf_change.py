"""Requests to change the membership: their two generations, their text forms (etcd raftpb/confchange.go)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from kubeproof.impl.raft.go_quote import go_quote
from kubeproof.impl.raft.types import NO_ID


class ConfChangeType(IntEnum):
    """What happens to one node; numbered as on etcd's wire."""

    ConfChangeAddNode = 0
    ConfChangeRemoveNode = 1
    ConfChangeUpdateNode = 2
    ConfChangeAddLearnerNode = 3

    __hash__ = int.__hash__


class ConfChangeTransition(IntEnum):
    """Whether joint consensus is used and who ends it; numbered as on etcd's wire.

    Auto: joint only if there is more than one change, left by the leader. JointImplicit: always joint, left by the leader.
    JointExplicit: always joint, left by an empty ConfChangeV2 that the application proposes.
    """

    ConfChangeTransitionAuto = 0
    ConfChangeTransitionJointImplicit = 1
    ConfChangeTransitionJointExplicit = 2

    __hash__ = int.__hash__


class ConfChangeSingle(NamedTuple):
    """One change of one node. A node id of 0 makes it a no-op."""

    type: ConfChangeType
    node_id: int


class ConfChangeV2(NamedTuple):
    """Changes that take effect together; none at all leaves a joint configuration.

    `transition` None is "not set", which means Auto: the two differ in nothing but the encoded size. `context` is the
    application's.
    """

    transition: ConfChangeTransition | None = None
    changes: tuple[ConfChangeSingle, ...] = ()
    context: bytes = b""

    def as_v2(self) -> ConfChangeV2:
        return self

    def enter_joint(self) -> tuple[bool, bool]:
        """(auto_leave, joint): whether joint consensus is used, and if so, whether the leader ends it by itself."""
        auto = not self.transition
        joint = not auto or len(self.changes) > 1
        return joint and self.transition != ConfChangeTransition.ConfChangeTransitionJointExplicit, joint

    def leave_joint(self) -> bool:
        """Whether this asks to leave the joint configuration; the context does not matter."""
        return not self.transition and not self.changes


class ConfChange(NamedTuple):
    """The older form, one change without joint consensus. `id` is for the application to recognise it."""

    type: ConfChangeType
    node_id: int = NO_ID
    context: bytes = b""
    id: int = 0

    def as_v2(self) -> ConfChangeV2:
        """The same change in the newer form."""
        return ConfChangeV2(changes=(ConfChangeSingle(self.type, self.node_id),), context=self.context)


_LETTERS = {
    ConfChangeType.ConfChangeAddNode: "v",
    ConfChangeType.ConfChangeAddLearnerNode: "l",
    ConfChangeType.ConfChangeRemoveNode: "r",
    ConfChangeType.ConfChangeUpdateNode: "u",
}
_TYPES = {letter: change for change, letter in _LETTERS.items()}


def conf_changes_to_string(changes: Iterable[ConfChangeSingle]) -> str:
    """Short form: `v1 l2 r3 u4` adds voter 1 and learner 2, removes 3, updates 4."""
    return " ".join(f"{_LETTERS[change.type]}{change.node_id}" for change in changes)


def conf_changes_from_string(text: str) -> tuple[ConfChangeSingle, ...]:
    """Read the short form. ValueError, with etcd's words, for what it does not allow."""
    tokens = text.strip().split(" ") if text.strip() else []
    return tuple(map(_parse_change, tokens))


def _parse_change(token: str) -> ConfChangeSingle:
    if len(token.encode()) < 2:
        raise ValueError(f"unknown token {token}")
    if token[0] not in _TYPES:
        raise ValueError(f"unknown input: {token}")
    return ConfChangeSingle(_TYPES[token[0]], _parse_id(token[1:]))


def _parse_id(digits: str) -> int:
    """Go's strconv.ParseUint(digits, 10, 64), error texts included."""
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"strconv.ParseUint: parsing {go_quote(digits.encode())}: invalid syntax")
    significant = digits.lstrip("0")
    if len(significant) > 20 or int(significant or "0") >= 2**64:
        raise ValueError(f"strconv.ParseUint: parsing {go_quote(digits.encode())}: value out of range")
    return int(significant or "0")


def describe_conf_change(change: ConfChange | ConfChangeV2) -> str:
    """Long form, as in etcd's log line: `transition:... changes:{type:... node_id:1} context:"..."`."""
    v2 = change.as_v2()
    parts = [f"transition:{(v2.transition or ConfChangeTransition.ConfChangeTransitionAuto).name}"]
    parts += [f"changes:{{type:{single.type.name} node_id:{single.node_id}}}" for single in v2.changes]
    if v2.context:
        parts.append(f"context:{go_quote(v2.context)}")
    return " ".join(parts)
