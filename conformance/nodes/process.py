"""Somebody's program as a child process that answers lines with lines: in time, in lines of some size, and ended for certain.

A guard is started beside it, which kills it when this process has gone, in whatever way: a program that hangs hears of nothing.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from kubeproof.conformance.trace.raft.violation import shortened
from kubeproof.conformance.verdict import InvalidInput

LINE_BYTES_MAX = 1 << 20
READ_BYTES = 1 << 16
WORDS_BYTES_MAX = 1 << 14
STOP_S = 1.0
GUARD = "import os, signal, sys; os.read(0, 1); os.killpg(int(sys.argv[1]), signal.SIGKILL)"
"""Its input ends with the process that holds the other end; who stops the child ends the guard, too."""


class Process:
    """A started program. Whatever it does wrong is InvalidInput, with its last words; only `stop` may follow.

    `where` is how the user has named the program, `called` how it calls itself.
    """

    def __init__(self, command: Sequence[str], where: str, answer_s: float) -> None:
        self.called = "the node"
        self._where = where
        self._answer_s = answer_s
        self._unread = bytearray()
        self._surplus: list[bytes] = []
        self._words = b""
        try:
            self._child = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as problem:
            raise InvalidInput(where, None, f"the node cannot be started: {problem.strerror}") from problem
        self._stopping = weakref.finalize(self, _stop, self._child, _guard(self._child.pid), os.getpid())
        self._stdin, self._stdout, self._stderr = [pipe.fileno() for pipe in _pipes(self._child)]
        self._poll = select.poll()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
        self._poll.register(self._stdout, select.POLLIN)
        self._poll.register(self._stderr, select.POLLIN)

    def exchange(self, lines: Sequence[bytes]) -> list[bytes]:
        """Send these lines without waiting in between, and return the answer to each."""
        self._surplus += self._answers()
        if self._surplus or self._unread:
            unasked = b"".join([*self._surplus, self._unread])
            raise self.failed(f"has said what it was not asked for: {shown(unasked)}")
        answers: list[bytes] = []
        unsent = memoryview(b"".join([line + b"\n" for line in lines]))
        deadline = time.monotonic() + self._answer_s
        self._poll.register(self._stdin, select.POLLOUT)
        while len(answers) < len(lines) or (unsent and len(answers) == len(lines)):
            left_s = deadline - time.monotonic()
            ready = self._poll.poll(max(0, left_s * 1000))
            if left_s <= 0 or not ready:
                raise self.failed(f"has not answered within {self._answer_s:g} s")
            for pipe, _ in ready:
                if pipe == self._stdin:
                    unsent = self._send(unsent)
                elif pipe == self._stderr:
                    self._hear()
                elif arrived := self._answers():
                    answers += arrived
                    deadline = time.monotonic() + self._answer_s
        self._surplus = answers[len(lines) :]
        return answers[: len(lines)]

    def stop(self) -> None:
        """End it: when its input ends it may end by itself, and else must."""
        self._stopping()

    def failed(self, problem: str) -> InvalidInput:
        """What to raise: its problem and its last words."""
        deadline = time.monotonic() + 0.1
        while self._hear() and time.monotonic() < deadline:
            pass
        words = _last_line(self._words)
        return InvalidInput(self._where, None, f"{self.called} {problem}" + (f"; its last words: {words}" if words else ""))

    def _send(self, unsent: memoryview) -> memoryview:
        try:
            unsent = unsent[os.write(self._stdin, unsent) :]
        except BrokenPipeError:  # that it has ended is seen at its output
            unsent = unsent[len(unsent) :]
        if not unsent:
            self._poll.unregister(self._stdin)
        return unsent

    def _answers(self) -> list[bytes]:
        """The whole lines that are there."""
        try:
            arrived = os.read(self._stdout, READ_BYTES)
        except BlockingIOError:
            return []
        if not arrived:
            raise self.failed(self._how_it_ended())
        *whole, rest = arrived.split(b"\n")
        self._unread += whole[0] if whole else rest
        if len(self._unread) > LINE_BYTES_MAX:
            raise self.failed(f"has answered with a line of more than {LINE_BYTES_MAX:,} bytes")
        if not whole:
            return []
        lines = [bytes(self._unread), *whole[1:]]
        self._unread = bytearray(rest)
        return lines

    def _hear(self) -> bool:
        """Read what it complains of, and keep the end. Whether there may be more."""
        try:
            heard = os.read(self._stderr, READ_BYTES)
        except BlockingIOError:
            return False
        if not heard:
            with suppress(KeyError):
                self._poll.unregister(self._stderr)
        self._words = (self._words + heard)[-WORDS_BYTES_MAX:]
        return bool(heard)

    def _how_it_ended(self) -> str:
        try:
            code = self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            return "has closed its output"
        return f"has ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def _guard(child: int) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C does not end it."""
    return subprocess.Popen(
        [sys.executable, "-IS", "-c", GUARD, str(child)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop(child: subprocess.Popen[bytes], guard: subprocess.Popen[bytes], starter: int) -> None:
    """In a process that was forked from the one that has started them there is nothing to do."""
    if os.getpid() != starter:
        return
    stdin, stdout, stderr = _pipes(child)
    stdin.close()
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_S)
    with suppress(ProcessLookupError, PermissionError):  # nobody of its group is left
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    stdout.close()
    stderr.close()
    guard.kill()
    guard.communicate()


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    return child.stdin, child.stdout, child.stderr


def _last_line(words: bytes) -> str:
    """Why it panicked, else the last line that it has written."""
    lines = [line for line in words.splitlines() if line.strip()]
    panics = [line for line in lines if line.startswith(b"panic: ")]
    return shown((panics or lines or [b""])[-1])


def shown(line: bytes | bytearray) -> str:
    """A line for people, who are not told all of it if it is long."""
    return shortened(bytes(line[:READ_BYTES]).decode(errors="replace").strip())
