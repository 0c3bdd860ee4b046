"""Processes of a real etcd are started, killed, paused and always removed; its gateway tells errors from no answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from kubeproof.conformance.adapters.etcd.answers import ask
from kubeproof.conformance.adapters.etcd.gateway import HOST, Gateway, Refused, Unavailable
from kubeproof.conformance.adapters.etcd.server import Cluster, EtcdFailed, Member, free_ports, running, version_of
from tests.conformance.adapters.etcd import BINARY, IMPATIENT, needs_etcd

PUT: tuple[str, dict[str, object]] = "Put", {"key": "a", "value": "1"}
GET: tuple[str, dict[str, object]] = "Range", {"key": "a"}


@contextmanager
def etcd() -> Iterator[Cluster]:
    assert BINARY is not None
    with running(BINARY, more=IMPATIENT) as cluster:
        yield cluster


def answered(member: Member, op: str, req: dict[str, object]) -> dict[str, object]:
    with member.gateway() as gateway:
        line = ask(gateway, op, req)
    return dict(line["resp"])


# ---- processes


@needs_etcd
def test_what_was_acknowledged_is_there_after_a_kill_and_after_a_stop() -> None:
    with etcd() as cluster:
        [member] = cluster.members
        assert answered(member, *PUT)["header"] == {"revision": 2}
        for end in (member.kill, member.stop):
            end()
            assert not member.runs
            member.start()
            member.wait_until_healthy()
            assert answered(member, *GET)["count"] == 1


@needs_etcd
def test_a_paused_member_answers_when_it_is_resumed() -> None:
    with etcd() as cluster:
        [member] = cluster.members
        member.pause()
        with member.gateway(0.2) as gateway, pytest.raises(Unavailable):
            gateway.call("kv/range", {"key": "YQ=="})
        member.resume()
        assert answered(member, *PUT)["header"] == {"revision": 2}


@needs_etcd
def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError), etcd() as cluster:
        fail_while_it_is_paused(cluster, tmp_path)
    [member] = cluster.members
    assert not member.runs
    assert not list(tmp_path.iterdir())
    with pytest.raises(EtcdFailed):
        member.kill()


def fail_while_it_is_paused(cluster: Cluster, folder: Path) -> None:
    [member] = cluster.members
    assert list(folder.iterdir()) == [member.folder]
    member.pause()
    raise ZeroDivisionError


def test_what_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    fake = tmp_path / "etcd"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "etcd Version: 3.6.0" && exit 0\necho "no more disk"\nexit 1\n')
    fake.chmod(0o755)
    with pytest.raises(EtcdFailed, match="no more disk"), running(str(fake)):
        pass
    fake.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(EtcdFailed, match="expected the version of etcd, got 'hello'"):
        version_of(str(fake))
    with pytest.raises(EtcdFailed, match="does not run"):
        version_of(str(tmp_path / "nothing"))


# ---- the gateway


@needs_etcd
def test_a_refusal_has_code_and_message() -> None:
    with etcd() as cluster, cluster.members[0].gateway() as gateway:
        with pytest.raises(Refused, match="etcdserver: key is not provided") as refused:
            gateway.call("kv/range", {})
        assert refused.value.code == 3
        assert gateway.status().version == cluster.version


@needs_etcd
def test_a_stream_takes_requests_while_it_answers() -> None:
    with etcd() as cluster, cluster.members[0].gateway() as gateway, gateway.stream("watch") as stream:
        stream.send({"create_request": {"key": "YQ=="}})
        assert (stream.receive(5) or {})["created"]
        assert stream.receive(0.05) is None
        large = "x" * 100_000  # several frames, and lengths of all sizes
        ask(gateway, "Put", {"key": "a", "value": large})
        [event] = (stream.receive(5) or {})["events"]
        assert event["kv"]["version"] == "1"
        stream.send({"cancel_request": {"watch_id": "0"}})
        assert (stream.receive(5) or {})["canceled"]
        cluster.members[0].kill()
        with pytest.raises(Unavailable):
            stream.receive(5)


def test_nobody_listens() -> None:
    with Gateway(*free_ports(1)) as gateway:
        with pytest.raises(Unavailable):
            gateway.call("kv/range", {})
        with pytest.raises(Unavailable), gateway.stream("watch"):
            pass


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"HTTP/1.1 200 OK\r\n\r\n{"]
)
def test_who_answers_is_no_etcd(answer: bytes) -> None:
    with server(answer) as port, Gateway(port, 5) as gateway:
        with pytest.raises(Unavailable):
            gateway.call("kv/range", {})
        with pytest.raises(Unavailable), gateway.stream("watch"):
            pass


@contextmanager
def server(answer: bytes) -> Iterator[int]:
    """Gives two connections that answer, and closes them."""
    with socket.create_server((HOST, 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
