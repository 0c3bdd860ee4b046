"""The released versions of PySyncObj, beside each other (installed.py)."""

from __future__ import annotations

import logging
from types import ModuleType

from kubeproof.conformance.adapters.installed import Distribution, Release

SHA256 = {
    "0.3.8": "b1762334f51b77b8e2b072c8d2ee30a6552ce800f2e88a2a5fe311dc8a98832a",
    "0.3.9": "865dfa9c58d6e0f7d2736d97fbb4bb5fa132a3ff149214af13ce5c78591cc96e",
    "0.3.10": "71950dedb477e30c13c58e4f87233a63f0ac0717e31cd612e306dfafc550b86f",
    "0.3.11": "63df870de0572fa691c1dce61cda25c2ef6347125418dd2328d70d0d19cebe21",
    "0.3.12": "a4c82f080d3dcbf4a4fd627a6a0c466a60169297d3b7797acff9ff40cc44daf6",
    "0.3.13": "1785930b738fa21af298ebb04c213af25c31af148faa32f53af337ed1492d5a2",
    "0.3.14": "69d34e672257694f83f50dfb5e6e7ce446a68dba09ed48e142c782380d6428d4",
    "0.3.15": "7b98f523bc7810203763f5a6ef569ff2dd5de889fb7f5f0ccc8c8b6c87df9680",
    "0.3.16": "72afd7bbc34c0797d9d635273032e2bcc0aefc8baa553f26f6099e0ce5d620a0",
    "0.3.17": "8aaef68141714d556173778a51bcc4e221b6fd4c971dc1240f3ab4c0d2dfe765",
}
"""Source distributions, which are all that there is."""

PACKAGE = "pysyncobj"


def release(version: str) -> Release:
    """One of these versions. There are no dependencies."""
    return Release(Distribution(PACKAGE, version, SHA256[version]), (PACKAGE,))


def is_installed(version: str) -> bool:
    return release(version).is_installed()


def load(version: str) -> ModuleType:
    """The module `pysyncobj.syncobj` of a version. NotInstalled if it is not there."""
    logging.getLogger(PACKAGE).addHandler(logging.NullHandler())
    logging.getLogger(PACKAGE).propagate = False  # it says what the properties say, many times
    return release(version).load(f"{PACKAGE}.syncobj")
