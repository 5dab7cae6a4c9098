"""The executable specification of Ethereum as a program: reads state tests, a JSON document a line, and says what each transaction leaves.

Usage: `python execute_cases.py FORK`. A case is a genesis with the state before, the block's fields, and one transaction; the answer is the
state root, the hash of the logs, and whether no block may include the transaction.
"""
# mypy: disable-error-code="import-not-found, misc"

import json
import sys
from typing import Any

from ethereum.crypto.hash import keccak256
from ethereum.exceptions import EthereumException
from ethereum_rlp import rlp
from ethereum_rlp.exceptions import RLPException
from ethereum_types.numeric import U64, U256, Uint
from execute_blocks import Chain, Json, address_of, answer, fork, hex_of, state, transaction_of, transactions, vm, word_of


def execute(case: Json) -> Json:
    """Run the case's transaction alone: no system calls, withdrawals or rewards, which the state tests leave out."""
    chain = Chain(case["genesis"]).chain
    environment = vm.BlockEnvironment(
        chain_id=chain.chain_id,
        state=chain.state,
        block_gas_limit=Uint(case["gas_limit"]),
        block_hashes=[],
        coinbase=address_of(case["beneficiary"]),
        number=Uint(case["number"]),
        base_fee_per_gas=Uint(case["base_fee_per_gas"]),
        time=U256(case["timestamp"]),
        prev_randao=word_of(case["prev_randao"]),
        excess_blob_gas=U64(case["excess_blob_gas"]),
        parent_beacon_block_root=word_of("0x0"),
    )
    output = vm.BlockOutput()
    refused = not run(environment, output, bytes.fromhex(case["transaction"][2:]))
    return {
        "root": hex_of(state.state_root(environment.state)),
        "logs": hex_of(keccak256(rlp.encode(output.block_logs))),
        "is_refused": refused,
    }


def run(environment: Any, output: Any, raw: bytes) -> bool:
    """Whether the transaction could be executed."""
    try:
        transaction = transactions.decode_transaction(transaction_of(raw))
        fork.process_transaction(environment, output, transaction, Uint(0))
    except (EthereumException, RLPException):
        return False
    return True


def main() -> None:
    for line in sys.stdin:
        answer(execute(json.loads(line)))


if __name__ == "__main__":
    main()
