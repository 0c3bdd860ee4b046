"""etcd-io/raft's quorum suite: committed indexes and vote results of majority and joint configurations.

Whatever the reference computes is computed a second time in other ways (by counting, with the halves exchanged, joint with
itself or with nothing, with a straggler's index lowered); a line with `<--` tells of each way that disagrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kubeproof.conformance.interaction.datadriven import Argument, BadDirective, Directive, scan_unsigned
from kubeproof.impl.raft.quorum import INFINITY, JointConfig, MajorityConfig

COMMANDS = frozenset({"committed", "vote"})

MAX_VOTERS = 1000
"""The picture of n voters has n lines of n columns."""

_NO_INFORMATION, _NO, _YES = 0, 1, 2
_VOTES = {"_": _NO_INFORMATION, "n": _NO, "y": _YES}


class QuorumSuite:
    """Has no state: each directive stands alone."""

    def handle(self, directive: Directive) -> str:
        case = _read_case(directive.arguments)
        values = case.votes if directive.command == "vote" else case.indexes
        voters = case.joint.ids()
        if len(voters) > MAX_VOTERS:
            raise BadDirective(f"more than {MAX_VOTERS} voters")
        if len(values) != len(voters):
            return _mismatch(voters, values)
        known = dict(zip(dict.fromkeys([*case.incoming, *case.outgoing]), values, strict=True))
        known = {voter: value for voter, value in known.items() if value != _NO_INFORMATION}
        if directive.command == "vote":
            return _vote(case, {voter: value == _YES for voter, value in known.items()})
        if directive.command == "committed":
            return _committed(case, known)
        raise BadDirective("the quorum suite has no such command")


@dataclass(slots=True)
class _Case:
    """A directive's arguments, in the order given. Values are for the distinct voters in that order."""

    incoming: list[int] = field(default_factory=list)
    outgoing: list[int] = field(default_factory=list)
    is_joint: bool = False
    indexes: list[int] = field(default_factory=list)
    votes: list[int] = field(default_factory=list)

    @property
    def joint(self) -> JointConfig:
        return JointConfig(MajorityConfig(self.incoming), MajorityConfig(self.outgoing))


def _read_case(arguments: Iterable[Argument]) -> _Case:
    case = _Case()
    for argument in arguments:
        if not argument.values:
            continue
        match argument.key:
            case "cfg":
                case.incoming += map(scan_unsigned, argument.values)
            case "cfgj":
                case.is_joint = True
                if argument.values != ("zero",):
                    case.outgoing += map(scan_unsigned, argument.values)
            case "idx":
                case.indexes += map(_scan_index, argument.values)
            case "votes":
                case.votes += map(_scan_vote, argument.values)
            case _:
                raise BadDirective(f"unknown argument {argument.key[:60]!r}")
    return case


def _scan_index(text: str) -> int:
    if text == "_":
        return _NO_INFORMATION
    index = scan_unsigned(text)
    if index == 0:
        raise BadDirective("an index of 0 cannot be told from no information, which is written _")
    return index


def _scan_vote(text: str) -> int:
    if text not in _VOTES:
        raise BadDirective(f"expected y, n or _ as vote, not {text[:60]!r}")
    return _VOTES[text]


def _mismatch(voters: MajorityConfig, values: list[int]) -> str:
    ids = " ".join(f"{voter}:{{}}" for voter in sorted(voters))
    return f"error: mismatched input (explicit or _) for voters map[{ids}]: [{' '.join(map(_show_index, values))}]"


def _vote(case: _Case, votes: Mapping[int, bool]) -> str:
    result = case.joint.vote_result(votes)
    exchanged = JointConfig(case.joint.outgoing, case.joint.incoming).vote_result(votes)
    alarm = f"{exchanged.name} <-- via symmetry\n" if case.is_joint and exchanged != result else ""
    return f"{alarm}{result.name}\n"


def _committed(case: _Case, acked: Mapping[int, int]) -> str:
    joint = case.joint
    committed = joint.committed_index(acked.get) if case.is_joint else joint.incoming.committed_index(acked.get)
    others = _exchanged(joint, acked) if case.is_joint else _other_ways(joint.incoming, acked, committed)
    alarms = "".join(f"{_show_index(index)} <-- {way}\n" for way, index in others if index != committed)
    return f"{describe_indexes(joint.ids(), acked)}{alarms}{_show_index(committed)}\n"


def _exchanged(joint: JointConfig, acked: Mapping[int, int]) -> Iterator[tuple[str, int]]:
    yield "via symmetry", JointConfig(joint.outgoing, joint.incoming).committed_index(acked.get)


def _other_ways(config: MajorityConfig, acked: Mapping[int, int], committed: int) -> Iterator[tuple[str, int]]:
    """Other computations that must come to the same index."""
    yield "via alternative computation", committed_by_counting(config, acked.get)
    yield "via zero-joint quorum", JointConfig(config).committed_index(acked.get)
    yield "via self-joint quorum", JointConfig(config, config).committed_index(acked.get)
    for voter in sorted(config):
        index = acked.get(voter, 0)
        if 0 < index < committed:  # whoever is below the committed index may be anywhere below it
            for lower in (index - 1, 0):
                yield f"overlaying {voter}->{lower}", config.committed_index({**acked, voter: lower}.get)


def committed_by_counting(config: MajorityConfig, acked: Callable[[int], int | None]) -> int:
    """The committed index by its definition: the largest acknowledged index that a majority has reached."""
    if not config:
        return INFINITY
    indexes = [acked(voter) or 0 for voter in config]
    reached = (index for index in indexes if sum(other >= index for other in indexes) > len(config) // 2)
    return max(reached, default=0)


def describe_indexes(voters: MajorityConfig, acked: Mapping[int, int]) -> str:
    """A bar chart: the further a voter's index is in the order of all, the longer its bar."""
    if not voters:
        return "<empty majority quorum>"
    size = len(voters)
    ordered = sorted(acked.get(voter, 0) for voter in voters)
    lines = [" " * size + "    idx\n"]
    for voter in sorted(voters):
        index = acked.get(voter, 0)
        length = ordered.index(index)
        bar = "x" * length + ">" + " " * (size - length) if voter in acked else "?" + " " * size
        lines.append(f"{bar} {index:5d}    (id={voter:x})\n")
    return "".join(lines)


def _show_index(index: int) -> str:
    return "∞" if index == INFINITY else str(index)
