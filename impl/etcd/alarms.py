"""Alarms and the space quota (etcd server/etcdserver/api/v3alarm, server/storage/quota.go, apply/quota.go).

A member whose backend would grow beyond its quota raises NOSPACE through consensus, for all: from then on puts and grants are
refused by every member, while reads and deletions go on, until an operator has made room and disarms it.
"""

from __future__ import annotations

from kubeproof.impl.etcd.faults import NO_FAULTS, Faults
from kubeproof.impl.etcd.requests import AlarmAction, AlarmMember, AlarmRequest, AlarmType
from kubeproof.impl.store.backend import Backend
from kubeproof.impl.store.records import KeyValue
from kubeproof.impl.store.requests import LeaseGrantRequest, PutRequest, RequestOp, TxnRequest

ALARMS = "alarm"
"""The name of etcd's bucket (server/storage/schema)."""

QUOTA_BYTES = 2 * 1024**3
"""etcd's default of --quota-backend-bytes."""
KV_OVERHEAD = 256
LEASE_OVERHEAD = 64
"""What etcd adds to a key and its value, and takes for a lease, where it asks whether they fit."""


class AlarmStore:
    """The alarms that a backend holds."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def alarms(self) -> tuple[AlarmMember, ...]:
        alarms: tuple[AlarmMember, ...] = self._backend.cluster.now.get(ALARMS, ())
        return alarms

    def is_raised(self, alarm: AlarmType) -> bool:
        """For whichever member."""
        return any(each.alarm == alarm for each in self.alarms)

    def apply(self, request: AlarmRequest) -> tuple[AlarmMember, ...]:
        """What was asked for, raised or disarmed."""
        chosen = AlarmMember(request.member_id, request.alarm)
        if request.action == AlarmAction.GET:
            return tuple([each for each in self.alarms if request.alarm in (AlarmType.NONE, each.alarm)])
        if request.action == AlarmAction.ACTIVATE:
            self._backend.cluster.put(ALARMS, tuple(sorted({*self.alarms, chosen})))
            return (chosen,)
        if chosen not in self.alarms:
            return ()
        self._backend.cluster.put(ALARMS, tuple([each for each in self.alarms if each != chosen]))
        return (chosen,)


class Space:
    """How large the backend's file is: a model of bbolt, in which pages of what is removed are used again.

    So the file is as large as what was in use at most since it was defragmented. Only records count, with their keys and values.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.in_use = self.size = 0
        self.measure()
        self.size = self.in_use

    def wrote(self, record: KeyValue) -> None:
        """A record more."""
        self.in_use += len(record.key) + len(record.value) + KV_OVERHEAD
        self.size = max(self.size, self.in_use)

    def measure(self) -> None:
        """Count again, after records were removed."""
        records = self._backend.key.now.values()
        self.in_use = sum([len(each.key) + len(each.value) + KV_OVERHEAD for each in records])


def cost(request: object, faults: Faults = NO_FAULTS) -> int:
    """How many bytes a request may add; those that add nothing are served whatever the quota."""
    match request:
        case PutRequest():
            return KV_OVERHEAD + len(request.key) + len(request.value)
        case TxnRequest():
            return max(_branch_cost(request.success, faults), _branch_cost(request.failure, faults))
        case LeaseGrantRequest():
            return LEASE_OVERHEAD
    return 0


def _branch_cost(operations: tuple[RequestOp, ...], faults: Faults) -> int:
    counted = [each for each in operations if not (isinstance(each, TxnRequest) and faults.nested_puts_cost_nothing)]
    return sum([cost(each, faults) for each in counted])
