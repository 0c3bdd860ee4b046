"""Implementations as systems to explore: their local states, steps and properties."""
