"""Seeded requests, in the JSON of recorded answers (docs/store.md). They depend on the seed and the answers alone.

No lease ever expires: times to live are 10^6 s and more, and what is granted shorter is revoked by the next request. There are
at most 12 keys, because up to so many etcd's sort keeps the order of equals (Go's sort.Sort, insertion sort).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from kubeproof.conformance.adapters.etcd.gateway import JSON
from kubeproof.impl.store.versions import Version

Asked = tuple[str, JSON]

END = "\0"
KEYS = ("a", "b", "c", "d", "e", "aa", "ab")
ODD_KEYS = ("\0", "\0\0", "a\0", "\xff", "\xff\xff")
COMPARED = (
    ("VERSION", "version"),
    ("CREATE", "create_revision"),
    ("MOD", "mod_revision"),
    ("VALUE", "value"),
    ("LEASE", "lease"),
)
SHORT_S = 10**6


class Traffic:
    """What one client asks. Values are never written twice. `learn` is told each answer.

    What makes members of known releases differ is left out: reads of the past within a transaction (etcd#18667), and one key
    changed twice in nested ones (etcd#16380).
    """

    keys: tuple[str, ...] = KEYS
    depth = 0
    """Of transactions in transactions."""

    def __init__(self, seed: int, client: int) -> None:
        self.random = Random(f"{seed}/{client}")
        self._client = client
        self._count = 0
        self.revision = 1
        self.leases: list[int] = []
        self._kinds: dict[str, tuple[int, Callable[[], JSON]]] = {
            "Put": (30, self.put),
            "DeleteRange": (8, self.delete),
            "Range": (25, self.range_at),
            "Txn": (20, lambda: self.txn(self.depth)),
            "Compact": (2, self.compact),
            "LeaseGrant": (4, self.grant),
            "LeaseRevoke": (2, self.revoke),
            "LeaseKeepAlive": (3, lambda: {"ID": self.lease()}),
            "LeaseTimeToLive": (3, self.time_to_live),
            "LeaseLeases": (1, dict),
        }

    def next(self) -> Asked:
        """The next request, and the name of its kind."""
        weights = [weight for weight, _ in self._kinds.values()]
        op = self.random.choices(list(self._kinds), weights)[0]
        return op, self._kinds[op][1]()

    def learn(self, resp: JSON) -> None:
        """What the answers tell: how far the store is, and which leases there are."""
        self.revision = max(self.revision, resp.get("header", {}).get("revision", 0))
        if "ID" in resp and resp.get("TTL", 0) >= SHORT_S and resp["ID"] not in self.leases:
            self.leases.append(resp["ID"])

    # what requests consist of

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def key(self) -> str:
        return self.random.choice(self.keys)

    def value(self) -> str:
        self._count += 1
        return f"{self._client}-{self._count}"

    def lease(self) -> int:
        return self.random.choice(self.leases) if self.leases else 0

    def span(self) -> JSON:
        """A key, or a range of some, or all from one on."""
        one, other = sorted((self.key(), self.key()))
        ends = (None, None, other, END)
        end = self.random.choice(ends)
        return {"key": one} if end is None else {"key": one, "range_end": end}

    def past(self) -> int:
        return max(1, self.revision - self.random.randrange(30))

    # requests

    def put(self) -> JSON:
        req: JSON = {"key": self.key(), "value": self.value()}
        if self.chance(20) and (lease := self.lease()):
            req["lease"] = lease
        if self.chance(40):
            req["prev_kv"] = True
        return req

    def delete(self) -> JSON:
        req = self.span() if self.chance(30) else {"key": self.key()}
        return req | {"prev_kv": True} if self.chance(50) else req

    def range_at(self) -> JSON:
        """At any revision."""
        return self.range() | ({"revision": self.past()} if self.chance(20) else {})

    def range(self) -> JSON:
        req = self.span()
        if self.chance(30):
            req["limit"] = self.random.randrange(1, 5)
        if self.chance(30):
            req["sort_order"] = self.random.choice(("ASCEND", "DESCEND"))
            req["sort_target"] = self.random.choice(("KEY", "VERSION", "CREATE", "MOD", "VALUE"))
        if self.chance(10):
            req[self.random.choice(("min", "max")) + self.random.choice(("_mod_revision", "_create_revision"))] = self.past()
        for flag in ("keys_only", "count_only"):
            if self.chance(10):
                req[flag] = True
        return req

    def compare(self) -> JSON:
        target, member = self.random.choice(COMPARED)
        wanted = {"version": self.random.randrange(4), "value": f"{self._client}-{self._count}", "lease": self.lease()}
        req: JSON = {"result": self.random.choice(("EQUAL", "GREATER", "LESS", "NOT_EQUAL")), "target": target, "key": self.key()}
        return req | {member: wanted.get(member, self.past())}

    def operation(self, depth: int) -> JSON:
        kind = self.random.choice(("request_put", "request_put", "request_range", "request_delete_range", "request_txn"))
        if kind == "request_put":
            return {kind: self.put()}
        if kind == "request_range":
            return {kind: self.range()}
        if kind == "request_delete_range":
            return {kind: {"key": self.key()}}
        return {kind: self.txn(depth - 1)} if depth else {"request_range": {"key": self.key()}}

    def txn(self, depth: int) -> JSON:
        return {
            "compare": [self.compare() for _ in range(self.random.randrange(3))],
            "success": [self.operation(depth) for _ in range(self.random.randrange(4))],
            "failure": [self.operation(depth) for _ in range(self.random.randrange(3))],
        }

    def compact(self) -> JSON:
        return {"revision": max(1, self.revision - self.random.randrange(20)), "physical": True}

    def grant(self) -> JSON:
        """Ids are given: who asks again after no answer can tell whether it was carried out. No two expire close together."""
        self._count += 1
        return {"TTL": SHORT_S + 10_000 * self._count, "ID": 1_000_000 * (self._client + 1) + self._count}

    def revoke(self) -> JSON:
        lease = self.lease()
        if lease in self.leases:
            self.leases.remove(lease)
        return {"ID": lease}

    def time_to_live(self) -> JSON:
        return {"ID": self.lease(), "keys": True}


class OddTraffic(Traffic):
    """Among the requests many that no careful client sends: what is refused, and what is left to the server."""

    keys = KEYS + ODD_KEYS
    depth = 2

    def __init__(self, seed: int, client: int, version: Version) -> None:
        super().__init__(seed, client)
        self._version = version
        self._granted_short: list[int] = []

    def next(self) -> Asked:
        if self._granted_short:
            return "LeaseRevoke", {"ID": self._granted_short.pop()}
        return super().next()

    def learn(self, resp: JSON) -> None:
        super().learn(resp)
        if "ID" in resp and 0 < resp.get("TTL", 0) < SHORT_S:
            self._granted_short.append(resp["ID"])

    def key(self) -> str:
        return "" if self.chance(1) else super().key()

    def span(self) -> JSON:
        req = super().span()
        return req | {"range_end": self.key()} if self.chance(10) else req  # may lie before the key

    def lease(self) -> int:
        return self.random.choice((0, 1, -1, 2**63 - 1)) if self.chance(10) else super().lease()

    def past(self) -> int:
        return self.random.choice((-1, 0, self.revision + 1, 2**62)) if self.chance(10) else super().past()

    def put(self) -> JSON:
        req = super().put()
        if self.chance(2):
            req["value"] = "x" * self.random.choice((3000, 5000))
        for flag, field in (("ignore_value", "value"), ("ignore_lease", "lease")):
            if self.chance(10):
                req[flag] = True
                if self.chance(80):
                    req.pop(field, None)
        return req

    def range(self) -> JSON:
        req = super().range()
        if self.chance(10):
            req["revision"] = self.past()
        if self.chance(5):
            req["limit"] = self.random.choice((-1, 0, 2**63 - 1))
        if self.chance(4):
            req["sort_order"] = self.random.choice((-1, 3, 7))
        if self.chance(4) and self._version >= Version.V3_6:  # the others die of it (etcd#13554)
            req["sort_target"] = self.random.choice((-1, 5, 9))
        return req

    def compare(self) -> JSON:
        req = super().compare()
        if self.chance(20):
            req["range_end"] = self.random.choice((END, self.key()))
        if self.chance(5):
            req["result"] = self.random.choice((-1, 4))
        if self.chance(5):
            req["target"] = self.random.choice((-1, 5, "MOD"))
        if self.chance(5):
            req.pop(self.random.choice(("result", "target", "key")), None)
        return req

    def operation(self, depth: int) -> JSON:
        if self.chance(1):
            return {}
        if self.chance(5):
            return {"request_delete_range": self.span()}
        return super().operation(depth)

    def txn(self, depth: int) -> JSON:
        req = super().txn(depth)
        if self.chance(1):
            many = self.random.choice((63, 128, 129))
            req["success"] = [{"request_range": {"key": super(OddTraffic, self).key()}} for _ in range(many)]
        return req

    def compact(self) -> JSON:
        req = super().compact()
        return req | {"revision": self.random.choice((-1, 0, self.revision, self.revision + 1))} if self.chance(30) else req

    def grant(self) -> JSON:
        req = super().grant()
        if self.chance(20):
            req["TTL"] = self.random.choice((-1, 0, 1, 9_000_000_000, 9_000_000_001))
        if self.chance(30):
            req["ID"] = self.random.choice((0, -req["ID"], self.lease()))
        return req
