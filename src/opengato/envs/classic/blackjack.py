"""The best strategy of blackjack from an endless pack of cards.

[Sutton and Barto 2018, Reinforcement Learning: An Introduction, example 5.1]. A hand is its sum
and whether an ace in it counts 11; the dealer stops at 17.
"""

from __future__ import annotations

import functools

CARDS = {card: (4 if card == 10 else 1) / 13 for card in range(1, 11)}
BUST = 0  # the sum of a hand that is over 21, as the dealer's counts against the player's


def with_card(total: int, usable: bool, card: int) -> tuple[int, bool]:
    """The hand with one card more; `BUST` if that is too much."""
    total += card
    if card == 1 and not usable and total + 10 <= 21:
        return total + 10, True
    if total > 21 and usable:
        total, usable = total - 10, False
    return (total, usable) if total <= 21 else (BUST, False)


@functools.cache
def dealer_sums(total: int, usable: bool) -> dict[int, float]:
    """The chances of the dealer's last sum."""
    if total == BUST or total >= 17:
        return {total: 1.0}
    chances: dict[int, float] = {}
    for card, chance in CARDS.items():
        for end, share in dealer_sums(*with_card(total, usable, card)).items():
            chances[end] = chances.get(end, 0.0) + chance * share
    return chances


@functools.cache
def value_of_sticking(total: int, shown: int) -> float:
    """The chance to win less that to lose against the dealer's first card `shown`."""
    first = with_card(0, False, shown)
    return sum(chance * ((total > end) - (total < end)) for end, chance in dealer_sums(*first).items())


@functools.cache
def value_of_hitting(total: int, usable: bool, shown: int) -> float:
    """The mean reward of one card more and the best play after it."""
    worth = 0.0
    for card, chance in CARDS.items():
        following = with_card(total, usable, card)
        worth += chance * (-1.0 if following[0] == BUST else value_of(*following, shown))
    return worth


@functools.cache
def value_of(total: int, usable: bool, shown: int) -> float:
    """The mean reward of the best play."""
    return max(value_of_sticking(total, shown), value_of_hitting(total, usable, shown))


def best_to_hit(total: int, usable: bool, shown: int) -> bool:
    """Whether a card more is worth more than sticking."""
    return value_of_hitting(total, usable, shown) > value_of_sticking(total, shown)
