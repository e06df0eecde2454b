"""Option prices, greeks and implied volatility; pure."""

from .errors import ModelError, NoImpliedVolatility
from .european import BookGreeks, Greeks
from .implied import implied_volatility
from .model import Dividends, book_greeks, exercise_matters, intrinsic_value, option_greeks

__all__ = [
    "BookGreeks",
    "Dividends",
    "Greeks",
    "ModelError",
    "NoImpliedVolatility",
    "book_greeks",
    "exercise_matters",
    "implied_volatility",
    "intrinsic_value",
    "option_greeks",
]
