"""A little Raft, and the node protocol below it (docs/node-protocol.md). It has a mistake: docs/tutorial/your-own-node.md."""

import json
import sys


class Raft:
    def __init__(self, node, members):
        self.node, self.members = node, members
        self.term, self.voted_for, self.log = 0, 0, [{"index": 0, "term": 0}]  # on disk
        self.restart()

    def restart(self):
        self.role, self.votes, self.match, self.commit_index = "follower", [], [0] * self.members, 0

    def become(self, role, term):
        self.voted_for = self.voted_for if term == self.term else 0
        self.role, self.term, self.votes, self.match = role, term, [], [0] * self.members

    def last(self):
        return [self.log[-1]["term"], self.log[-1]["index"]]

    def send(self, to, type_, **body):
        self.sends.append({"to": to, "type": type_, "term": self.term, "body": body})

    def send_all(self, type_, **body):
        for other in set(range(1, self.members + 1)) - {self.node}:
            self.send(other, type_, **body)

    def campaign(self):
        self.become("candidate", self.term + 1)
        self.voted_for, self.votes = self.node, [self.node]
        self.send_all("request_vote", last=self.last())

    def propose(self):
        self.log.append({"index": len(self.log), "term": self.term, "data": "x"})

    def heartbeat(self):
        self.send_all("append", log=self.log, commit_index=self.commit_index)

    def receive(self, sender, type_, term, body):
        if term > self.term:
            self.become("follower", term)
        if term == self.term:
            getattr(self, f"on_{type_}")(sender, **body)

    def on_request_vote(self, sender, last):
        if self.voted_for in (0, sender) and last[0] >= self.last()[0]:
            self.voted_for = sender
            self.send(sender, "vote")

    def on_vote(self, sender):
        self.votes = sorted({*self.votes, sender})
        if self.role == "candidate" and 2 * len(self.votes) > self.members:
            self.become("leader", self.term)

    def on_append(self, sender, log, commit_index):
        self.role, self.votes = "follower", []
        if self.log[: len(log)] != log:
            self.log = log
        self.commit_index = max(self.commit_index, commit_index)
        self.send(sender, "appended", match=len(log) - 1)
        self.sends[-1]["acknowledges"] = len(log) - 1

    def on_appended(self, sender, match):
        self.match[sender - 1] = max(self.match[sender - 1], match)
        self.match[self.node - 1] = len(self.log) - 1
        majority = sorted(self.match)[(self.members - 1) // 2]
        if self.log[majority]["term"] == self.term:
            self.commit_index = max(self.commit_index, majority)

    # ---- as a node of kubeproof

    def step(self, event=None, message=None, **sender):
        self.sends = []
        if event:
            getattr(self, event["name"])()
        else:
            self.receive(sender["from"], message["type"], message["term"], message["body"])
        return {"sends": vars(self).pop("sends")}

    def observe(self):
        offered = ["heartbeat", "propose", "restart"] if self.role == "leader" else ["campaign", "restart"]
        told = {name: getattr(self, name) for name in ("role", "term", "voted_for", "log", "commit_index")}
        return {**told, "events": [{"name": name} for name in offered], "state": vars(self)}


def answer(call, **arguments):
    global raft
    match call:
        case "hello":
            return {"version": 1, "name": "my raft", "restores": True}
        case "init" | "restore":
            raft = Raft(arguments["node"], arguments["members"])
            vars(raft).update(arguments.get("state", {}))
            return {"restored": True} if call == "restore" else {}
        case "step":
            return raft.step(**arguments)
        case "observe":
            return raft.observe()


for line in sys.stdin:
    print(json.dumps(answer(**json.loads(line))), flush=True)
