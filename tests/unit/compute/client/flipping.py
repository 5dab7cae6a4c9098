"""Changing single bits of saved answers, evenly over all their members, however long each is."""

import os
import random
from collections.abc import Iterator

import msgspec

from zerog.compute.wire.answer_file import AnswerFile

FLIPS_A_MEMBER = 8


def members_of(file: AnswerFile) -> Iterator[tuple[str, range]]:
    """Where each member stands in the file's bytes, with its name."""
    at = 1
    for name in sorted(file.__struct_fields__):
        whole = msgspec.json.encode({name: getattr(file, name)}, enc_hook=str, order="sorted")[1:-1]
        yield name, range(at, at + len(whole))
        at += len(whole) + 1


def flipped(file: AnswerFile, seed: int) -> Iterator[tuple[str, bytes]]:
    """The file with one bit changed, many times: in which member, and the bytes. With `ZEROG_TEST_LONG` each byte once."""
    content, dice = file.to_bytes(), random.Random(seed)
    for name, places in members_of(file):
        assert content[places.start : places.start + len(name) + 3] == f'"{name}":'.encode()
        count = len(places) if os.environ.get("ZEROG_TEST_LONG") else min(FLIPS_A_MEMBER, len(places))
        for place in dice.sample(places, count):
            changed = bytearray(content)
            changed[place] ^= 1 << dice.randrange(8)
            yield name, bytes(changed)
