"""The store and a naive one are asked the same, at random; every answer is the same, also after restarts."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kubeproof.impl.store import Options, Server, StoreError, hash_kv
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import RangeRequest, Request, Response
from kubeproof.impl.store.server import needs_consensus
from tests.impl.store.naive import NaiveStore
from tests.impl.store.strategies import REQUEST

OPTIONS = Options(compaction_batch_limit=2)


def told(answer: Response | StoreError) -> object:
    """Answers compare by value, errors by kind."""
    return type(answer) if isinstance(answer, StoreError) else answer


class SameAnswers(RuleBasedStateMachine):
    """The clock stands still, so times to live do not count down."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server.alone(OPTIONS)
        self.naive = NaiveStore()

    @rule(request=REQUEST)
    def ask(self, request: Request) -> None:
        assert told(self.server.answer(request, 0)) == told(self.naive.answer(request))

    @rule(request=REQUEST)
    def apply(self, request: Request) -> None:
        """As behind consensus, where a compaction leaves its records for later."""
        expected = told(self.naive.answer(request))
        try:
            self.server.check(request)
        except StoreError as error:
            assert told(error) == expected
            return
        if needs_consensus(request):
            applied = self.server.apply(self.server.consistent_index + 1, request, 0)
            assert applied is not None
            assert told(applied.answer) == expected
        else:
            assert told(self.server.answer(request, 0)) == expected

    @precondition(lambda self: self.server.store.compactions)
    @rule()
    def remove_a_batch(self) -> None:
        before = hash_kv(self.server.store)
        assert remove_batch(self.server.store)
        assert hash_kv(self.server.store) == before

    @rule()
    def restart(self) -> None:
        """All that was written is committed: nothing is lost."""
        self.server.backend.commit()
        self.server = Server.alone(OPTIONS, self.server.backend)
        # What a new primary adds to leases is over.
        self.server.lessor.promote(0, 0)

    @rule()
    def export_and_restore(self) -> None:
        state = self.server.export(0)
        self.server = Server.restore(OPTIONS, state, 5)
        assert self.server.export(5) == state
        self.server = Server.restore(OPTIONS, state, 0)

    @invariant()
    def every_revision_is_the_same(self) -> None:
        for revision in range(max(1, self.naive.compacted), self.naive.revision + 1):
            kvs = self.server.store.range(b"\x00", b"", revision).kvs
            assert kvs == [kv for _, kv in sorted(self.naive.maps[revision].items())]

    @invariant()
    def revisions_are_the_same(self) -> None:
        assert self.server.store.revision == self.naive.revision
        assert self.server.store.compact_revision == self.naive.compacted


TestSameAnswers = SameAnswers.TestCase
TestSameAnswers.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def test_there_is_something_to_compare() -> None:
    """The naive store is not the one that is judged."""
    assert told(NaiveStore().answer(RangeRequest(b"a"))) == told(Server.alone().answer(RangeRequest(b"a"), 0))
