"""What a server refuses, and what kills it. Names, codes and texts are etcd's (api/v3rpc/rpctypes/error.go)."""

from __future__ import annotations

from typing import ClassVar

INVALID_ARGUMENT = 3
NOT_FOUND = 5
FAILED_PRECONDITION = 9
OUT_OF_RANGE = 11

CODE_NAMES = {
    INVALID_ARGUMENT: "InvalidArgument",
    NOT_FOUND: "NotFound",
    FAILED_PRECONDITION: "FailedPrecondition",
    OUT_OF_RANGE: "OutOfRange",
}
"""The names of gRPC's status codes, as far as a store gives them."""


class StorePanic(Exception):
    """The server dies: etcd's Panic or Fatal. What was not committed is lost."""


class StoreError(Exception):
    """A request is refused: `code` is gRPC's status code, `text` its message. Nothing has changed."""

    code: ClassVar[int]
    text: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.text)


class ErrEmptyKey(StoreError):
    """A request, a compare or an operation of a transaction has no key."""

    code, text = INVALID_ARGUMENT, "etcdserver: key is not provided"


class ErrKeyNotFound(StoreError):
    """A put wants to keep value or lease of a key that is not there; or an operation of a transaction is empty."""

    code, text = INVALID_ARGUMENT, "etcdserver: key not found"


class ErrValueProvided(StoreError):
    """A put with ignore_value has a value."""

    code, text = INVALID_ARGUMENT, "etcdserver: value is provided"


class ErrLeaseProvided(StoreError):
    """A put with ignore_lease has a lease."""

    code, text = INVALID_ARGUMENT, "etcdserver: lease is provided"


class ErrTooManyOps(StoreError):
    """A transaction has more compares or operations than the server takes."""

    code, text = INVALID_ARGUMENT, "etcdserver: too many operations in txn request"


class ErrDuplicateKey(StoreError):
    """A transaction may change a key more than once."""

    code, text = INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"


class ErrInvalidSortOption(StoreError):
    """A range has an unknown sort order or target."""

    code, text = INVALID_ARGUMENT, "etcdserver: invalid sort option"


class ErrRequestTooLarge(StoreError):
    """A request that goes through consensus is longer than the server takes."""

    code, text = INVALID_ARGUMENT, "etcdserver: request is too large"


class ErrCompacted(StoreError):
    """The revision lies before the last compaction."""

    code, text = OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"


class ErrFutureRev(StoreError):
    """The revision has not been reached yet."""

    code, text = OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"


class ErrLeaseNotFound(StoreError):
    """There is no such lease."""

    code, text = NOT_FOUND, "etcdserver: requested lease not found"


class ErrLeaseExist(StoreError):
    """A lease with this id has been granted, and not been revoked."""

    code, text = FAILED_PRECONDITION, "etcdserver: lease already exists"


class ErrLeaseTTLTooLarge(StoreError):
    """A time to live is above the greatest that leases may have."""

    code, text = OUT_OF_RANGE, "etcdserver: too large lease TTL"


class ErrNotPrimary(Exception):
    """The member is not the one that keeps the time of leases. The request goes to the one that is; no client sees this."""
