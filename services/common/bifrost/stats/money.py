"""Money without rounding on the way: binary floats of the rows become the decimals they were written as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_CENT = Decimal("0.01")
ZERO = Decimal(0)


def dec(value: float) -> Decimal:
    """The decimal that ``value`` was written as: 141.1 is 141.1, not its nearest binary fraction."""
    return Decimal(repr(float(value)))


def cents(value: Decimal | None) -> float | None:
    """``value`` in dollars rounded half to even to the cent, as it is shown."""
    return None if value is None else float(value.quantize(_CENT))


@dataclass(frozen=True, slots=True)
class Distribution:
    """How amounts in dollars are spread.

    ``std`` is the sample standard deviation, None below two amounts. Quantiles interpolate linearly between order
    statistics (type 7 of Hyndman and Fan 1996, numpy's default).
    """

    count: int
    total: Decimal
    wins: int
    losses: int
    mean: Decimal | None
    std: Decimal | None
    minimum: Decimal | None
    p05: Decimal | None
    p25: Decimal | None
    median: Decimal | None
    p75: Decimal | None
    p95: Decimal | None
    maximum: Decimal | None

    @property
    def win_rate(self) -> float | None:
        """Part of the amounts that are above zero; None without any."""
        return self.wins / self.count if self.count else None

    def as_dict(self) -> dict[str, object]:
        """Dollars to the cent."""
        return {
            "count": self.count,
            "total_usd": cents(self.total),
            "wins": self.wins,
            "losses": self.losses,
            "win_rate": None if self.win_rate is None else round(self.win_rate, 4),
            "mean_usd": cents(self.mean),
            "std_usd": cents(self.std),
            "min_usd": cents(self.minimum),
            "p05_usd": cents(self.p05),
            "p25_usd": cents(self.p25),
            "median_usd": cents(self.median),
            "p75_usd": cents(self.p75),
            "p95_usd": cents(self.p95),
            "max_usd": cents(self.maximum),
        }


def distribution(amounts: Sequence[Decimal]) -> Distribution:
    """The spread of ``amounts``, dollars."""
    ordered = sorted(amounts)
    count, total = len(ordered), sum(ordered, ZERO)
    mean = total / count if count else None
    std = None
    if count > 1 and mean is not None:
        std = (sum(((amount - mean) ** 2 for amount in ordered), ZERO) / (count - 1)).sqrt()
    return Distribution(
        count,
        total,
        sum(1 for amount in ordered if amount > 0),
        sum(1 for amount in ordered if amount < 0),
        mean,
        std,
        *(_quantile(ordered, part) for part in ("0", "0.05", "0.25", "0.5", "0.75", "0.95", "1")),
    )


def _quantile(ordered: Sequence[Decimal], part: str) -> Decimal | None:
    if not ordered:
        return None
    place = Decimal(part) * (len(ordered) - 1)
    lower = int(place)
    upper = min(lower + 1, len(ordered) - 1)
    return ordered[lower] + (ordered[upper] - ordered[lower]) * (place - lower)
