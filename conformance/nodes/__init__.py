"""Anybody's Raft node as something to explore: what it must answer, and clusters of it."""
