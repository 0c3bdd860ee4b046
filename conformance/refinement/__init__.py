"""Refinement: every local step that an exploration takes is a step of a specification that is proven for any size."""
