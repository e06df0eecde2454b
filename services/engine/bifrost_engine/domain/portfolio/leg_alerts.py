"""What a trader should look at among the legs (engine.md section 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bifrost.config import Config
from bifrost.contract import ContractKey
from bifrost.options import Dividends, intrinsic_value

from ..execution.limits import above
from .figures import ExposureAlert, LegExposure
from .leg_model import LegTime

#: IB's own delta and ours may differ by this much.
DISAGREEMENT = 0.05


def leg_alerts(
    rows: Iterable[LegExposure],
    times: Mapping[ContractKey, LegTime],
    spot: float,
    dividends: Dividends,
    config: Config,
) -> tuple[ExposureAlert, ...]:
    """pin_risk, exit_dte, early_exercise_risk and model_disagreement, with their numbers."""
    return tuple(alert for row in rows for alert in _of_leg(row, times[row.key], spot, dividends, config))


def _of_leg(
    row: LegExposure, when: LegTime, spot: float, dividends: Dividends, config: Config
) -> Iterator[ExposureAlert]:
    if when.expired:
        return
    exit_dte = config.gates.strategy.structure.exit_dte
    if when.dte < exit_dte:
        yield ExposureAlert("exit_dte", row.key, f"{row.key}: {when.dte} days to expiry, leave before {exit_dte}")
    if when.pinned:
        distance_pct = 100.0 * abs(row.key.strike - spot) / spot
        message = f"{row.key} expires today, its strike {distance_pct:.2f} % from spot {spot:.2f}"
        yield ExposureAlert("pin_risk", row.key, message)
    if row.broker_delta is not None and above(abs(row.delta - row.broker_delta), DISAGREEMENT):
        message = f"{row.key}: our delta {row.delta:.3f}, IB's {row.broker_delta:.3f}"
        yield ExposureAlert("model_disagreement", row.key, message)
    exercise = _early_exercise(row, when, spot, dividends)
    if exercise:
        yield ExposureAlert("early_exercise_risk", row.key, exercise)


def _early_exercise(row: LegExposure, when: LegTime, spot: float, dividends: Dividends) -> str:
    """A short or expiring in-the-money leg with less extrinsic value than the next dividend."""
    intrinsic = intrinsic_value(spot, row.key.strike, row.key.right)
    ahead = min((dividend for dividend in dividends if dividend[0] <= when.t_years), default=None)
    if ahead is None or row.mark is None or intrinsic <= 0 or not (row.quantity < 0 or when.last_day):
        return ""
    extrinsic = max(0.0, row.mark - intrinsic)
    if extrinsic >= ahead[1]:
        return ""
    return f"{row.key}: extrinsic value {extrinsic:.2f} USD below the next dividend of {ahead[1]:.2f} USD"
