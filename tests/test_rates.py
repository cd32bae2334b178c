"""A rate says how sure it is; an agreement, how much of it is more than chance."""

from __future__ import annotations

import pytest

from moderation.rates import Agreement, Rate


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_an_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), "Two-sided confidence intervals for the single proportion", Stat. Med.
    17:857-872, table I, method 3.
    """
    rate = Rate.of(n, hits)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    assert rate.share == pytest.approx(hits / n)


def test_of_nothing_nothing_is_known() -> None:
    assert Rate.of(0, 0) == Rate(n=0, hits=0, share=0, low=0, high=1)


@pytest.mark.parametrize(
    ("pairs", "same", "kappa"),
    [
        # 25 and 30 of 50 say yes: by chance they agree in half of them.
        ({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}, 0.70, 0.40),
        # The same agreement, of people who lean alike and of people who lean apart.
        ({("y", "y"): 45, ("y", "n"): 15, ("n", "y"): 25, ("n", "n"): 15}, 0.60, 0.1304),
        ({("y", "y"): 25, ("y", "n"): 35, ("n", "y"): 5, ("n", "n"): 35}, 0.60, 0.2593),
        ({("a", "a"): 1, ("b", "b"): 2, ("c", "c"): 3}, 1.0, 1.0),
        ({("a", "b"): 5, ("b", "a"): 5}, 0.0, -1.0),
    ],
)
def test_an_agreement_is_cohens(
    pairs: dict[tuple[str, str], int], same: float, kappa: float
) -> None:
    """By hand: (observed - chance) / (1 - chance)."""
    found = Agreement.of(pairs)
    assert found.n == sum(pairs.values())
    assert found.same == pytest.approx(same)
    assert found.kappa == pytest.approx(kappa, abs=5e-5)


def test_three_outcomes_are_compared_too() -> None:
    """Observed 13 of 20; chance (10*8 + 6*8 + 4*4) / 400 = 0.36; (0.65 - 0.36) / 0.64."""
    pairs = {
        ("u", "u"): 7, ("u", "o"): 2, ("u", "p"): 1,
        ("o", "u"): 1, ("o", "o"): 4, ("o", "p"): 1,
        ("p", "u"): 0, ("p", "o"): 2, ("p", "p"): 2,
    }  # fmt: skip
    assert Agreement.of(pairs).kappa == pytest.approx(0.453125)


@pytest.mark.parametrize(("pairs", "same"), [({}, None), ({("y", "y"): 9}, 1.0)])
def test_where_chance_leaves_nothing_open_there_is_no_kappa(
    pairs: dict[tuple[str, str], int], same: float | None
) -> None:
    assert Agreement.of(pairs) == Agreement(n=sum(pairs.values()), same=same, kappa=None)
