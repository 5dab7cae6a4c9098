"""Whether a request quotes a file of 0G Storage: its root stands there, its text stands there, and the chain knows the file."""

import re
from collections.abc import Iterator
from typing import Final

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.market import Market
from zerog.compute.client.verifying.kinds import JSON_TYPE, json_object
from zerog.compute.client.verifying.offline import Content
from zerog.compute.client.verifying.verdict import Findings
from zerog.compute.wire.answer_file import AnswerFile
from zerog.primitives import Hash32
from zerog.storage.client.submissions import SubmittedAt, find_submission
from zerog.storage.protocol.errors import EmptyFileError
from zerog.storage.protocol.merkle import file_root

__all__ = ["check_data"]

PART: Final = "data"
ROOT: Final = re.compile(r"\b0x[0-9a-fA-F]{64}\b")
ROOTS_TOLD: Final = 3
"""Of a request that names many."""


def check_data(file: AnswerFile, content: Content, data: bytes, market: Market, findings: Findings) -> SubmittedAt:
    """Hold a file's bytes against a request in clear and the chain. Raises `AnswerRefutedError` where one of the three does not fit."""
    if content.request is None:
        raise AnswerRefutedError(PART, "what was asked is encrypted, and the file holds no key: nobody can see what it quotes")
    try:
        root, text = file_root(data), data.decode()
    except EmptyFileError:
        raise AnswerRefutedError(PART, "it is empty") from None
    except UnicodeDecodeError:
        raise AnswerRefutedError(PART, "it is no text in UTF-8, so no request can quote it") from None
    said = list(_texts(json_object(content.request))) if file.request.content_type == JSON_TYPE else []
    _check_named(root, said)
    if not any(text.strip() in one for one in said):
        raise AnswerRefutedError(PART, f"the request names {root}, and does not quote all of its text")
    submitted = find_submission(market.chain, data, market.flow)
    if submitted is None:
        raise AnswerRefutedError(PART, f"the chain knows of no file with the root {root}")
    findings.proven.append(f"the request quotes the whole of the file {root}, which the chain knows since block {submitted.block_number}")
    findings.not_proven.append("that storage nodes still keep the file that is quoted, or that the model took notice of it")
    return submitted


def _check_named(root: Hash32, said: list[str]) -> None:
    named = dict.fromkeys(found.lower() for one in said for found in ROOT.findall(one))
    if str(root) not in named:
        others = f"names {', '.join(list(named)[:ROOTS_TOLD])}" if named else "names no file"
        raise AnswerRefutedError(PART, f"its root is {root}, and the request {others}")


def _texts(value: object) -> Iterator[str]:
    """Every text in a request, however deep; the reader of the request has bounded the depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
