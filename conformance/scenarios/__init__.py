"""Scenarios: what to explore, what is expected, and how it came out. The YAML files are in folders of their own."""
