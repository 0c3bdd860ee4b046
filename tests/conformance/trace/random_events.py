"""Random events for the Raft checker, most of them such as its own view of the cluster allows: so they come far."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, get_args

from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import CannotBeJudged, RaftChecker, Violation

NODES = ("1", "2", "3")
HUGE = (2**31, 2**61 - 1, 2**62, 2**63 - 1)


class Script:
    """A growing sequence that the checker has accepted so far."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.checker = RaftChecker({} if self.random.random() < 0.3 else None)
        self.accepted: list[Any] = []
        self.sent: list[events.Message] = []
        self.noise = self.random.choice((0.02, 0.1, 0.4))

    def run(self, length: int) -> None:
        """Take the events. One that is rejected is left out, and its effects are taken back."""
        todo = self.beginning()
        for _ in range(length):
            event = todo.pop(0) if todo else self.next()
            try:
                self.checker.take(len(self.accepted) + 1, event)
            except (Violation, CannotBeJudged) as rejection:
                assert str(rejection)
                self.checker = RaftChecker()
                for line, accepted in enumerate(self.accepted, 1):
                    self.checker.take(line, accepted)
            else:
                self.accepted.append(event)

    # -- plausible

    def beginning(self) -> list[Any]:
        """One node or two that start alike, and often a leader."""
        nodes, stored = self.random.choice((("1",), ("1", "2"))), self.random.choice((0, 0, 3, 2**62))
        found: list[Any] = []
        for node in nodes:
            found += [
                events.Start(actor=node, state=events.State(commit=stored, last_index=stored)),
                events.ApplyConfChange(actor=node, args=events.ApplyConfChangeArgs(voters=nodes)),
                events.BecomeFollower(actor=node, state=events.State(term=0, commit=stored)),
            ]
        found.append(events.BecomeCandidate(actor="1"))
        vote = events.Message(type="MsgVoteResp", from_="1", to="1", term=1)
        return [
            *found,
            events.Send(actor="1", message=vote),
            events.Receive(actor="1", message=vote),
            events.BecomeLeader(actor="1"),
        ]

    def next(self) -> Any:
        nodes = list(self.checker._cluster.nodes.values())
        if not nodes or self.random.random() < self.noise:
            return self.anything()
        node, chance = self.random.choice(nodes), self.random.random()
        if node.starting and chance < 0.6:
            return events.BecomeFollower(actor=node.id, state=events.State(term=self.random.choice((0, 1))))
        choices: list[Callable[[Any], Any]] = [self.acknowledge, self.receive, self.receive, self.ready, self.apply, self.change]
        choices += {"StateLeader": [self.lead] * 6, "StateCandidate": [self.campaign] * 4}.get(node.role, [self.candidate])
        choices += [self.restart] if chance < 0.2 else []
        return self.random.choice(choices)(node)

    def send(self, node: Any, type_: events.MessageType, to: str, **fields: Any) -> events.Send:
        message = events.Message(type=type_, from_=node.id, to=to, term=node.term, **fields)
        self.sent.append(message)
        return events.Send(actor=node.id, message=message)

    def acknowledge(self, node: Any) -> Any:
        if node.handling is None:
            return self.send(node, "MsgAppResp", node.id, index=node.log.last)
        vote = node.handling.type == "MsgVote"
        return self.send(node, "MsgVoteResp" if vote else "MsgAppResp", node.handling.from_, index=0 if vote else node.log.last)

    def receive(self, node: Any) -> Any:
        mine = [message for message in self.sent if message.to == node.id]
        return events.Receive(actor=node.id, message=self.random.choice(mine[-6:])) if mine else events.Ready(actor=node.id)

    def ready(self, node: Any) -> Any:
        return events.Ready(actor=node.id)

    def apply(self, node: Any) -> Any:
        index = self.random.choice((node.commit, (node.applied or 0) + 1))
        return events.Apply(actor=node.id, args=events.ApplyArgs(index=index, term=node.term, payload=self.maybe("61")))

    def change(self, node: Any) -> Any:
        voters = tuple(dict.fromkeys((*node.voters, self.random.choice(NODES))))
        outgoing = self.maybe(self.random.choice(((), node.voters)))
        return events.ApplyConfChange(actor=node.id, args=events.ApplyConfChangeArgs(voters=voters, voters_outgoing=outgoing))

    def restart(self, node: Any) -> Any:
        last = self.random.choice((node.log.last, node.log.last, node.commit, 0))
        return events.Start(actor=node.id, state=events.State(commit=0, last_index=last))

    def candidate(self, node: Any) -> Any:
        return self.random.choice((events.BecomeCandidate, events.BecomePreCandidate))(actor=node.id)

    def campaign(self, node: Any) -> Any:
        last, to = node.log, self.random.choice(NODES)
        return self.random.choice(
            (
                events.BecomeLeader(actor=node.id),
                self.send(node, "MsgVoteResp", node.id),
                self.send(node, "MsgVote", to, index=last.last, log_term=last.last_term() or 0),
            )
        )

    def lead(self, node: Any) -> Any:
        index, to = self.random.randint(max(0, node.log.last - 5), node.log.last), self.random.choice(NODES)
        term, count, known = node.log.at(index).last_term() or 0, node.log.last - index, min(node.commit, node.log.last)
        change = events.Change(
            type=self.random.choice(("ConfChangeAddNode", "ConfChangeRemoveNode")), node=self.random.choice(NODES)
        )
        return self.random.choice(
            (
                events.Replicate(actor=node.id, args=events.ReplicateArgs(payload=self.maybe("62"))),
                events.ChangeConf(actor=node.id, args=events.ChangeConfArgs(changes=(change,))),
                events.Commit(actor=node.id, state=events.State(commit=node.log.last)),
                self.send(node, "MsgApp", to, index=index, log_term=term, entry_count=count, commit=known),
                self.send(node, "MsgSnap", to, snapshot=events.Snapshot(index=node.commit)),
                self.send(node, "MsgHeartbeat", to, commit=known),
                self.send(node, "MsgAppResp", node.id, index=node.log.last),
            )
        )

    # -- anything

    def maybe(self, value: Any) -> Any:
        return value if self.random.random() < 0.6 else None

    def number(self) -> int:
        return self.random.choice((0, 1, 1, 2, 3)) if self.random.random() < 0.9 else self.random.choice(HUGE)

    def id(self) -> str:
        return self.random.choice(NODES) if self.random.random() < 0.9 else self.random.choice(("", "4"))

    def ids(self) -> tuple[str, ...]:
        return tuple(self.id() for _ in range(self.random.choice((0, 1, 2, 3))))

    def state(self) -> events.State:
        role: events.Role = self.random.choice(("StateFollower", "StatePreCandidate", "StateCandidate", "StateLeader"))
        return events.State(
            term=self.maybe(self.number()),
            vote=self.maybe(self.id()),
            commit=self.maybe(self.number()),
            role=self.maybe(role),
            last_index=self.maybe(self.number()),
            voters=self.maybe(self.ids()),
            voters_outgoing=self.maybe(()) if self.random.random() < 0.7 else self.ids(),
        )

    def message(self, actor: str) -> events.Message:
        message = events.Message(
            type=self.random.choice(get_args(events.MessageType)),
            from_=actor if self.random.random() < 0.8 else self.id(),
            to=self.id(),
            term=self.number(),
            log_term=self.number(),
            index=self.number(),
            entries=tuple(events.Entry(term=self.number(), payload="61") for _ in range(self.random.choice((0, 0, 1, 2)))),
            entry_count=self.maybe(self.number()),
            commit=self.number(),
            snapshot=self.maybe(events.Snapshot(index=self.number(), voters=self.maybe(self.ids()))),
            reject=self.random.random() < 0.2,
            reject_hint=self.number(),
        )
        self.sent.append(message)
        return message

    def anything(self) -> Any:
        actor, state = self.random.choice(NODES), self.maybe(self.state())
        plain = (events.Start, events.BecomeFollower, events.BecomePreCandidate, events.BecomeCandidate, events.BecomeLeader)
        change = events.Change(type="ConfChangeAddNode", node=self.id())
        voters, outgoing = self.ids(), self.maybe(self.ids())
        payload, read = self.maybe("61"), str(self.random.randrange(9))
        return self.random.choice(
            (
                self.random.choice((*plain, events.Commit, events.Ready, events.Crash, events.Heal))(actor=actor, state=state),
                self.random.choice((events.Send, events.Receive, events.Drop, events.Duplicate))(
                    actor=actor, state=state, message=self.message(actor)
                ),
                events.Replicate(
                    actor=actor, state=state, args=self.maybe(events.ReplicateArgs(index=self.maybe(self.number())))
                ),
                events.ChangeConf(
                    actor=actor, state=state, args=events.ChangeConfArgs(changes=(change,) * self.random.randrange(3))
                ),
                events.ApplyConfChange(
                    actor=actor, state=state, args=events.ApplyConfChangeArgs(voters=voters, voters_outgoing=outgoing)
                ),
                events.Apply(
                    actor=actor, state=state, args=events.ApplyArgs(index=self.number(), term=self.number(), payload=payload)
                ),
                events.ReadRequest(actor=actor, args=events.ReadRequestArgs(id=read)),
                events.ReadServed(actor=actor, args=events.ReadServedArgs(id=read, index=self.number())),
                events.Partition(actor=actor, args=events.PartitionArgs(groups=(voters,))),
            )
        )
