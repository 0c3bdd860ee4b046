"""A request to a real etcd with its answer, as a line of recorded answers (docs/store.md tells the format)."""

from __future__ import annotations

import base64
from typing import Any

from kubeproof.conformance.adapters.etcd.gateway import JSON, Gateway, Refused, Unavailable

UNAVAILABLE = 14
"""gRPC's code of a server that is gone before it has answered."""

METHODS = {
    "Range": "kv/range",
    "Put": "kv/put",
    "DeleteRange": "kv/deleterange",
    "Txn": "kv/txn",
    "Compact": "kv/compaction",
    "LeaseGrant": "lease/grant",
    "LeaseRevoke": "lease/revoke",
    "LeaseKeepAlive": "lease/keepalive",
    "LeaseTimeToLive": "lease/timetolive",
    "LeaseLeases": "lease/leases",
}

_BYTES = frozenset(("key", "range_end", "value"))
_REVISIONS = frozenset(("revision", "create_revision", "mod_revision", "compact_revision"))
_INTEGERS = _REVISIONS | {"version", "lease", "count", "deleted", "ID", "TTL", "grantedTTL", "watch_id"}
"""The fields of type int64 in answers: strings in JSON, as protobuf has it."""


def ask(gateway: Gateway, op: str, req: JSON) -> JSON:
    """`op`, `req`, and `resp` or `err`: code 14 if there was no answer, or one that does not tell whether it was carried out."""
    try:
        answer = gateway.call(METHODS[op], for_gateway(req))
    except Refused as refused:
        return {"op": op, "req": req, "err": {"code": refused.code, "msg": str(refused)}}
    except Unavailable as problem:
        return {"op": op, "req": req, "err": {"code": UNAVAILABLE, "msg": str(problem)}}
    line = {"op": op, "req": req, "resp": from_gateway(answer)}
    if op == "LeaseGrant" and not req.get("ID"):
        line["server_chose_id"] = True
    if op == "LeaseTimeToLive" and "keys" in line["resp"]:
        line["resp"]["keys"].sort()
    return line


def for_gateway(req: Any) -> Any:
    """A request with bytes in base64."""
    if isinstance(req, dict):
        return {name: _encoded(value) if name in _BYTES else for_gateway(value) for name, value in req.items()}
    return [for_gateway(each) for each in req] if isinstance(req, list) else req


def from_gateway(answer: Any) -> Any:
    """An answer with bytes as text, integers as such, and of headers nothing but the revision."""
    if isinstance(answer, dict):
        return {name: _told(name, value) for name, value in answer.items()}
    return [from_gateway(each) for each in answer] if isinstance(answer, list) else answer


def _told(name: str, value: Any) -> Any:
    if name == "header":
        return {"revision": int(value["revision"])} if "revision" in value else {}
    if name in _BYTES:
        return _decoded(value)
    if name == "keys":
        return [_decoded(each) for each in value]
    return int(value) if name in _INTEGERS else from_gateway(value)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("latin-1")).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("latin-1")
