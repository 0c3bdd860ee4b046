"""The release of raftos that is explored: the last, of 2017."""

from __future__ import annotations

import logging
from typing import Any

from kubeproof.conformance.adapters.installed import Distribution, Release

RELEASE = Release(
    Distribution("raftos", "0.2.6", "489449fbd3baa677fea55d8068de2c83a46d63c7db5758d79ccc8229076e3c80"),
    ("raftos", "msgpack"),
    # The release that raftos asks for; newer ones do not know its arguments. Of cryptography, which it asks for, too, and does
    # without if it is not there, nothing is needed: it encrypts datagrams.
    (Distribution("msgpack-python", "0.4.8", "1a2b19df0f03519ec7f19f826afb935b202d8979b0856c6fb3dc28955799f886"),),
)


def package() -> Any:
    """The module `raftos`. NotInstalled if it is not there."""
    logging.getLogger("raftos").addHandler(logging.NullHandler())
    logging.getLogger("raftos").propagate = False  # it says that it does without cryptography
    return RELEASE.load("raftos")
