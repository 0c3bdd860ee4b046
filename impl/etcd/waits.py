"""Who waits for what (etcd pkg/wait): requests by their ids, until there is an answer or they are given up."""

from __future__ import annotations

from kubeproof.impl.etcd.requests import Request, Response
from kubeproof.impl.etcd.state import Answer, PeerAnswer, PeerRequest, Waiting, WaitsState
from kubeproof.impl.raft.types import NO_ID
from kubeproof.impl.store import StoreError
from kubeproof.impl.store.errors import ErrNotPrimary


class Waits:
    """The requests of a member's clients, and those that other members have sent on because only the leader can answer."""

    def __init__(self, first_id: int) -> None:
        self._next_id = first_id
        self._waiting: dict[int, Waiting] = {}
        self._origins: dict[int, tuple[int, int]] = {}
        self._answers: list[Answer] = []
        self._messages: list[PeerRequest | PeerAnswer] = []

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def register(self, id_: int, request: Request, now_ms: int, timeout_ms: int, origin: tuple[int, int] | None = None) -> None:
        """Somebody waits; `origin` is the member that has sent the request on, and its id there."""
        self._waiting[id_] = Waiting(request, now_ms, now_ms + timeout_ms)
        if origin is not None:
            self._origins[id_] = origin

    def request(self, id_: int) -> Request | None:
        """What the request is; None if nobody waits for it (any more)."""
        waiting = self._waiting.get(id_)
        return None if waiting is None else waiting.request

    def all(self) -> list[tuple[int, Waiting]]:
        """All that wait, in the order in which they came."""
        return list(self._waiting.items())

    def send_on(self, id_: int, local: int, leader: int) -> None:
        """Only the leader can answer, as far as one is known. What another member has sent goes back: it will know."""
        if id_ in self._origins:
            self.refuse_origin(id_)
        elif leader != NO_ID:
            waiting = self._waiting[id_]
            self._waiting[id_] = waiting._replace(at=leader)
            self._messages.append(PeerRequest(leader, local, id_, waiting.request))

    def refuse_origin(self, id_: int) -> None:
        """This member does not lead (any more). Who has asked here goes on waiting, for a new leader."""
        if id_ in self._origins:
            del self._waiting[id_]
            self._messages.append(PeerAnswer(*self._origins.pop(id_), ErrNotPrimary))

    def answer(self, id_: int, answer: Response | StoreError) -> None:
        """Tell whoever waits, if somebody does."""
        if self._waiting.pop(id_, None) is None:
            return
        origin = self._origins.pop(id_, None)
        if origin is None:
            self._answers.append(Answer(id_, answer))
        else:
            self._messages.append(PeerAnswer(*origin, type(answer) if isinstance(answer, StoreError) else answer))

    def take_answers(self) -> list[Answer]:
        answers, self._answers = self._answers, []
        return answers

    def take_messages(self) -> list[PeerRequest | PeerAnswer]:
        messages, self._messages = self._messages, []
        return messages

    def export(self, now_ms: int) -> WaitsState:
        """Without what is taken: that is on its way already."""
        waiting = tuple((id_, each.after(-now_ms)) for id_, each in self._waiting.items())
        return WaitsState(self._next_id, waiting, tuple(sorted(self._origins.items())))

    @classmethod
    def restore(cls, state: WaitsState, now_ms: int) -> Waits:
        waits = cls(state.next_id)
        waits._waiting = {id_: each.after(now_ms) for id_, each in state.waiting}
        waits._origins = dict(state.origins)
        return waits
