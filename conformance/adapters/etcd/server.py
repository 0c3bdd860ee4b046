"""etcd processes on loopback, with data in a temporary folder: started, killed, paused, and always stopped in the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kubeproof.conformance.adapters.etcd.gateway import REQUEST_S, Gateway, Refused, Unavailable

START_S = 30.0
STOP_S = 20.0
LONGEST_WORDS = 500
NOT_INSTALLED = "no etcd is installed: install Debian's etcd-server, or name a binary with --etcd"


class EtcdFailed(Exception):
    """An etcd did not start, or has ended by itself; the message has its last words."""


@dataclass(slots=True)
class Member:
    """One etcd process and what it keeps. `arguments` are those of its command line."""

    name: str
    client_port: int
    folder: Path
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    def gateway(self, limit_s: float = REQUEST_S) -> Gateway:
        """A connection to it."""
        return Gateway(self.client_port, limit_s)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process on the data that is there; it may not answer yet."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_healthy(self, limit_s: float = START_S) -> None:
        """Wait until it answers as part of a cluster with a leader. Raises EtcdFailed."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if not self.runs:
                break
            with suppress(Unavailable), self.gateway() as gateway:
                if gateway.is_healthy():
                    return
            time.sleep(0.02)
        raise EtcdFailed(f"{self.name} is not healthy after {limit_s:g} s: {self.last_words()}")

    def kill(self) -> None:
        """SIGKILL: what is not synced is lost for the process, though not for the operating system."""
        self._signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(STOP_S)

    def stop(self) -> None:
        """SIGTERM: it ends in its own time, and leads no more before."""
        self._signal(signal.SIGTERM)
        assert self.process is not None
        self.process.wait(STOP_S)

    def pause(self) -> None:
        """SIGSTOP: it does nothing until `resume`, and its clock goes on. Returns when it has stopped, or ended."""
        self._signal(signal.SIGSTOP)
        assert self.process is not None
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def ends(self, limit_s: float) -> bool:
        """Whether it ends by itself within the time."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(limit_s)
        return not self.runs

    def _signal(self, number: int) -> None:
        if self.process is None or not self.runs:
            raise EtcdFailed(f"{self.name} has ended: {self.last_words()}")
        self.process.send_signal(number)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def last_words(self) -> str:
        """Why it panicked, else the last line that it has written."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        panics = [line for line in lines if line.startswith("panic: ")]
        return _message((panics or lines or ["it has written nothing"])[-1])[:LONGEST_WORDS]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Members of one cluster, the first on top."""

    members: tuple[Member, ...]
    version: str

    def leader(self) -> Member | None:
        """Who leads as far as the members say; None while nobody does."""
        for member in self.members:
            if member.runs:
                with suppress(Unavailable, Refused), member.gateway() as gateway:
                    status = gateway.status()
                    if status.leader == status.member:
                        return member
        return None


def find(binary: str | None) -> str | None:
    """The path of the etcd to use: the one that is named, else the one that is installed."""
    return shutil.which(binary or "etcd")


def version_of(binary: str) -> str:
    """Its version, like 3.5.33. Raises EtcdFailed if it does not tell."""
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=STOP_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise EtcdFailed(f"{binary} does not run: {problem}") from problem
    first = told.splitlines()[0] if told else ""
    if not first.startswith("etcd Version: "):
        raise EtcdFailed(f"{binary} --version: expected the version of etcd, got {first[:100]!r}")
    return first.removeprefix("etcd Version: ").strip()


@contextmanager
def running(binary: str, members: int = 1, more: Sequence[str] = ()) -> Iterator[Cluster]:
    """A healthy cluster of new members, which are killed, and their data removed, at the end. Raises EtcdFailed."""
    folder = Path(tempfile.mkdtemp(prefix="kubeproof-etcd-"))
    cluster = Cluster(tuple(_members(binary, folder, members, more)), version_of(binary))
    try:
        for member in cluster.members:
            member.start()
        for member in cluster.members:
            member.wait_until_healthy()
        yield cluster
    finally:
        for member in cluster.members:
            if member.runs:
                member.kill()  # also ends one that is paused
        shutil.rmtree(folder, ignore_errors=True)


def _members(binary: str, folder: Path, count: int, more: Sequence[str]) -> Iterator[Member]:
    ports = free_ports(2 * count)
    peers = {f"m{number + 1}": f"http://127.0.0.1:{ports[2 * number]}" for number in range(count)}
    for number, (name, peer) in enumerate(peers.items()):
        client = f"http://127.0.0.1:{ports[2 * number + 1]}"
        options = {
            "name": name,
            "data-dir": str(folder / name),
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "initial-cluster": ",".join(f"{each}={url}" for each, url in peers.items()),
            "initial-cluster-token": folder.name,
        }
        arguments = [binary, *(f"--{key}={value}" for key, value in options.items()), *more]
        yield Member(name, ports[2 * number + 1], folder, tuple(arguments))


def _message(line: str) -> str:
    """What a line of the log says: lines are JSON, but for those of Go's runtime and of 3.4."""
    try:
        return str(json.loads(line)["msg"])
    except (ValueError, TypeError, KeyError):
        return line


def free_ports(count: int) -> list[int]:
    """So many ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
