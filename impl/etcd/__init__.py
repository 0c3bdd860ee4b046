"""A member of an etcd cluster: the store (impl/store) behind consensus (impl/raft)."""
