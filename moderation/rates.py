"""Rates that say how sure they are, and how far two people agree beyond chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

__all__ = ["Agreement", "Rate"]

_Z: Final = 1.959963984540054
"""Of the normal distribution: 95 % lie within so many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many of `n` it was; `low` and `high` are what it may be in the long run, at 95 %.

    n      decisions
    hits   of these; a decision that says "in part" counts in part
    share  0..1; 0 where there were none
    """

    n: int
    hits: float
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, n: int, hits: float) -> Rate:
        """With Wilson's interval, which holds for a few decisions and for rates of 0 and 1, too.

        Wilson (1927), "Probable inference, the law of succession, and statistical inference",
        J. Am. Stat. Assoc. 22:209-212.
        """
        if not n:
            return cls(n=0, hits=0, share=0, low=0, high=1)
        share, spread = hits / n, _Z**2 / n
        middle = share + spread / 2
        reach = _Z * sqrt(share * (1 - share) / n + spread / (4 * n))
        low, high = (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)
        return cls(n=n, hits=hits, share=share, low=max(0.0, low), high=min(1.0, high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of two people who decided the same, without knowing of each other.

    n      pairs
    same   of these, the share that said the same; `None` for no pairs
    kappa  how much of what chance leaves open they agree on: 1 all, 0 no more than by chance,
           below 0 less; `None` where it is not defined: no pairs, or all said one and the same
    """

    n: int
    same: float | None
    kappa: float | None

    @classmethod
    def of(cls, pairs: Mapping[tuple[str, str], int]) -> Agreement:
        """How often the first said one thing and the second another.

        Cohen (1960), "A coefficient of agreement for nominal scales", Educ. Psychol. Meas.
        20:37-46.
        """
        n = sum(pairs.values())
        if not n:
            return cls(n=0, same=None, kappa=None)
        said = {each for pair in pairs for each in pair}
        same = sum(count for (first, second), count in pairs.items() if first == second)
        chance = sum(_said(pairs, 0, each) * _said(pairs, 1, each) for each in said)
        # In whole numbers: 1 - 1 must be 0.
        left = n * n - chance
        return cls(n=n, same=same / n, kappa=(n * same - chance) / left if left else None)


def _said(pairs: Mapping[tuple[str, str], int], who: int, what: str) -> int:
    return sum(count for pair, count in pairs.items() if pair[who] == what)
