"""The release lines of etcd whose answers differ."""

from __future__ import annotations

from enum import IntEnum


class Version(IntEnum):
    """A release line; later ones compare greater."""

    V3_4 = 304
    V3_5 = 305
    V3_6 = 306

    def __str__(self) -> str:
        return f"{self // 100}.{self % 100}"
