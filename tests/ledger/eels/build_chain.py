"""The executable specification of Ethereum as a maker of chains that cross every fork, from Frontier to the newest blob parameters.

Reads a JSON document a line. The first is a genesis whose `eels` member lists `[fork, first block]` in order; every further one is either a
block to make or questions about the newest state. A block's transactions that cannot run are left out, and the answer names the rest.
Runs in an environment of its own (`requirements/eels.txt`).
"""
# mypy: disable-error-code="import-not-found, misc"

import dataclasses
import inspect
import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import coincurve
from ethereum.crypto.hash import keccak256
from ethereum.exceptions import EthereumException
from ethereum.fork_criteria import ByBlockNumber
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes, Bytes8, Bytes32
from ethereum_types.numeric import U64, U256, Uint

Json = dict[str, Any]
RLP_LIST = 0xC0
BLOB_FORKS = ("cancun", "prague", "osaka", "bpo1", "bpo2")
INITIAL_BASE_FEE = 1_000_000_000
"""Source: EIP-1559."""
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def load(name: str) -> SimpleNamespace:
    """The modules of a fork."""
    parts = ("blocks", "bloom", "fork", "fork_types", "state", "transactions", "trie", "vm")
    modules = SimpleNamespace(name=name, **{part: import_module(f"ethereum.forks.{name}.{part}") for part in parts})
    modules.fork.validate_proof_of_work = lambda _header: None  # Nobody searched for a seal.
    return modules


def word_of(text: str) -> Bytes32:
    return Bytes32(bytes.fromhex(text[2:].rjust(64, "0")))


def number_of(value: int | str) -> int:
    return value if isinstance(value, int) else int(value, 16)


def bytes_of(text: str) -> Bytes:
    return Bytes(bytes.fromhex(text[2:]))


def hex_of(data: bytes) -> str:
    return "0x" + data.hex()


class Builder:
    """The chain, and the fork whose rules hold."""

    def __init__(self, genesis: Json) -> None:
        self.chain_id = U64(genesis["config"]["chainId"])
        self.schedule = [(load(name), first) for name, first in genesis["eels"]]
        self.rules = self.schedule[0][0]
        # A fork knows its own headers alone; blob gas goes on over all that have it.
        headers = tuple(rules.blocks.Header for rules, _ in self.schedule if rules.name in BLOB_FORKS)
        for rules, first in self.schedule:
            if rules.name in BLOB_FORKS:
                vars(import_module(f"ethereum.forks.{rules.name}.vm.gas"))["Header"] = headers
            if hasattr(rules.fork, "FORK_CRITERIA"):
                rules.fork.FORK_CRITERIA = ByBlockNumber(first)
        self.state = self.genesis_state(genesis)
        header = self.genesis_header(genesis)
        self.blocks = [self.rules.blocks.Block(header, (), ())]

    @property
    def head(self) -> Any:
        return self.blocks[-1].header

    def address(self, text: str) -> Any:
        return self.rules.fork_types.Address(bytes.fromhex(text[2:]))

    def genesis_state(self, genesis: Json) -> Any:
        state = self.rules.state.State()
        for text, account in genesis["alloc"].items():
            parts = Uint(number_of(account.get("nonce", 0))), U256(number_of(account["balance"])), bytes_of(account.get("code", "0x"))
            self.rules.state.set_account(state, self.address(text), self.rules.fork_types.Account(*parts))
            for slot, value in account.get("storage", {}).items():
                self.rules.state.set_storage(state, self.address(text), word_of(slot), U256(number_of(value)))
        return state

    def genesis_header(self, genesis: Json) -> Any:
        rules = self.rules
        empty = rules.trie.root(rules.trie.Trie(secured=False, default=None))
        return rules.blocks.Header(
            parent_hash=Bytes32(bytes(32)),
            ommers_hash=keccak256(rlp.encode([])),
            coinbase=self.address(genesis["coinbase"]),
            state_root=rules.state.state_root(self.state),
            transactions_root=empty,
            receipt_root=empty,
            bloom=rules.bloom.logs_bloom(()),
            difficulty=Uint(number_of(genesis["difficulty"])),
            number=Uint(0),
            gas_limit=Uint(number_of(genesis["gasLimit"])),
            gas_used=Uint(0),
            timestamp=U256(number_of(genesis["timestamp"])),
            extra_data=bytes_of(genesis["extraData"]),
            mix_digest=word_of(genesis["mixHash"]),
            nonce=Bytes8(number_of(genesis["nonce"]).to_bytes(8, "big")),
        )

    def enter_fork(self, number: int) -> None:
        """Go on under the rules of block `number`, with the same accounts."""
        rules = next(rules for rules, first in reversed(self.schedule) if number >= first)
        if rules is self.rules:
            return
        state = self.copied(rules)
        assert rules.state.state_root(state) == self.head.state_root
        self.rules, self.state = rules, state

    def copied(self, rules: Any) -> Any:
        """The newest state as a fork's own kind of state."""
        state = rules.state.State()
        for address, account in self.state._main_trie._data.items():
            rules.state.set_account(state, address, rules.fork_types.Account(account.nonce, account.balance, account.code))
            storage = self.state._storage_tries.get(address)
            for slot, value in storage._data.items() if storage is not None else ():
                rules.state.set_storage(state, address, slot, value)
        return state

    def environment(self, request: Json, gas_limit: int) -> Any:
        """The block's environment, with the fields that its fork has."""
        rules, parent = self.rules, self.head
        fields = {field.name for field in dataclasses.fields(rules.vm.BlockEnvironment)}
        chain = self.chain()
        values = {
            "chain_id": self.chain_id,
            "state": self.state,
            "block_gas_limit": Uint(gas_limit),
            "block_hashes": rules.fork.get_last_256_block_hashes(chain),
            "coinbase": self.address(request["coinbase"]),
            "number": parent.number + Uint(1),
            "time": U256(request["timestamp"]),
            "prev_randao": word_of(request["prev_randao"]),
            "parent_beacon_block_root": word_of(request["prev_randao"]),
        }
        if "base_fee_per_gas" in fields:
            values["base_fee_per_gas"] = self.base_fee(gas_limit)
        if "excess_blob_gas" in fields:
            values["excess_blob_gas"] = import_module(f"ethereum.forks.{rules.name}.vm.gas").calculate_excess_blob_gas(parent)
        if "difficulty" in fields:
            values["difficulty"] = self.difficulty(request["timestamp"])
        return rules.vm.BlockEnvironment(**{name: values[name] for name in fields})

    def base_fee(self, gas_limit: int) -> Uint:
        parent = self.head
        if not hasattr(parent, "base_fee_per_gas"):
            return Uint(INITIAL_BASE_FEE)
        arguments = Uint(gas_limit), parent.gas_limit, parent.gas_used, parent.base_fee_per_gas
        return self.rules.fork.calculate_base_fee_per_gas(*arguments)

    def difficulty(self, timestamp: int) -> Uint:
        calculate, parent = self.rules.fork.calculate_block_difficulty, self.head
        arguments = [parent.number + Uint(1), U256(timestamp), parent.timestamp, parent.difficulty, False]
        return calculate(*arguments[: len(inspect.signature(calculate).parameters)])

    def chain(self) -> Any:
        return self.rules.fork.BlockChain(blocks=self.blocks[-255:], state=self.state, chain_id=self.chain_id)

    def make(self, request: Json) -> Json:
        """Make a block, check its header by the rules of its fork, and say what it did."""
        parent = self.head
        self.enter_fork(int(parent.number) + 1)
        rules = self.rules
        # The gas limit doubles with the first base fee, because half of it is the target from then on.
        first_fee = "base_fee_per_gas" in field_names(rules.blocks.Header) and not hasattr(parent, "base_fee_per_gas")
        gas_limit = int(parent.gas_limit) * (2 if first_fee else 1)
        given = [bytes_of(text) for text in request["transactions"]]
        given += self.blob_transactions(request, gas_limit) if rules.name in BLOB_FORKS else []
        raws = self.runnable(self.environment(request, gas_limit), [*self.odd_transactions(request), *given])
        environment = self.environment(request, gas_limit)
        transactions = tuple(self.transaction(raw) for raw in raws)
        withdrawals = tuple(
            rules.blocks.Withdrawal(U64(index), U64(validator), self.address(address), U256(gwei))
            for index, validator, address, gwei in (request["withdrawals"] if hasattr(rules.blocks, "Withdrawal") else ())
        )
        arguments = {"block_env": environment, "transactions": transactions, "ommers": (), "withdrawals": withdrawals}
        wanted = inspect.signature(rules.fork.apply_body).parameters
        output = rules.fork.apply_body(**{name: value for name, value in arguments.items() if name in wanted})
        header = self.header(request, environment, output)
        rules.fork.validate_header(self.chain(), header)
        block = rules.blocks.Block(header, transactions, (), *([withdrawals] if hasattr(rules.blocks, "Withdrawal") else []))
        self.blocks.append(block)
        return {
            "number": int(header.number),
            "fork": rules.name,
            "rlp": hex_of(rlp.encode(block)),
            "hash": hex_of(keccak256(rlp.encode(header))),
            "state_root": hex_of(header.state_root),
            "difficulty": int(header.difficulty),
            "receipts": self.receipts(output, raws),
        }

    def header(self, request: Json, environment: Any, output: Any) -> Any:
        rules = self.rules
        fields = field_names(rules.blocks.Header)
        values = {
            "parent_hash": keccak256(rlp.encode(self.head)),
            "ommers_hash": keccak256(rlp.encode([])),
            "coinbase": environment.coinbase,
            "state_root": rules.state.state_root(environment.state),
            "transactions_root": rules.trie.root(output.transactions_trie),
            "receipt_root": rules.trie.root(output.receipts_trie),
            "bloom": rules.bloom.logs_bloom(output.block_logs),
            "difficulty": getattr(environment, "difficulty", Uint(0)),
            "number": environment.number,
            "gas_limit": environment.block_gas_limit,
            "gas_used": output.block_gas_used,
            "timestamp": environment.time,
            "extra_data": bytes_of(request["extra_data"]),
            "mix_digest": word_of(request["prev_randao"]),
            "prev_randao": word_of(request["prev_randao"]),
            "nonce": Bytes8(bytes.fromhex("0042") * 4 if hasattr(environment, "difficulty") else bytes(8)),
        }
        for name in ("base_fee_per_gas", "excess_blob_gas", "parent_beacon_block_root"):
            values[name] = getattr(environment, name, None)
        values["blob_gas_used"] = getattr(output, "blob_gas_used", None)
        if "withdrawals_root" in fields:
            values["withdrawals_root"] = rules.trie.root(output.withdrawals_trie)
        if "requests_hash" in fields:
            compute = import_module(f"ethereum.forks.{rules.name}.requests").compute_requests_hash
            values["requests_hash"] = compute(output.requests)
        return rules.blocks.Header(**{name: values[name] for name in fields})

    def runnable(self, environment: Any, raws: list[bytes]) -> list[bytes]:
        """Those transactions that can run one after the other, tried on a copy of the state."""
        trial = dataclasses.replace(environment, state=self.copied(self.rules))
        kept: list[bytes] = []
        output = self.rules.vm.BlockOutput()
        for raw in raws:
            before = self.rules.trie.copy_trie(output.transactions_trie)
            try:
                transaction = self.decoded(raw)
                self.rules.fork.process_transaction(trial, output, transaction, Uint(len(kept)))
            except (EthereumException, AssertionError):
                output.transactions_trie = before
            else:
                kept.append(raw)
        return kept

    def transaction(self, raw: bytes) -> Any:
        """What a block holds for an encoded transaction: the structure of a legacy one, the bytes of any other."""
        if raw[0] < RLP_LIST:
            return Bytes(raw)
        transactions = self.rules.transactions
        return rlp.decode_to(getattr(transactions, "LegacyTransaction", None) or transactions.Transaction, raw)

    def decoded(self, raw: bytes) -> Any:
        decode = getattr(self.rules.transactions, "decode_transaction", None)
        return self.transaction(raw) if decode is None else decode(self.transaction(raw))

    def odd_transactions(self, request: Json) -> list[bytes]:
        """In Frontier, a transaction whose signature has the high `s` that Homestead forbids."""
        if self.rules.name != "frontier":
            return []
        key, transactions = coincurve.PrivateKey(bytes.fromhex(request["odd_key"][2:])), self.rules.transactions
        unsigned = transactions.Transaction(
            nonce=self.nonce(key), gas_price=Uint(10**10), gas=Uint(21_000), to=self.address("0x" + "5e" * 20),
            value=U256(3), data=Bytes(b""), v=U256(0), r=U256(0), s=U256(0),
        )  # fmt: skip
        signature = key.sign_recoverable(transactions.signing_hash(unsigned), hasher=None)
        r, s, parity = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
        signed = dataclasses.replace(unsigned, v=U256(27 + 1 - parity), r=U256(r), s=U256(SECP256K1_ORDER - s))
        return [rlp.encode(signed)]

    def blob_transactions(self, request: Json, gas_limit: int) -> list[bytes]:
        """Transactions with blobs, as many as `blobs` says, one blob each."""
        key, transactions = coincurve.PrivateKey(bytes.fromhex(request["odd_key"][2:])), self.rules.transactions
        nonce, made = self.nonce(key), []
        for index in range(request["blobs"]):
            unsigned = transactions.BlobTransaction(
                chain_id=self.chain_id, nonce=nonce + U256(index), max_priority_fee_per_gas=Uint(1), max_fee_per_gas=Uint(10**13),
                gas=Uint(60_000), to=self.address(request["blob_target"]), value=U256(1), data=Bytes(b""), access_list=(),
                max_fee_per_blob_gas=U256(10**9), blob_versioned_hashes=(Bytes32(b"\x01" + bytes([index]) * 31),),
                y_parity=U256(0), r=U256(0), s=U256(0),
            )  # fmt: skip
            signature = key.sign_recoverable(transactions.signing_hash_4844(unsigned), hasher=None)
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
            made.append(transactions.encode_transaction(dataclasses.replace(unsigned, y_parity=U256(signature[64]), r=U256(r), s=U256(s))))
        return made

    def nonce(self, key: Any) -> U256:
        public = key.public_key.format(compressed=False)[1:]
        address = self.rules.fork_types.Address(keccak256(public)[12:])
        return U256(self.rules.state.get_account(self.state, address).nonce)

    def receipts(self, output: Any, raws: list[bytes]) -> list[Json]:
        """What each transaction did, as its receipt tells it."""
        found = []
        for raw, key in zip(raws, output.receipt_keys, strict=True):
            stored = self.rules.trie.trie_get(output.receipts_trie, key)
            decode = getattr(self.rules.blocks, "decode_receipt", None)
            receipt = stored if decode is None else decode(stored)
            logs = [
                {"address": hex_of(log.address), "topics": [hex_of(it) for it in log.topics], "data": hex_of(log.data)}
                for log in receipt.logs
            ]
            found.append(
                {
                    "hash": hex_of(keccak256(raw)),
                    "root": hex_of(receipt.post_state) if hasattr(receipt, "post_state") else None,
                    "succeeded": bool(receipt.succeeded) if hasattr(receipt, "succeeded") else None,
                    "cumulative_gas_used": int(receipt.cumulative_gas_used),
                    "logs": logs,
                }
            )
        return found

    def ask(self, request: Json) -> Json:
        """Nonces, balances, code hashes and storage of the newest state."""
        state, accounts = self.rules.state, {}
        for text in request["accounts"]:
            account = state.get_account(self.state, self.address(text))
            accounts[text] = [int(account.nonce), int(account.balance), hex_of(keccak256(account.code))]
        slots = [[text, slot, int(state.get_storage(self.state, self.address(text), word_of(slot)))] for text, slot in request["slots"]]
        return {"accounts": accounts, "slots": slots}


def field_names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def main() -> None:
    builder = Builder(json.loads(sys.stdin.readline()))
    answer({"hash": hex_of(keccak256(rlp.encode(builder.head))), "state_root": hex_of(builder.head.state_root)})
    for line in sys.stdin:
        request = json.loads(line)
        answer(builder.ask(request) if "accounts" in request else builder.make(request))


def answer(document: Json) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
