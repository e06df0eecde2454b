"""The key that names a contract everywhere: in tables, logs, scenarios and on the page.

``symbol|sec_type|expiry|strike|right``: stock ``NVDA|STK|||``, option ``NVDA|OPT|20260320|140|C``.
One function builds it and one parses it, losslessly (database.md, "contract_key").
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

_EXPIRY = re.compile(r"\d{6}(\d{2})?")
_RIGHTS = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}


class ContractKeyError(ValueError):
    """A contract key that cannot be built or parsed; the message names the text and what is wrong with it."""


def format_strike(strike: float | Decimal) -> str:
    """Return ``strike`` in dollars with no trailing zeros: ``140``, ``142.5``."""
    value = Decimal(repr(strike)) if isinstance(strike, float) else Decimal(strike)
    if not value.is_finite() or value <= 0:
        raise ContractKeyError(f"strike {strike!r} is not a price above zero")
    text = format(value.normalize(), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, order=True)
class ContractKey:
    """A contract as the desk names it.

    Attributes
    ----------
    symbol : str
        Underlying symbol, upper case.
    sec_type : str
        ``STK``, ``OPT``, ``FUT``, ...
    expiry : str
        ``YYYYMMDD`` (or ``YYYYMM``) for dated contracts, else empty.
    strike : float
        Dollars; 0.0 for contracts without one.
    right : str
        ``C``, ``P`` or empty.
    """

    symbol: str
    sec_type: str
    expiry: str = ""
    strike: float = 0.0
    right: str = ""

    def __hash__(self) -> int:
        # Keys are looked up a hundred times in one decision: the hash of five fields is worked out once.
        kept: int | None = self.__dict__.get("_hash")
        if kept is None:
            kept = hash((self.symbol, self.sec_type, self.expiry, self.strike, self.right))
            self.__dict__["_hash"] = kept
        return kept

    def __reduce__(self) -> tuple[type[ContractKey], tuple[str, str, str, float, str]]:
        # The hash of a text is another one in each process: it must not travel with the key.
        return ContractKey, (self.symbol, self.sec_type, self.expiry, self.strike, self.right)

    def __str__(self) -> str:
        strike = format_strike(self.strike) if self.strike else ""
        return f"{self.symbol}|{self.sec_type}|{self.expiry}|{strike}|{self.right}"

    @property
    def is_option(self) -> bool:
        return self.sec_type == "OPT"

    @property
    def is_stock(self) -> bool:
        return self.sec_type == "STK"

    @property
    def expiry_date(self) -> date:
        """The contract's expiry date; raises for a contract without a full one."""
        if len(self.expiry) != 8:
            raise ContractKeyError(f"{self}: no expiry date (YYYYMMDD) in the key")
        return date(int(self.expiry[:4]), int(self.expiry[4:6]), int(self.expiry[6:]))


def contract_key(
    symbol: str, sec_type: str, expiry: str | None = "", strike: float | None = 0.0, right: str | None = ""
) -> ContractKey:
    """Build a key from a broker's fields: upper case symbol, ``C``/``P``, unset fields (None, 0, NaN, ``?``) as empty.

    Raises
    ------
    ContractKeyError
        When the fields do not make a contract of that type.
    """
    name, kind = symbol.strip().upper(), sec_type.strip().upper()
    if not name or "|" in name:
        raise ContractKeyError(f"symbol {symbol!r} must be non-empty and free of '|'")
    if not kind or "|" in kind:
        raise ContractKeyError(f"security type {sec_type!r} must be non-empty and free of '|'")
    date_text = (expiry or "").strip().split(" ")[0]
    number = float(strike or 0.0)
    side = (right or "").strip().upper()
    side = "" if side in ("", "?", "0") else _RIGHTS.get(side, side)
    if kind == "STK":
        return ContractKey(name, kind)
    if date_text and not _EXPIRY.fullmatch(date_text):
        raise ContractKeyError(f"expiry {expiry!r} of {name} {kind} is not YYYYMM or YYYYMMDD")
    if kind in ("OPT", "FOP"):
        if side not in ("C", "P"):
            raise ContractKeyError(f"right {right!r} of {name} {kind} must be C or P")
        if not date_text or math.isnan(number) or number <= 0:
            raise ContractKeyError(f"{name} {kind} needs an expiry and a strike above zero, got {expiry!r}, {strike!r}")
        return ContractKey(name, kind, date_text, number, side)
    return ContractKey(name, kind, date_text, number if number > 0 and not math.isnan(number) else 0.0, side)


def parse_contract_key(text: str) -> ContractKey:
    """Parse ``text`` back into a key; ``str(parse_contract_key(t)) == t`` for every key the desk writes."""
    parts = text.split("|")
    if len(parts) != 5:
        raise ContractKeyError(f"contract key {text!r} needs 5 fields symbol|sec_type|expiry|strike|right")
    symbol, sec_type, expiry, strike, right = parts
    try:
        number = float(Decimal(strike)) if strike else 0.0
    except InvalidOperation:
        raise ContractKeyError(f"strike {strike!r} in contract key {text!r} is not a number") from None
    key = contract_key(symbol, sec_type, expiry, number, right)
    if str(key) != text:
        raise ContractKeyError(f"contract key {text!r} is not in its normal form {str(key)!r}")
    return key


def stable_con_id(key: ContractKey, taken: frozenset[int] | set[int] = frozenset()) -> int:
    """The simulator's conId of ``key``: 200000000 + blake2b-4(key) mod 700000000, the next free one on collision."""
    digest = hashlib.blake2b(str(key).encode(), digest_size=4).digest()
    offset = int.from_bytes(digest, "big") % 700_000_000
    while 200_000_000 + offset in taken:
        offset = (offset + 1) % 700_000_000
    return 200_000_000 + offset
