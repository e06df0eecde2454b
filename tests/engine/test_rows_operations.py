"""The rows of `operations`: each step of an order once, whoever tells it and however often."""

from __future__ import annotations

from bifrost.contract import contract_key
from bifrost_engine.app import rows
from bifrost_engine.domain.effects import OperationType, RecordOperation
from bifrost_engine.domain.words import Mode, Side, Times

STOCK = contract_key("NVDA", "STK")


def told(
    kind: OperationType, ref: str = "BFAAA", exec_id: str = "", *, mode: Mode = Mode.LIVE, wall_s: float = 1.0
) -> str:
    book = rows.Book("DU1", mode, "NVDA", "hash", epoch=int(wall_s))
    at = Times(wall_s, wall_s)
    effect = RecordOperation(at, kind, Side.BUY, 40, 140.0, f"told at {wall_s}", STOCK, ref, exec_id)
    return str(rows.operation(book, effect)["record_id"])


def test_a_step_told_again_by_a_later_life_is_the_same_record() -> None:
    # Killed after the row was written, before the intent's end was: the next engine tells the step again.
    for kind in OperationType:
        assert told(kind) == told(kind, wall_s=99.0)


def test_other_steps_orders_fills_and_modes_are_other_records() -> None:
    ids = [told(kind) for kind in OperationType]
    ids += [told(OperationType.CANCEL, "BFBBB"), told(OperationType.CANCEL, mode=Mode.PAPER)]
    ids += [told(OperationType.FILL, exec_id="0001.01"), told(OperationType.FILL, exec_id="0001.02")]
    assert len(set(ids)) == len(ids)


def test_a_price_carries_no_dust_of_binary_fractions() -> None:
    book = rows.Book("DU1", Mode.LIVE, "NVDA", "hash", epoch=1)
    mid = (138.66 + 138.68) / 2
    assert mid != 138.67
    effect = RecordOperation(Times(1.0, 1.0), OperationType.HEDGE_INTENT, Side.BUY, 40, mid, "D2", STOCK, "BFAAA")
    assert rows.operation(book, effect)["price"] == 138.67
