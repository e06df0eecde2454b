"""Checks of the order book, of ticks one by one and of ticks of the past."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.conformance.story import Story, expect


def order_book(story: Story) -> None:
    for smart in (False, True):
        book = story.client.book(story.stock, smart)
        story.until(lambda book=book: {"bid", "ask"} <= set(book.values), "both sides of the book")  # type: ignore[misc]
        expect(0 < book.values["bid"] < book.values["ask"] and book.values["bid_size"] > 0, f"{book.values}")
        story.client.cancel_book(book)


def depth_exchanges(story: Story) -> None:
    expect({kind for _, kind in story.client.depth_exchanges()} == {"STK", "OPT"}, "not both kinds of contract")


def single_ticks(story: Story) -> None:
    for kind, names in (("AllLast", {"last"}), ("BidAsk", {"bid", "ask"}), ("MidPoint", {"mid"})):
        line = story.client.single_ticks(story.stock, kind)
        story.until(lambda line=line, names=names: names <= set(line.values), f"a tick of {kind}")  # type: ignore[misc]
        expect(all(line.values[name] > 0 for name in names), f"{line.values}")
        story.client.cancel_single_ticks(line)


def past_ticks(story: Story) -> None:
    now = datetime.fromtimestamp(story.client.current_time_s() - 60, UTC)
    for what in ("TRADES", "BID_ASK", "MIDPOINT"):
        prices = story.client.past_ticks(story.stock, f"{now:%Y%m%d-%H:%M:%S}", 25, what)
        expect(len(prices) == 25 and all(abs(price - story.bid) < 10 for price in prices), f"{what}: {prices[:3]}")
