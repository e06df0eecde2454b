"""Tasks end although a cancellation gets lost on the way."""

from __future__ import annotations

import asyncio
import logging

import pytest
from bifrost.tasks import end_tasks


async def _swallows(times: int) -> None:
    """As a library that takes a cancellation for the end of its own wait."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


def test_a_task_that_swallows_a_cancellation_is_cancelled_again(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        tasks = [asyncio.create_task(_swallows(times)) for times in (0, 1, 2)]
        await asyncio.sleep(0)
        assert await end_tasks(tasks) == []
        assert all(task.cancelled() for task in tasks)

    asyncio.run(story())
    assert caplog.records == []


def test_a_task_that_never_ends_is_left_behind_and_named(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        stubborn = asyncio.create_task(_swallows(100), name="stubborn")
        await asyncio.sleep(0)
        assert await end_tasks([stubborn], limit_s=0.6) == [stubborn]
        while not stubborn.done():
            stubborn.cancel()
            await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        asyncio.run(story())
    assert "stubborn" in caplog.text


def test_what_a_task_raises_on_its_way_out_is_not_raised_to_who_ends_it() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("on the way out")

    async def story() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        assert await end_tasks([task, *()]) == []
        assert isinstance(task.exception(), ValueError)

    asyncio.run(story())
