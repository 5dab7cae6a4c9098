"""The executable specification of Ethereum as a program: reads a genesis, then blocks, a JSON document a line, and says what each does.

Usage: `python execute_blocks.py FORK`, where FORK is `prague` or `osaka`.
Runs in an environment of its own (`requirements/eels.txt`), because the specification pins other versions of our libraries.
"""
# mypy: disable-error-code="import-not-found, misc"

import dataclasses
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ethereum.crypto.hash import keccak256
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes, Bytes8, Bytes32
from ethereum_types.numeric import U64, U256, Uint

FORK = sys.argv[1]
blocks, bloom, fork, fork_types, requests, state, transactions, trie, vm = (
    import_module(f"ethereum.forks.{FORK}.{name}")
    for name in ("blocks", "bloom", "fork", "fork_types", "requests", "state", "transactions", "trie", "vm")
)

Json = dict[str, Any]
RLP_LIST = 0xC0
"""A first byte from here on begins a list, so a legacy transaction (EIP-2718)."""


def address_of(text: str) -> Any:
    return fork_types.Address(bytes.fromhex(text[2:]))


def word_of(text: str) -> Bytes32:
    return Bytes32(bytes.fromhex(text[2:].rjust(64, "0")))


def number_of(value: int | str) -> int:
    return value if isinstance(value, int) else int(value, 16)


def hex_of(data: bytes) -> str:
    return "0x" + data.hex()


class Chain:
    """A chain that the specification carries forward."""

    def __init__(self, genesis: Json) -> None:
        self.chain = fork.BlockChain(blocks=[], state=state.State(), chain_id=U64(genesis["config"]["chainId"]))
        for text, account in genesis["alloc"].items():
            address = address_of(text)
            state.set_account(
                self.chain.state,
                address,
                fork_types.Account(
                    Uint(number_of(account.get("nonce", 0))),
                    U256(number_of(account.get("balance", 0))),
                    Bytes(bytes.fromhex(account.get("code", "0x")[2:])),
                ),
            )
            for slot, value in account.get("storage", {}).items():
                state.set_storage(self.chain.state, address, word_of(slot), U256(number_of(value)))
        environment = dataclasses.replace(genesis_environment(genesis), state=self.chain.state)
        header = self.header(environment, vm.BlockOutput(), bytes.fromhex(genesis["extraData"][2:]))
        self.append(header, (), ())

    def header(self, environment: Any, output: Any, extra_data: bytes) -> Any:
        """The header that follows from an execution."""
        parent = self.chain.blocks[-1].header if self.chain.blocks else None
        return blocks.Header(
            parent_hash=keccak256(rlp.encode(parent)) if parent else Bytes32(bytes(32)),
            ommers_hash=fork.EMPTY_OMMER_HASH,
            coinbase=environment.coinbase,
            state_root=state.state_root(environment.state),
            transactions_root=trie.root(output.transactions_trie),
            receipt_root=trie.root(output.receipts_trie),
            bloom=bloom.logs_bloom(output.block_logs),
            difficulty=Uint(0),
            number=environment.number,
            gas_limit=environment.block_gas_limit,
            gas_used=output.block_gas_used,
            timestamp=environment.time,
            extra_data=Bytes(extra_data),
            prev_randao=environment.prev_randao,
            nonce=Bytes8(bytes(8)),
            base_fee_per_gas=environment.base_fee_per_gas,
            withdrawals_root=trie.root(output.withdrawals_trie),
            blob_gas_used=output.blob_gas_used,
            excess_blob_gas=environment.excess_blob_gas,
            parent_beacon_block_root=environment.parent_beacon_block_root,
            requests_hash=requests.compute_requests_hash(output.requests),
        )

    def append(self, header: Any, transactions: tuple[Any, ...], withdrawals: tuple[Any, ...]) -> None:
        self.chain.blocks.append(blocks.Block(header, transactions, (), withdrawals))
        self.chain.blocks = self.chain.blocks[-255:]

    def edit(self, edit: Json) -> None:
        """Change state outside of transactions, as a developer's call does; an account left empty is gone (EIP-161)."""
        address, target = address_of(edit["address"]), self.chain.state
        match edit["kind"]:
            case "balance":
                state.set_account_balance(target, address, U256(number_of(edit["value"])))
            case "nonce":
                account = state.get_account(target, address)
                state.set_account(target, address, fork_types.Account(Uint(number_of(edit["value"])), account.balance, account.code))
            case "code":
                state.set_code(target, address, Bytes(bytes.fromhex(edit["value"][2:])))
            case "storage":
                state.set_account(target, address, state.get_account(target, address))
                state.set_storage(target, address, word_of(edit["slot"]), U256(number_of(edit["value"])))
            case unknown:
                raise ValueError(unknown)
        if state.get_account(target, address) == fork_types.EMPTY_ACCOUNT:
            state.destroy_account(target, address)

    def execute(self, request: Json) -> Json:
        """Apply edits, execute a block on top, check its header by the rules and say what came of it."""
        for edit in request["edits"]:
            self.edit(edit)
        environment = vm.BlockEnvironment(
            chain_id=self.chain.chain_id,
            state=self.chain.state,
            block_gas_limit=Uint(request["gas_limit"]),
            block_hashes=fork.get_last_256_block_hashes(self.chain),
            coinbase=address_of(request["beneficiary"]),
            number=self.chain.blocks[-1].header.number + Uint(1),
            base_fee_per_gas=Uint(request["base_fee_per_gas"]),
            time=U256(request["timestamp"]),
            prev_randao=word_of(request["prev_randao"]),
            excess_blob_gas=U64(0),
            parent_beacon_block_root=word_of(request["parent_beacon_block_root"]),
        )
        transactions = tuple(transaction_of(bytes.fromhex(text[2:])) for text in request["transactions"])
        withdrawals = tuple(
            blocks.Withdrawal(U64(index), U64(validator), address_of(address), U256(gwei))
            for index, validator, address, gwei in request["withdrawals"]
        )
        output = fork.apply_body(block_env=environment, transactions=transactions, withdrawals=withdrawals)
        header = self.header(environment, output, bytes.fromhex(request["extra_data"][2:]))
        fork.validate_header(self.chain, header)
        self.append(header, transactions, withdrawals)
        return {**header_json(header), "transactions": list(receipts_json(output))}


def genesis_environment(genesis: Json) -> Any:
    """The fields of a genesis document that its header carries."""
    return vm.BlockEnvironment(
        chain_id=U64(genesis["config"]["chainId"]),
        state=state.State(),
        block_gas_limit=Uint(number_of(genesis["gasLimit"])),
        block_hashes=[],
        coinbase=address_of(genesis["coinbase"]),
        number=Uint(0),
        base_fee_per_gas=Uint(number_of(genesis["baseFeePerGas"])),
        time=U256(number_of(genesis["timestamp"])),
        prev_randao=word_of(genesis["mixHash"]),
        excess_blob_gas=U64(number_of(genesis.get("excessBlobGas", 0))),
        parent_beacon_block_root=Bytes32(bytes(32)),
    )


def transaction_of(raw: bytes) -> Any:
    """What the specification holds for an encoded transaction: the structure of a legacy one, the bytes of any other."""
    return rlp.decode_to(transactions.LegacyTransaction, raw) if raw[0] >= RLP_LIST else Bytes(raw)


def header_json(header: Any) -> Json:
    return {
        "hash": hex_of(keccak256(rlp.encode(header))),
        "state_root": hex_of(header.state_root),
        "transactions_root": hex_of(header.transactions_root),
        "receipts_root": hex_of(header.receipt_root),
        "logs_bloom": hex_of(header.bloom),
        "gas_used": int(header.gas_used),
        "requests_hash": hex_of(header.requests_hash),
        "withdrawals_root": hex_of(header.withdrawals_root),
    }


def receipts_json(output: Any) -> Iterator[Json]:
    """Hash, gas, success and logs of each transaction."""
    gas_before = 0
    for key in output.receipt_keys:
        receipt = blocks.decode_receipt(trie.trie_get(output.receipts_trie, key))
        yield {
            "hash": hex_of(transactions.get_transaction_hash(trie.trie_get(output.transactions_trie, key))),
            "succeeded": bool(receipt.succeeded),
            "gas_used": int(receipt.cumulative_gas_used) - gas_before,
            "logs": [
                {"address": hex_of(log.address), "topics": [hex_of(topic) for topic in log.topics], "data": hex_of(log.data)}
                for log in receipt.logs
            ],
        }
        gas_before = int(receipt.cumulative_gas_used)


def main() -> None:
    """Answer the genesis with its header, then each block with what it did."""
    chain = Chain(json.loads(sys.stdin.readline()))
    answer(header_json(chain.chain.blocks[0].header))
    for line in sys.stdin:
        answer(chain.execute(json.loads(line)))


def answer(document: Json) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
