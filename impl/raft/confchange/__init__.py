"""Changes of the membership: what they are, how they are encoded, what they make of a configuration. Usable alone."""

from kubeproof.impl.raft.confchange.changer import Changer, ConfChangeError, Membership
from kubeproof.impl.raft.confchange.conf_change import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    conf_changes_from_string,
    conf_changes_to_string,
    describe_conf_change,
)
from kubeproof.impl.raft.confchange.encoding import ConfChangeDecodeError, decode_conf_change, encode_conf_change
from kubeproof.impl.raft.confchange.restore import restore

__all__ = [
    "Changer",
    "ConfChange",
    "ConfChangeDecodeError",
    "ConfChangeError",
    "ConfChangeSingle",
    "ConfChangeTransition",
    "ConfChangeType",
    "ConfChangeV2",
    "Membership",
    "conf_changes_from_string",
    "conf_changes_to_string",
    "decode_conf_change",
    "describe_conf_change",
    "encode_conf_change",
    "restore",
]
