"""The words for rejections."""

import re
from pathlib import Path

import zerog
from zerog.chain.protocol.pool_errors import CALL_TEXTS, POOL_TEXTS


def test_every_kind_of_the_kernel_has_its_words() -> None:
    stub = (Path(zerog.__file__).parent / "_kernel.pyi").read_text(encoding="utf-8")
    listed = stub[stub.index("Kinds and facts:") :].split("\n\n")[0]
    kinds = set(re.findall(r"`([a-z_]+)`", listed))
    assert len(kinds) > 20
    assert kinds <= POOL_TEXTS.keys() == CALL_TEXTS.keys()
