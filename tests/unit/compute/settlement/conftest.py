"""Databases as the tests of the book have them."""

from tests.unit.compute.book.conftest import postgres, url

__all__ = ["postgres", "url"]
