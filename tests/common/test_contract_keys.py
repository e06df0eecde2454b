"""Contract keys: one function builds them, one parses them, nothing is lost (database.md, "contract_key")."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import date

import pytest
from bifrost.contract import ContractKeyError, contract_key, format_strike, parse_contract_key, stable_con_id
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("nvda", "STK"), "NVDA|STK|||"),
        (("NVDA", "STK", "", 0.0, "?"), "NVDA|STK|||"),
        (("NVDA", "OPT", "20260320", 140.0, "C"), "NVDA|OPT|20260320|140|C"),
        (("NVDA", "OPT", "20260320", 142.5, "CALL"), "NVDA|OPT|20260320|142.5|C"),
        (("NVDA", "OPT", "20260320", 1000, "put"), "NVDA|OPT|20260320|1000|P"),
        (("ES", "FUT", "202606"), "ES|FUT|202606||"),
        (("ES", "FUT", "20260619 08:30:00 US/Central", None, None), "ES|FUT|20260619||"),
    ],
)
def test_broker_fields_make_the_key(fields: tuple, text: str) -> None:
    assert str(contract_key(*fields)) == text
    assert parse_contract_key(text) == contract_key(*fields)


@given(
    symbol=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ.", min_size=1, max_size=6),
    expiry=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    strike=st.integers(1, 99_999_999),
    right=st.sampled_from(["C", "P"]),
)
def test_every_option_key_comes_back(symbol: str, expiry: date, strike: int, right: str) -> None:
    key = contract_key(symbol, "OPT", f"{expiry:%Y%m%d}", strike / 1000, right)
    again = parse_contract_key(str(key))
    assert again == key and str(again) == str(key)
    assert again.expiry_date == expiry and again.strike == strike / 1000 and again.is_option


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NVDA", "5 fields"),
        ("NVDA|OPT|20260320|140.0|C", "normal form"),
        ("nvda|STK|||", "normal form"),
        ("NVDA|OPT|20260320|abc|C", "not a number"),
        ("NVDA|OPT|2026|140|C", "YYYYMM"),
        ("NVDA|OPT|20260320||C", "strike above zero"),
        ("NVDA|OPT|20260320|140|", "C or P"),
        ("|STK|||", "symbol"),
    ],
)
def test_bad_keys_are_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(ContractKeyError, match=words):
        parse_contract_key(text)


def test_strikes_have_no_trailing_zeros() -> None:
    strikes = {140.0: "140", 142.5: "142.5", 1e3: "1000", 0.005: "0.005"}
    assert {value: format_strike(value) for value in strikes} == strikes
    with pytest.raises(ContractKeyError):
        format_strike(float("nan"))


def test_con_ids_are_stable_and_step_aside() -> None:
    key = contract_key("NVDA", "STK")
    number = stable_con_id(key)
    assert 200_000_000 <= number < 900_000_000 and stable_con_id(key) == number
    assert stable_con_id(key, {number}) == number + 1


def test_a_key_is_found_by_a_process_whose_texts_hash_otherwise() -> None:
    """Workers get keys pickled: a hash that came along would find nothing in their tables."""
    key = contract_key("NVDA", "OPT", "20260320", 140.0, "C")
    assert hash(key) == hash(key)
    text = (
        "import pickle, sys; key = pickle.loads(sys.stdin.buffer.read());"
        "from bifrost.contract import parse_contract_key; assert key in {parse_contract_key('NVDA|OPT|20260320|140|C')}"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", text], input=pickle.dumps(key), check=True, env=env)
