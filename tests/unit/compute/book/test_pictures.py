"""Pictures in the book: kept once, found by who knows their address, and gone when their time or their room is over."""

import pytest

from zerog.compute.provider.book import Book

pytestmark = pytest.mark.anyio


async def test_pictures_are_kept_once_and_for_their_time(url: str) -> None:
    async with await Book.open(url, broker_id="one") as book:
        await book.keep_pictures("key", [b"first", b"second"], kept_s=60, bytes_max=100)
        await book.keep_pictures("key", [b"another"], kept_s=60, bytes_max=100)  # Repeated, as after a lost answer.
        assert [await book.picture("key", number, kept_s=60) for number in range(3)] == [b"first", b"second", None]
        assert await book.picture("key", 0, kept_s=-1) is None
        await book.keep_pictures("new", [b"new"], kept_s=-1, bytes_max=100)
        assert await book.picture("key", 1, kept_s=60) is None


async def test_the_oldest_pictures_make_room(url: str) -> None:
    async with await Book.open(url, broker_id="one") as book:
        for key in ("a", "b", "c"):
            await book.keep_pictures(key, [bytes(30), bytes(3)], kept_s=60, bytes_max=100)
        await book.keep_pictures("d", [bytes(31)], kept_s=60, bytes_max=100)
        kept = {(key, number) for key in "abcd" for number in range(2) if await book.picture(key, number, kept_s=60) is not None}
        assert kept == {("a", 1), ("b", 0), ("b", 1), ("c", 0), ("c", 1), ("d", 0)}
