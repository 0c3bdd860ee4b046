"""Where two answers differ first, in the words of the file."""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.impl.store import requests as store

NOTHING = "nothing"

_NAMES = {"id": "ID", "ttl": "TTL", "granted_ttl": "grantedTTL"}
_MEMBERS = {
    store.RangeResponse: "response_range",
    store.PutResponse: "response_put",
    store.DeleteRangeResponse: "response_delete_range",
    store.TxnResponse: "response_txn",
}


class Difference(NamedTuple):
    """A field (`resp.kvs[2].version`), what the reference has there and what the file has."""

    field: str
    expected: str
    seen: str


def first_difference(expected: object, seen: object, field: str) -> Difference | None:
    """The first field in which the two differ, in the order of fields; None if they are equal."""
    if expected == seen and type(expected) is type(seen):
        return None
    if isinstance(expected, tuple) and isinstance(seen, tuple) and type(expected) is type(seen):
        if type(expected) is tuple:
            return _in_list(expected, seen, field)
        for name, one, other in zip(_fields(expected), expected, seen, strict=True):
            found = first_difference(one, other, f"{field}.{_NAMES.get(name, name)}")
            if found is not None:
                return found
    return Difference(field, shown(expected), shown(seen))


def _in_list(expected: tuple[object, ...], seen: tuple[object, ...], field: str) -> Difference | None:
    for place, (one, other) in enumerate(zip(expected, seen, strict=False)):
        member = _MEMBERS.get(type(one)) if type(one) is type(other) else None
        found = first_difference(one, other, f"{field}[{place}]" + (f".{member}" if member else ""))
        if found is not None:
            return found
    place = min(len(expected), len(seen))
    one, other = expected[place : place + 1], seen[place : place + 1]
    return Difference(f"{field}[{place}]", shown(*one) if one else NOTHING, shown(*other) if other else NOTHING)


def _fields(value: tuple[object, ...]) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(value, "_fields")  # noqa: B009
    return names


def shown(value: object) -> str:
    """A value as it would stand in the file, or nearly so."""
    if value is None:
        return NOTHING
    if isinstance(value, bytes):
        return repr(value.decode("latin-1"))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple) and type(value) is not tuple:
        told = (f"{_NAMES.get(name, name)}: {shown(each)}" for name, each in zip(_fields(value), value, strict=True) if each)
        return "{" + ", ".join(told) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)
