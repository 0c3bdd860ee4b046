from dataclasses import dataclass
from kubeproof.conformance.trace import raft_events as R


@dataclass
class Violation:
    property: str
    message: str


class _C:
    def __init__(self):
        self.log = {}
        self.lead = {}
        self.commit = 0
        self.reads = {}

    def take(self, event):
        t = type(event)
        if t is R.Panic:
            return Violation("no_panic", event.args.reason)
        if t is R.Apply:
            a = event.args
            if a.index > self.commit:
                self.commit = a.index
            if self.log.setdefault(a.index, (a.term, a.payload)) != (a.term, a.payload):
                return Violation("sms", str(event))
        elif t is R.BecomeLeader:
            if self.lead.setdefault(event.state.term, event.actor) != event.actor:
                return Violation("two leaders", str(event))
        elif t is R.ReadRequest:
            self.reads[event.args.id] = self.commit
        elif t is R.ReadServed and event.args.index < self.reads[event.args.id]:
            return Violation("reads", str(event))
        return None


def make_checker(header):
    return _C()
