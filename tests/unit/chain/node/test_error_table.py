"""Every row of docs/chain/errors.md, provoked on a running node: code, message and data are those of the page."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.chain.node.conftest import Running
from tests.unit.chain.node.error_rows import ROWS

PAGE = (Path(__file__).parents[4] / "docs" / "chain" / "errors.md").read_text(encoding="utf-8")
ABSENT_HEADING = "## What other nodes answer and this one cannot"
PLACES = {"N": r"\d[\d.]*", "A": r"0x[0-9a-fA-F]{40}", "X": r".+"}
"""What may stand for the letters of a message."""

# fmt: off
RECOGNISED = [
    (3, "execution reverted"), (3, "execution reverted: "), (3, "execution reverted: assert(false)"), (-32000, "out of gas"),
    (-32000, "intrinsic gas too low"), (-32000, "gas required exceeds allowance (N)"), (-32000, "nonce too low: next nonce N, tx nonce N"),
    (-32000, "nonce too high"), (-32000, "already known"), (-32000, "replacement transaction underpriced"),
    (-32000, "transaction underpriced"), (-32000, "insufficient funds for gas * price + value: balance N, tx cost N, overshot N"),
    (-32000, "intrinsic gas too low: gas N, minimum needed N"), (-32000, "exceeds block gas limit"),
    (-32000, "max fee per gas less than block base fee"), (-32000, "max priority fee per gas higher than max fee per gas"),
    (-32000, "invalid sender: invalid chain id for signer: have N want N"), (-32000, "transaction type not supported"),
    (-32000, "rlp: …"), (-32000, "typed transaction too short"), (-32601, "the method X does not exist/is not available"),
    (-32602, "missing value for required argument N"), (-32602, "invalid argument N: …"), (-32000, "header not found"),
    (-32000, "block not found"), (-32602, "invalid block range params"), (-32602, "block range extends beyond current head block"),
    (-32602, "cannot specify both BlockHash and FromBlock/ToBlock"), (-32000, "unknown block"), (-32000, "filter not found"),
    (-32000, "transaction indexing is in progress"), (-32000, "tx fee (X ether) exceeds the configured cap (X ether)"),
    (4, "the transaction was added to the pool"), (-32601, "notifications not supported"), (-32005, "limit exceeded"),
    (-32015, ""), (-38010, ""), (-38011, ""), (-38012, ""), (-38013, ""), (-38014, ""), (-38015, ""), (-38020, ""), (-38021, ""),
    (-38022, ""), (-38023, ""), (-38024, ""), (-38025, ""), (-38026, ""),
]
# fmt: on
"""What viem, ethers, web3.py, hardhat and the official tests match: a code and a part of a message. Sources: ethereum/execution-apis, src/;
ethereum/go-ethereum v1.17.5, internal/ethapi/errors.go and core/error.go; viem 2.57.20; ethers 6.17.0; web3.py 8.0.0."""


@dataclass(frozen=True, slots=True)
class Documented:
    """A row of the page."""

    when: str
    code: int
    has_data: bool
    message: str
    remedy: str

    def fits(self, message: str) -> bool:
        """Whether a message is one of those that the row describes."""
        head, _, cut = self.message.partition("…")
        pattern = re.sub(r"\b[NAX](?=\b|s\b)", lambda found: PLACES[found[0]], re.escape(head))
        return re.fullmatch(pattern + (".*" if cut or self.message.endswith("…") else ""), message, re.DOTALL) is not None


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def documented() -> list[Documented]:
    """The rows of all tables but the last."""
    rows = []
    for line in PAGE.split(ABSENT_HEADING)[0].splitlines():
        if not line.startswith("|") or line.startswith(("|---", "| when ")):
            continue
        when, code, message, remedy = cells(line)
        number, _, data = code.partition(" + ")
        assert data in ("", "data"), line
        rows.append(Documented(when, int(number), bool(data), message.removeprefix("`").removesuffix("`"), remedy))
    return rows


DOCUMENTED = {row.when: row for row in documented()}


def test_every_row_of_the_page_has_a_case_and_every_case_a_row() -> None:
    assert [row.when for row in documented()] == list(ROWS)
    assert all(row.remedy for row in documented())


@pytest.mark.parametrize("when", ROWS)
def test_a_row_is_answered_as_the_page_says(chain: Running, when: str) -> None:
    row = DOCUMENTED[when]
    outcome = ROWS[when](chain)
    refused = outcome.refused
    assert (refused.code, refused.data) == (row.code, outcome.data)
    assert (refused.data is not None) == row.has_data
    if outcome.message.endswith("…"):
        assert refused.message.startswith(outcome.message.removesuffix("…"))
    else:
        assert refused.message == outcome.message
    assert row.fits(refused.message), (row.message, refused.message)


@pytest.mark.parametrize(("code", "part"), RECOGNISED, ids=str)
def test_what_libraries_recognise_is_on_the_page(code: int, part: str) -> None:
    answered = any(row.code == code and part in row.message for row in documented())
    absent = [cells(line)[0].replace("`", "") for line in PAGE.split(ABSENT_HEADING)[1].splitlines() if line.startswith("| ")]
    assert answered or any(cell.startswith(f"{code} ") and part in cell for cell in absent)
