"""The fresh process of scratch.py: schedules come in by standard input, and what they come to goes out."""

from __future__ import annotations

import pickle
import sys
import tempfile
from pathlib import Path

from kubeproof.conformance.adapters.pysyncobj.over_tcp_members import ConnectedMembers
from kubeproof.conformance.adapters.pysyncobj.process import Settings
from kubeproof.conformance.adapters.pysyncobj.scratch import Asked, Told
from kubeproof.conformance.adapters.pysyncobj.scratch_members import Members


def told(settings: Settings, schedule: list[Asked], *, over_tcp: bool) -> list[Told]:
    """What members that have just started make of a schedule."""
    kind = ConnectedMembers if over_tcp else Members
    with tempfile.TemporaryDirectory() as folder, kind(settings, Path(folder)) as members:
        return [members.take(asked) for asked in schedule]


if __name__ == "__main__":
    settings, schedules, over_tcp = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps([told(settings, schedule, over_tcp=over_tcp) for schedule in schedules]))
