"""A real etcd is backed up and restored, with impl/etcd beside it: all answers are the same then, and so is who is told what.

KUBEPROOF_ETCD and KUBEPROOF_ETCDUTL name other binaries than the installed ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from kubeproof.conformance.adapters.etcd.answers import ask
from kubeproof.conformance.adapters.etcd.gateway import JSON, Gateway
from kubeproof.conformance.adapters.etcd.server import Member, find, running
from kubeproof.conformance.adapters.etcd.traffic import Traffic
from kubeproof.conformance.answers.checker import Replay
from kubeproof.conformance.answers.reading import version_of
from kubeproof.conformance.answers.recorded import Exchange
from kubeproof.impl.etcd import backup
from kubeproof.impl.store import Backend, Server
from kubeproof.impl.store.requests import WatchCreateRequest
from tests.conformance.adapters.etcd import BINARY, IMPATIENT, needs_etcd

ETCDCTL = shutil.which("etcdctl")
ETCDUTL = find(os.environ.get("KUBEPROOF_ETCDUTL", "etcdutl"))
RESTORES = ETCDUTL or ETCDCTL
"""etcdctl of 3.5 and before restores, too; no older one bumps."""
TOKEN = "restored"
LIMIT_S = 60.0
QUIET_S = 0.5

needs_etcdctl = pytest.mark.skipif(ETCDCTL is None, reason="no etcdctl is installed: install Debian's etcd-client")
needs_etcdutl = pytest.mark.skipif(ETCDUTL is None, reason="no etcdutl is installed: name a binary with KUBEPROOF_ETCDUTL")


@dataclass
class Both:
    """A real member, and the reference beside it."""

    member: Member
    replay: Replay
    traffic: Traffic

    @property
    def option(self) -> dict[str, str]:
        """Of the member's command line."""
        return dict(each.removeprefix("--").split("=", 1) for each in self.member.arguments[1:])

    def ask(self, *requests: tuple[str, JSON]) -> None:
        """Ask both: the answers are the same."""
        with self.member.gateway() as gateway:
            for op, req in requests:
                line = ask(gateway, op, req)
                difference = self.replay.compare(msgspec.convert(line, Exchange), longest_s=600)
                assert difference is None, f"{difference.field}: etcd {difference.seen}, ours {difference.expected}: {line}"
                self.traffic.learn(line.get("resp", {}))

    def ask_anything(self, count: int) -> None:
        """As many requests as that. Which lease expires first is not the same after a restart."""
        for _ in range(count):
            request = self.traffic.next()
            if request[0] != "LeaseLeases":
                self.ask(request)

    def save(self) -> tuple[Path, backup.Snapshot]:
        """Take a backup of both."""
        assert ETCDCTL is not None
        path = self.member.folder / "snapshot.db"
        tool(ETCDCTL, f"--endpoints=127.0.0.1:{self.member.client_port}", "snapshot", "save", str(path))
        return path, backup.save(self.replay.server.backend)

    def restore(self, saved: tuple[Path, backup.Snapshot], bump: int) -> backup.Restored:
        """The member and the reference go on as a new cluster of one."""
        assert RESTORES is not None
        path, snapshot = saved
        self.member.kill()
        folder = self.member.folder / f"restored-{len(list(self.member.folder.iterdir()))}"
        name, cluster, peer = (self.option[each] for each in ("name", "initial-cluster", "initial-advertise-peer-urls"))
        new = [f"--data-dir={folder}", f"--name={name}", f"--initial-cluster={cluster}", f"--initial-cluster-token={TOKEN}"]
        bumps = [f"--bump-revision={bump}", "--mark-compacted"] if bump else []
        tool(RESTORES, "snapshot", "restore", str(path), *new, f"--initial-advertise-peer-urls={peer}", *bumps)
        changed = {f"--data-dir={self.option['data-dir']}": f"--data-dir={folder}"}
        self.member.arguments = tuple(changed.get(each, each) for each in self.member.arguments)
        self.member.start()
        self.member.wait_until_healthy()
        restored = backup.restore(snapshot, name, {name: (peer,)}, TOKEN, bump_revision=bump, mark_compacted=bump > 0)
        self.replay.server = Server.alone(self.replay.server.options, Backend(committed=restored.disk.backend))
        return restored

    def watch(self, *start_revisions: int) -> None:
        """Watches of everything from there are told the same at first."""
        hub = self.replay.server.watches
        for start in start_revisions:
            hub.open_stream(0)
            hub.request(0, WatchCreateRequest(b"\x00", b"\x00", start))
            ours = hub.settle()[0][1:]
            hub.close_stream(0)
            with self.member.gateway() as gateway:
                seen = list(watched(gateway, start))
            assert seen == [(each.compact_revision, [event.kv.mod_revision for event in each.events]) for each in ours], start


def watched(gateway: Gateway, start_revision: int) -> Iterator[tuple[int, list[int]]]:
    """The compact revision with which a watch is canceled, or the revisions of its events."""
    everything = {"key": "AA==", "range_end": "AA==", "start_revision": start_revision}
    with gateway.stream("watch") as stream:
        stream.send({"create_request": everything})
        created = stream.receive(LIMIT_S)
        assert created is not None
        assert created["created"]
        while (told := stream.receive(QUIET_S)) is not None:
            events = told.get("events", ())
            yield int(told.get("compact_revision", 0)), [int(event["kv"]["mod_revision"]) for event in events]


def tool(binary: str, *arguments: str) -> None:
    """Run a tool of etcd. CalledProcessError if it fails."""
    environment = {**os.environ, "ETCDCTL_API": "3"}
    subprocess.run([binary, *arguments], env=environment, check=True, capture_output=True, timeout=LIMIT_S)


@contextmanager
def both(seed: int = 0) -> Iterator[Both]:
    """A new etcd with the reference beside it."""
    assert BINARY is not None
    with running(BINARY, more=IMPATIENT) as cluster:
        version = version_of(cluster.version)
        assert version is not None
        yield Both(cluster.members[0], Replay(version), Traffic(seed, 0))


def put(value: str) -> tuple[str, JSON]:
    return "Put", {"key": "a", "value": value}


def read(revision: int) -> tuple[str, JSON]:
    return "Range", {"key": "a", "revision": revision}


LOST = (put("lost 4"), put("lost 5"), put("lost 6"))


@needs_etcd
@needs_etcdctl
def test_without_a_bump_revisions_go_on_from_the_backup() -> None:
    with both() as pair:
        pair.ask(put("2"), put("3"))
        saved = pair.save()
        pair.ask(*LOST)
        restored = pair.restore(saved, bump=0)
        with pair.member.gateway() as gateway:
            header = gateway.call("kv/range", {"key": "AA=="})["header"]
        assert (int(header["cluster_id"]), int(header["member_id"])) == (restored.cluster_id, restored.member_id)
        pair.ask(read(3), read(4), put("other 4"), read(4))
        pair.watch(2, 4, 5, 7)


@needs_etcd
@needs_etcdctl
@needs_etcdutl
@pytest.mark.parametrize(("bump", "is_told"), [(5, True), (4, False)])
def test_who_knows_the_last_lost_revision_is_told_if_the_bump_is_larger_by_two_than_what_is_lost(
    bump: int, is_told: bool
) -> None:
    with both() as pair:
        pair.ask(put("2"), put("3"))
        saved = pair.save()
        pair.ask(*LOST)
        pair.restore(saved, bump)
        last_lost, bumped = 6, 3 + bump
        pair.ask(*map(read, range(2, bumped + 2)), put("new"), read(bumped + 1))
        pair.watch(*range(2, bumped + 3))
        with pair.member.gateway() as gateway:
            assert next(watched(gateway, last_lost + 1)) == ((bumped, []) if is_told else (0, [bumped + 1]))


@needs_etcd
@needs_etcdctl
@needs_etcdutl
def test_a_bump_of_an_empty_store_counts_from_nothing() -> None:
    with both() as pair:
        saved = pair.save()
        pair.ask(*LOST)
        pair.restore(saved, bump=5)
        pair.ask(read(4), read(5), put("new"))
        assert pair.replay.server.store.revision == 6
        pair.watch(4, 5, 6, 7)


@needs_etcd
@needs_etcdctl
@pytest.mark.parametrize("seed", range(2))
def test_whatever_was_backed_up_is_restored(seed: int) -> None:
    """Transactions, leases and compactions, restored, and backed up and restored again."""
    with both(seed) as pair:
        for _ in range(2):
            pair.ask_anything(100)
            saved = pair.save()
            pair.ask_anything(30)
            pair.restore(saved, bump=0 if ETCDUTL is None else 1000)
        pair.ask_anything(100)


@needs_etcd
@needs_etcdctl
def test_a_reference_that_is_restored_otherwise_is_found_out() -> None:
    with both() as pair:
        pair.ask(put("2"), put("3"))
        path, _ = pair.save()
        pair.ask(put("lost 4"))
        pair.restore((path, backup.save(pair.replay.server.backend)), bump=0)
        with pytest.raises(AssertionError, match="etcd 3, ours 4"):
            pair.ask(("Range", {"key": "b"}))
