"""A real etcd on loopback: its processes, and its JSON gateway."""
