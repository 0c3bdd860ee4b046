"""etcd's JSON gateway: each method of its gRPC services as a POST, https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubeproof.conformance.adapters.etcd.websocket import Closed, WebSocket

HOST = "127.0.0.1"
REQUEST_S = 10.0
UNKNOWN = 2
"""gRPC's code for an error without one."""

JSON = dict[str, Any]


class Unavailable(Exception):
    """No answer: whether the request was carried out is not known."""


class Refused(Exception):
    """The server's error, with its gRPC code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Status:
    """What a member says of itself; ids are decimal, and "0" is nobody."""

    member: str
    leader: str
    version: str


class Gateway:
    """The gateway of one member. Its connection is kept, made anew after an error, and closed with the block. For one thread."""

    def __init__(self, port: int, limit_s: float = REQUEST_S) -> None:
        self._port, self._limit_s = port, limit_s
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Have a connection. Raises Unavailable: then nothing was asked."""
        if self._connection is not None:
            return
        connection = http.client.HTTPConnection(HOST, self._port, timeout=self._limit_s)
        try:
            connection.connect()
        except OSError as problem:
            connection.close()
            raise Unavailable(str(problem)) from problem
        self._connection = connection

    def call(self, method: str, request: Mapping[str, Any]) -> JSON:
        """The answer of a method like "kv/put". Raises Unavailable, Refused."""
        return _answer(method, self._exchange("POST", f"/v3/{method}", json.dumps(request)))

    def metric(self, name: str) -> float:
        """What the member counts under a name, which it must. Raises Unavailable."""
        content = self._exchange("GET", "/metrics", None).decode()
        return float(next(line.split()[1] for line in content.splitlines() if line.startswith(f"{name} ")))

    def _exchange(self, verb: str, path: str, body: str | None) -> bytes:
        self.connect()
        assert self._connection is not None
        try:
            self._connection.request(verb, path, body, {"Content-Type": "application/json"})
            return self._connection.getresponse().read()
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            raise Unavailable(f"{path}: {problem}") from problem

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def stream(self, method: str) -> Iterator[Stream]:
        """A method that takes and gives messages as they come, like "watch". Raises Unavailable."""
        try:
            socket = WebSocket(HOST, self._port, f"/v3/{method}", self._limit_s)
        except (OSError, Closed) as problem:
            raise Unavailable(f"{method}: {problem}") from problem
        try:
            yield Stream(method, socket)
        finally:
            socket.close()

    def is_healthy(self) -> bool:
        """Whether the member can answer a linearizable read. Raises Unavailable."""
        try:
            self.call("kv/range", {"key": "AA=="})
        except Refused:
            return False
        return True

    def status(self) -> Status:
        """Who the member is, and whom it follows. Raises Unavailable, Refused."""
        answer = self.call("maintenance/status", {})
        return Status(answer["header"]["member_id"], answer.get("leader", "0"), answer["version"])


class Stream:
    """Both directions of a streaming method."""

    def __init__(self, method: str, socket: WebSocket) -> None:
        self._method, self._socket = method, socket

    def send(self, request: Mapping[str, Any]) -> None:
        """Raises Unavailable."""
        try:
            self._socket.send(json.dumps(request).encode())
        except OSError as problem:
            raise Unavailable(f"{self._method}: {problem}") from problem

    def receive(self, limit_s: float) -> JSON | None:
        """The next answer; None if none has come within the time. Raises Unavailable, Refused."""
        try:
            message = self._socket.receive(limit_s)
        except (OSError, Closed) as problem:
            raise Unavailable(f"{self._method}: {problem}") from problem
        return None if message is None else _answer(self._method, message)


def _answer(method: str, content: bytes) -> JSON:
    try:
        answer = json.loads(content)
    except ValueError as problem:
        raise Unavailable(f"{method}: expected JSON, got {content[:100]!r}") from problem
    if not isinstance(answer, dict):
        raise Unavailable(f"{method}: expected an object, got {content[:100]!r}")
    error: Any = answer.get("error")
    if isinstance(error, dict):  # of a stream
        raise Refused(int(error.get("grpc_code") or error.get("code") or UNKNOWN), str(error.get("message", "")))
    if answer.keys() & {"error", "code"}:  # 3.6 says code and message only
        raise Refused(int(answer.get("code") or UNKNOWN), str(answer.get("message", error)))
    result = answer.get("result")
    return result if isinstance(result, dict) else answer
