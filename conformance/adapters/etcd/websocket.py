"""A WebSocket client (RFC 6455), as far as etcd's gateway needs one: text messages in both directions.

HTTP/1.1 does not do for a stream to which requests are added later: Go's server reads the rest of a body before it answers.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import time

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LAST = 0x80


class Closed(Exception):
    """The other side has ended the connection."""


class WebSocket:
    """An open connection. Raises OSError, Closed where the other side is not there, or does not speak the protocol."""

    def __init__(self, host: str, port: int, path: str, limit_s: float) -> None:
        self._received = bytearray()
        self._message = bytearray()
        self._socket = socket.create_connection((host, port), limit_s)
        try:
            self._open(f"{host}:{port}", path, limit_s)
        except BaseException:
            self._socket.close()
            raise

    def _open(self, host: str, path: str, limit_s: float) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {
            "Host": host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": 13,
        }
        self._socket.sendall("\r\n".join([f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]).encode())
        deadline = time.monotonic() + limit_s
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if not self._read(deadline):
                raise Closed("no answer to the upgrade")
        status = bytes(self._received[:end]).split(b"\r\n", 1)[0]
        if b" 101 " not in status:
            raise Closed(f"expected 101 Switching Protocols, got {status[:100]!r}")
        del self._received[: end + 4]

    def send(self, message: bytes) -> None:
        """Send a text message."""
        self._send(TEXT, message)

    def receive(self, limit_s: float) -> bytes | None:
        """The next message; None if it has not come within the time."""
        deadline = time.monotonic() + limit_s
        while True:
            frame = self._frame()
            if frame is None:
                if not self._read(deadline):
                    return None
                continue
            first, content = frame
            kind = first & 0x0F
            if kind == CLOSE:
                raise Closed("closed by the server")
            if kind == PING:
                self._send(PONG, content)
            elif kind != PONG:
                self._message += content
                if first & LAST:
                    message = bytes(self._message)
                    self._message.clear()
                    return message

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, kind: int, content: bytes) -> None:
        """A client masks its frames (section 5.3)."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
        size = len(content)
        if size < 126:
            length = bytes([0x80 | size])
        elif size < 1 << 16:
            length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
        else:
            length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
        self._socket.sendall(bytes([LAST | kind]) + length + mask + masked)

    def _frame(self) -> tuple[int, bytes] | None:
        """The first byte and the content of a frame, if a whole one has been received."""
        received = self._received
        if len(received) < 2:
            return None
        begin, size = 2, received[1] & 0x7F
        if size >= 126:
            begin += 2 if size == 126 else 8
            size = int.from_bytes(received[2:begin], "big")
        if len(received) < begin or len(received) < begin + size:
            return None
        first, content = received[0], bytes(received[begin : begin + size])
        del received[: begin + size]
        return first, content

    def _read(self, deadline: float) -> bool:
        """Read what is there; False if nothing has come by then."""
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self._socket], [], [], left)[0]:
            return False
        more = self._socket.recv(1 << 16)
        if not more:
            raise Closed("closed by the server")
        self._received += more
        return True
