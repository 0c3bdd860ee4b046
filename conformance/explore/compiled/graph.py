"""Algorithms on numbered states and edges, compiled: who can come to a goal, and which states can come back to themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kubeproof.conformance.explore.compiled.hashing import Ints, Numbers

_compiled: Any = njit(cache=True, nogil=True)


@_compiled
def by_source(source: Any, target: Any, states: int) -> tuple[Numbers, Ints]:
    """Edges ordered by where they begin: of state n, the targets from `first[n]` to `first[n + 1]`."""
    first = np.zeros(states + 1, np.int64)
    for edge in range(len(source)):
        first[source[edge] + 1] += 1
    for state in range(states):
        first[state + 1] += first[state]
    place = first[:-1].copy()
    targets = np.empty(len(source), np.int32)
    for edge in range(len(source)):
        targets[place[source[edge]]] = target[edge]
        place[source[edge]] += 1
    return first, targets


@_compiled
def reachable(first: Any, targets: Any, begin: Any) -> Any:
    """Whether each state can be reached from one of those where it begins; these are reached."""
    reached = begin.copy()
    stack = np.empty(len(begin), np.int32)
    height = 0
    for state in range(len(begin)):
        if begin[state]:
            stack[height] = state
            height += 1
    while height:
        height -= 1
        state = stack[height]
        for edge in range(first[state], first[state + 1]):
            if not reached[targets[edge]]:
                reached[targets[edge]] = True
                stack[height] = targets[edge]
                height += 1
    return reached


@_compiled
def components(first: Any, targets: Any, inside: Any) -> Any:
    """Strongly connected components (Tarjan 1972) of the states inside: a number for each state, -1 for those outside."""
    states = len(inside)
    order = np.full(states, -1, np.int32)
    low = np.empty(states, np.int32)
    component = np.full(states, -1, np.int32)
    stack, path, edge = np.empty(states, np.int32), np.empty(states, np.int32), np.empty(states, np.int64)
    height = visited = found = 0
    for root in range(states):
        if not inside[root] or order[root] >= 0:
            continue
        path[0] = root
        depth = 1
        order[root] = low[root] = visited
        visited += 1
        edge[root] = first[root]
        stack[height] = root
        height += 1
        while depth:
            state = path[depth - 1]
            if edge[state] < first[state + 1]:
                reached = targets[edge[state]]
                edge[state] += 1
                if not inside[reached]:
                    continue
                if order[reached] < 0:
                    order[reached] = low[reached] = visited
                    visited += 1
                    edge[reached] = first[reached]
                    path[depth] = reached
                    depth += 1
                    stack[height] = reached
                    height += 1
                elif component[reached] < 0:
                    low[state] = min(low[state], order[reached])
                continue
            depth -= 1
            if depth:
                low[path[depth - 1]] = min(low[path[depth - 1]], low[state])
            if low[state] == order[state]:
                while True:
                    height -= 1
                    component[stack[height]] = found
                    if stack[height] == state:
                        break
                found += 1
    return component


@_compiled
def way_between(first: Any, targets: Any, inside: Any, begin: int, wanted: Any) -> Any:
    """A shortest way, of at least one edge, from a state to one that is wanted, over states inside; empty if there is none."""
    came_from = np.full(len(inside), -1, np.int32)
    queue = np.empty(len(inside) + 1, np.int32)
    queue[0] = begin
    head, tail = 0, 1
    while head < tail:
        state = queue[head]
        head += 1
        for edge in range(first[state], first[state + 1]):
            reached = targets[edge]
            if not inside[reached]:
                continue
            if wanted[reached]:
                way = [reached, state]
                while way[-1] != begin or (len(way) == 1):
                    way.append(came_from[way[-1]])
                return np.array(way[::-1], np.int32)
            if came_from[reached] < 0 and reached != begin:
                came_from[reached] = state
                queue[tail] = reached
                tail += 1
    return np.empty(0, np.int32)
