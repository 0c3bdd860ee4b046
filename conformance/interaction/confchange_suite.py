"""etcd-io/raft's confchange suite: membership changes on an empty tracker, without any Raft node."""

from __future__ import annotations

from kubeproof.conformance.interaction.datadriven import BadDirective, Directive, scan_bool
from kubeproof.impl.raft.confchange import Changer, ConfChangeError, ConfChangeSingle, Membership, conf_changes_from_string
from kubeproof.impl.raft.tracker import ProgressTracker, progress_lines

COMMANDS = frozenset({"simple", "enter-joint", "leave-joint"})

MAX_MEMBERS = 1000
"""More members than a real cluster has; a file that asks for more is refused instead of worked on for hours."""

_MAX_INFLIGHT = 10


class ConfChangeSuite:
    """One tracker for each file. The last index grows with every directive, also with one that fails."""

    def __init__(self) -> None:
        self._tracker = ProgressTracker(_MAX_INFLIGHT)
        self._last_index = 0

    def handle(self, directive: Directive) -> str:
        """The new configuration and progress, or the reason why there is none."""
        changer = Changer(self._tracker, self._last_index)
        self._last_index += 1
        try:
            changes = conf_changes_from_string(directive.input)
        except ValueError as error:
            return str(error)
        if len(changes) + len(self._tracker.progress) > MAX_MEMBERS:
            raise BadDirective(f"more than {MAX_MEMBERS} changes and members")
        if directive.command not in COMMANDS:
            return "unknown command"
        try:
            config, progress = _change(changer, directive, changes)
        except ConfChangeError as error:
            return str(error)
        self._tracker = self._tracker.with_config(config, progress)
        return f"{config}\n{progress_lines(progress)}"


def _change(changer: Changer, directive: Directive, changes: tuple[ConfChangeSingle, ...]) -> Membership:
    match directive.command:
        case "simple":
            return changer.simple(changes)
        case "enter-joint":
            auto_leave = bool(directive.arguments) and scan_bool(directive.value("autoleave"))
            return changer.enter_joint(auto_leave, changes)
    if changes:
        raise ConfChangeError("this command takes no input")
    return changer.leave_joint()
