"""Nodes that do nothing, where they could not be taken out."""

from __future__ import annotations

from hw_build.operators.operator import Operator


class Identity(Operator):
    """Identity, and constants that are nodes."""

    names = ("Identity", "Constant")
    does_nothing = True


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "Identity, Dropout",
        "",
        "nothing",
    ),
)
OPERATORS = (Identity(),)
