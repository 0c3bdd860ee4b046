"""The interaction suite: each command of its files, with its arguments, as calls to the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubeproof.conformance.interaction.datadriven import (
    BadDirective,
    Directive,
    parse_bool,
    scan_bool,
    scan_signed,
    scan_unsigned,
)
from kubeproof.conformance.interaction.environment import CommandError, Environment, Node
from kubeproof.conformance.interaction.output import LEVELS, NONE
from kubeproof.conformance.limits import Limits
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeTransition,
    ConfChangeV2,
    conf_changes_from_string,
)
from kubeproof.impl.raft.config import ReadOnlyOption
from kubeproof.impl.raft.errors import RaftError
from kubeproof.impl.raft.go_quote import go_quote
from kubeproof.impl.raft.tracker import progress_lines
from kubeproof.impl.raft.types import MessageType, Snapshot, StateType

MAX_NODES = 100
"""More nodes, members or changes at once than a real group has are refused: each costs time with every other one."""

MAX_INDEX = 2**63


class InteractionSuite:
    """One environment for each file; the log level and everything else lasts from directive to directive."""

    def __init__(self, limits: Limits) -> None:
        self._environment = Environment(limits)

    def handle(self, directive: Directive) -> str:
        """What the command prints, its error included; `ok` if that is nothing."""
        output = self._environment.output
        output.take()
        self._environment.check_limits()
        try:
            if directive.command not in COMMANDS:
                raise CommandError("unknown command")
            COMMANDS[directive.command](self._environment, directive)
        except (CommandError, RaftError) as error:
            if output.level == NONE:  # errors are never suppressed
                return str(error)
            output.write(str(error))
        return output.take() or "ok"


def _first(directive: Directive) -> str:
    if not directive.arguments:
        raise BadDirective("an argument is missing")
    return directive.arguments[0].key


def _first_node(environment: Environment, directive: Directive) -> Node:
    return environment.node(scan_signed(_first(directive)))


def _nodes(environment: Environment, directive: Directive) -> list[Node]:
    keys = directive.positional()
    if len(keys) > MAX_NODES:
        raise BadDirective(f"more than {MAX_NODES} nodes")
    return [environment.node(scan_signed(key)) for key in keys]


def _two_ids(directive: Directive) -> tuple[int, int]:
    ids = [scan_unsigned(key) for key in directive.positional()]
    if len(ids) != 2:
        raise BadDirective(f"needs two nodes, has {len(ids)}")
    return ids[0], ids[1]


def _breakpoint(_: Environment, __: Directive) -> None:
    """A place for a debugger; does nothing."""


def _add_nodes(environment: Environment, directive: Directive) -> None:
    count = scan_signed(_first(directive))
    if len(environment.nodes) + count > MAX_NODES:
        raise BadDirective(f"more than {MAX_NODES} nodes")
    options: dict[str, Any] = {}
    snapshot = Snapshot()
    for argument in directive.arguments[1:]:
        for value in argument.values:
            if argument.key in _CONFIG_OPTIONS:
                name, scan = _CONFIG_OPTIONS[argument.key]
                options[name] = scan(value)
            else:
                snapshot = _snapshot_option(snapshot, argument.key, value)
    environment.add_nodes(count, {"applied": snapshot.index, **options}, snapshot)


def _snapshot_option(snapshot: Snapshot, key: str, value: str) -> Snapshot:
    """The snapshot with one option changed. Options that do not exist change nothing, as in etcd's harness."""
    members = snapshot.conf_state
    match key:
        case "voters":
            return snapshot._replace(conf_state=members._replace(voters=_joined(members.voters, value)))
        case "learners":
            return snapshot._replace(conf_state=members._replace(learners=_joined(members.learners, value)))
        case "index":
            return snapshot._replace(index=_first_index(value))
        case "content":
            raise BadDirective("content cannot be given: the format has no type for bytes")
    return snapshot


_READ_ONLY_OPTIONS = {"safe": ReadOnlyOption.ReadOnlySafe, "lease-based": ReadOnlyOption.ReadOnlyLeaseBased}


def _scan_read_only_option(value: str) -> ReadOnlyOption:
    if value not in _READ_ONLY_OPTIONS:
        raise CommandError(f"invalid read-only option {go_quote(value.encode())}")
    return _READ_ONLY_OPTIONS[value]


_CONFIG_OPTIONS: dict[str, tuple[str, Callable[[str], object]]] = {
    "async-storage-writes": ("async_storage_writes", scan_bool),
    "checkquorum": ("check_quorum", scan_bool),
    "disable-conf-change-validation": ("disable_conf_change_validation", scan_bool),
    "inflight": ("max_inflight_msgs", scan_signed),
    "max-committed-size-per-ready": ("max_committed_size_per_ready", scan_unsigned),
    "prevote": ("pre_vote", scan_bool),
    "read-only": ("read_only_option", _scan_read_only_option),
    "step-down-on-removal": ("step_down_on_removal", scan_bool),
}


def _first_index(value: str) -> int:
    index = scan_unsigned(value)
    if index > MAX_INDEX:
        raise BadDirective(f"a log that begins at {index} could reach 2**64, where Go's indexes begin again at 0")
    return index


def _joined(members: tuple[int, ...], value: str) -> tuple[int, ...]:
    if len(members) == MAX_NODES:
        raise BadDirective(f"more than {MAX_NODES} members")
    return (*members, scan_unsigned(value))


def _campaign(environment: Environment, directive: Directive) -> None:
    _first_node(environment, directive).raw.campaign()


def _compact(environment: Environment, directive: Directive) -> None:
    node = _first_node(environment, directive)
    if len(directive.arguments) < 2:
        raise BadDirective("needs a node and an index")
    index = scan_unsigned(directive.arguments[1].key)
    if index > node.storage.last_index():
        raise BadDirective(f"index {index} is beyond the last index {node.storage.last_index()}")
    node.storage.compact(index)
    environment.print_log(node)


def _deliver_msgs(environment: Environment, directive: Directive) -> None:
    recipients: dict[int, bool] = {}  # id -> drop
    kind: MessageType | None = None
    for argument in directive.arguments:
        if not argument.values:
            _add_recipient(recipients, argument.key, drop=False)
        for value in argument.values:
            match argument.key:
                case "drop":
                    _add_recipient(recipients, value, drop=True)
                case "type":
                    kind = _message_type(value)
    if not sum([environment.deliver(node, kind, drop=drop) for node, drop in recipients.items()]):
        environment.output.write("no messages\n")


def _add_recipient(recipients: dict[int, bool], text: str, *, drop: bool) -> None:
    node = scan_unsigned(text)
    if len(recipients) == MAX_NODES:
        raise BadDirective(f"more than {MAX_NODES} recipients")
    if recipients.setdefault(node, drop) != drop:
        raise BadDirective(f"can't both deliver and drop messages to {node}")


def _message_type(name: str) -> MessageType:
    if name not in MessageType.__members__:
        raise BadDirective(f"unknown message type {name[:60]!a}")
    return MessageType[name]


def _forget_leader(environment: Environment, directive: Directive) -> None:
    _first_node(environment, directive).raw.forget_leader()


def _log_level(environment: Environment, directive: Directive) -> None:
    _set_level(environment, _first(directive))


def _set_level(environment: Environment, name: str) -> None:
    if name.upper() not in LEVELS:
        raise CommandError(f"log levels must be either of [{' '.join(LEVELS)}]")
    environment.output.level = LEVELS.index(name.upper())


def _process(title: str, work: Callable[[Environment, Node], None]) -> Callable[[Environment, Directive], None]:
    """A command that lets each of the nodes given do one piece of work, with headers if there are several."""

    def command(environment: Environment, directive: Directive) -> None:
        nodes = _nodes(environment, directive)
        for node in nodes:
            if len(nodes) > 1:
                environment.section(node, title, lambda node: work(environment, node))
            else:
                work(environment, node)

    return command


def _propose(environment: Environment, directive: Directive) -> None:
    node = _first_node(environment, directive)
    if len(directive.arguments) != 2 or directive.arguments[1].values:
        raise BadDirective("needs a node and the data, which must not be of the form key=value")
    node.raw.propose(directive.arguments[1].key.encode())


def _propose_conf_change(environment: Environment, directive: Directive) -> None:
    node_id = scan_signed(_first(directive))
    v1 = False
    transition = ConfChangeTransition.ConfChangeTransitionAuto
    for argument in directive.arguments[1:]:
        for value in argument.values:
            match argument.key:
                case "v1":
                    v1 = _v1_flag(value)
                case "transition":
                    transition = _transition(value)
                case _:
                    raise CommandError(f"unknown command {argument.key}")
    change = _conf_change(directive.input, v1, transition)
    environment.node(node_id).raw.propose_conf_change(change)


def _v1_flag(value: str) -> bool:
    flag = parse_bool(value)
    if flag is None:
        raise CommandError(f"strconv.ParseBool: parsing {go_quote(value.encode())}: invalid syntax")
    return flag


_TRANSITIONS = {
    "auto": ConfChangeTransition.ConfChangeTransitionAuto,
    "implicit": ConfChangeTransition.ConfChangeTransitionJointImplicit,
    "explicit": ConfChangeTransition.ConfChangeTransitionJointExplicit,
}


def _transition(name: str) -> ConfChangeTransition:
    if name not in _TRANSITIONS:
        raise CommandError(f"unknown transition {name}")
    return _TRANSITIONS[name]


def _conf_change(text: str, v1: bool, transition: ConfChangeTransition) -> ConfChange | ConfChangeV2:
    try:
        changes = conf_changes_from_string(text)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if len(changes) > MAX_NODES:
        raise BadDirective(f"more than {MAX_NODES} changes")
    if not v1:
        return ConfChangeV2(transition, changes)
    if len(changes) > 1 or transition != ConfChangeTransition.ConfChangeTransitionAuto:
        raise CommandError("v1 conf change can only have one operation and no transition")
    if not changes:
        raise BadDirective("a v1 conf change needs an operation")
    return ConfChange(changes[0].type, changes[0].node_id)


def _raft_log(environment: Environment, directive: Directive) -> None:
    environment.print_log(_first_node(environment, directive))


def _raft_state(environment: Environment, _: Directive) -> None:
    environment.print_states()


def _report_unreachable(environment: Environment, directive: Directive) -> None:
    if len(directive.positional()) != 2:
        raise CommandError("must specify exactly two node indexes: node on which to report, and reported node")
    reporter, reported = _nodes(environment, directive)
    reporter.raw.report_unreachable(reported.id)


def _send_snapshot(environment: Environment, directive: Directive) -> None:
    source, target = _two_ids(directive)
    environment.send_snapshot(environment.node(source), target)


def _set_randomized_election_timeout(environment: Environment, directive: Directive) -> None:
    node = _first_node(environment, directive)
    timeout = scan_signed(directive.value("timeout"))
    if timeout == 0:
        raise BadDirective("the timeout must not be 0")
    node.raw.raft.randomized_election_timeout = timeout


def _stabilize(environment: Environment, directive: Directive) -> None:
    nodes = _nodes(environment, directive) or environment.nodes
    level = environment.output.level
    try:
        for argument in directive.arguments:
            for value in argument.values:
                if argument.key == "log-level":
                    _set_level(environment, value)
        environment.stabilize(nodes)
    finally:
        environment.output.level = level


def _status(environment: Environment, directive: Directive) -> None:
    raft = _first_node(environment, directive).raw.raft
    if raft.state is StateType.StateLeader:
        environment.output.write(progress_lines(raft.tracker.progress))


def _tick_election(environment: Environment, directive: Directive) -> None:
    node = _first_node(environment, directive)
    _tick(node, node.config.election_tick)


def _tick_heartbeat(environment: Environment, directive: Directive) -> None:
    node = _first_node(environment, directive)
    _tick(node, node.config.heartbeat_tick)


def _tick(node: Node, times: int) -> None:
    for _ in range(times):
        node.raw.tick()


def _transfer_leadership(environment: Environment, directive: Directive) -> None:
    source = environment.node(scan_unsigned(directive.value("from")))
    target = environment.node(scan_unsigned(directive.value("to")))
    source.raw.transfer_leader(target.id)


COMMANDS: dict[str, Callable[[Environment, Directive], None]] = {
    "_breakpoint": _breakpoint,
    "add-nodes": _add_nodes,
    "campaign": _campaign,
    "compact": _compact,
    "deliver-msgs": _deliver_msgs,
    "forget-leader": _forget_leader,
    "log-level": _log_level,
    "process-append-thread": _process("processing append thread", Environment.process_append_thread),
    "process-apply-thread": _process("processing apply thread", Environment.process_apply_thread),
    "process-ready": _process("handling Ready", Environment.process_ready),
    "propose": _propose,
    "propose-conf-change": _propose_conf_change,
    "raft-log": _raft_log,
    "raft-state": _raft_state,
    "report-unreachable": _report_unreachable,
    "send-snapshot": _send_snapshot,
    "set-randomized-election-timeout": _set_randomized_election_timeout,
    "stabilize": _stabilize,
    "status": _status,
    "tick-election": _tick_election,
    "tick-heartbeat": _tick_heartbeat,
    "transfer-leadership": _transfer_leadership,
}
