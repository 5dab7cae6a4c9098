"""Random signed transactions: transfers, calls, creations, access lists, delegations, tight gas, and some that no block may include."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.ledger.program import ProgramWriter, creation_of
from zerog._kernel import Transaction, address_of, keccak256, secp256k1_sign
from zerog.chain.protocol.system_contracts import CONSOLIDATION_REQUESTS, WITHDRAWAL_REQUESTS

__all__ = ["CHAIN_ID", "REVERTER", "REVERTER_CODE", "Key", "TransactionWriter", "keys", "signed_authorization"]

CHAIN_ID: Final = 31337
FEE_CAP_WEI: Final = 10**13
REVERTER: Final = b"\x2e" * 20
REVERTER_CODE: Final = bytes.fromhex("5f355f5560203515600e575f5ffd5b00")
"""Stores its first argument in slot 0, then reverts if the second is not zero."""
SET_CODE_MAGIC: Final = b"\x05"
"""First byte of what an authorization signs. Source: EIP-7702."""
SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Authorization = tuple[int, bytes, int, int, int, int]
AccessList = list[tuple[bytes, list[bytes]]]


@dataclass(frozen=True, slots=True)
class Key:
    """An account that signs."""

    private_key: bytes
    address: bytes


def keys(role: str, count: int) -> list[Key]:
    """The same keys in every run."""
    private_keys = [keccak256(f"zerog test {role} {index}".encode()) for index in range(count)]
    return [Key(private_key, address_of(private_key)) for private_key in private_keys]


@dataclass(slots=True)
class TransactionWriter:
    """Draws the transactions of one block. `nonce_of` tells an account's nonce when the block begins; the writer counts on from there."""

    dice: Random
    nonce_of: Callable[[bytes], int]
    senders: Sequence[Key]
    authorities: Sequence[Key]
    contracts: Sequence[bytes]
    targets: Sequence[bytes]
    newest_kind: int = 4
    """Newest type of transaction that the chain knows."""
    replay_protected: bool = True
    """Whether legacy transactions name their chain (EIP-155)."""
    programs: ProgramWriter = field(init=False)
    nonces: dict[bytes, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.programs = ProgramWriter(self.dice, self.targets)

    def write(self, count: int) -> Iterator[bytes]:
        """`count` draws; a draw is one transaction, or a few that belong together."""
        kinds: Sequence[tuple[int, Callable[[], Iterator[bytes]]]] = (
            (12, self.transfer),
            (40, self.call),
            (12, self.creation),
            (14, self.delegation),
            (8, self.write_write_revert),
            (4, self.request),
            (3, self.long_calldata),
            (3, self.impossible),
        )
        kinds = [(weight, write) for weight, write in kinds if self.newest_kind >= 4 or write not in (self.delegation, self.request)]
        weights = [weight for weight, _ in kinds]
        for kind in self.dice.choices([write for _, write in kinds], weights, k=count):
            yield from kind()

    def transfer(self) -> Iterator[bytes]:
        value, gas_limit = self.dice.choice((0, 1, 10**18)), self.dice.choice((21_000, 30_000, 60_000))
        yield self.sign(to=self.dice.choice(self.targets), value=value, gas_limit=gas_limit)

    def call(self) -> Iterator[bytes]:
        """A call of a contract, with enough gas or with too little."""
        yield self.sign(
            to=self.dice.choice(self.contracts),
            value=self.dice.choice((0, 0, 1, 10**9)),
            data=self.programs.calldata(),
            gas_limit=self.dice.choice((500_000, 500_000, 200_000, self.dice.randint(30_000, 120_000))),
            access_list=self.access_list(),
        )

    def creation(self) -> Iterator[bytes]:
        """A creation that succeeds, runs out of gas, or whose init code does as it likes."""
        code = creation_of(self.programs.program()) if self.dice.random() < 0.8 else self.programs.program()
        yield self.sign(
            to=None,
            value=self.dice.choice((0, 0, 5)),
            data=code,
            gas_limit=self.dice.choice((900_000, 900_000, self.dice.randint(80_000, 200_000))),
            access_list=self.access_list(),
        )

    def delegation(self) -> Iterator[bytes]:
        """An account's code is set by EIP-7702, mostly validly, and often called in the same transaction."""
        sender = self.dice.choice(self.senders)
        nonce = self.take_nonce(sender.address)
        authorities = [self.dice.choice(self.authorities) for _ in range(self.dice.randint(1, 3))]
        authorizations = [self.authorization(authority) for authority in authorities]
        to = self.dice.choice((authorities[0].address, self.dice.choice(self.targets)))
        yield self.sign(
            sender,
            nonce=nonce,
            kind=4,
            to=to,
            data=self.programs.calldata(),
            gas_limit=600_000,
            authorizations=authorizations,
            access_list=self.access_list(),
        )

    def write_write_revert(self) -> Iterator[bytes]:
        """One slot written by two transactions of a block, then touched by one that reverts: what a block finalized as a whole loses."""
        for word, fails in ((self.dice.randint(1, 9), 0), (self.dice.choice((0, 1, 2)), 0), (self.dice.randint(1, 9), 1)):
            yield self.sign(to=REVERTER, data=word.to_bytes(32, "big") + fails.to_bytes(32, "big"), gas_limit=90_000)

    def request(self) -> Iterator[bytes]:
        """A request to the execution layer (EIP-7002, EIP-7251), which the block's requests hash must name."""
        to, size_bytes = self.dice.choice(((WITHDRAWAL_REQUESTS, 56), (CONSOLIDATION_REQUESTS, 96)))
        yield self.sign(to=to, value=self.dice.choice((1, 2, 1000)), data=self.dice.randbytes(size_bytes), gas_limit=400_000)

    def long_calldata(self) -> Iterator[bytes]:
        """So much calldata for so little work that the floor of EIP-7623 decides."""
        data = self.dice.randbytes(self.dice.randint(300, 2000))
        yield self.sign(to=self.dice.choice(self.targets), data=data, gas_limit=21_000 + 40 * len(data) + self.dice.choice((0, 5000)))

    def impossible(self) -> Iterator[bytes]:
        """One that no block may include."""
        sender = self.dice.choice(self.senders)
        nonce = self.expected_nonce(sender.address)
        match self.dice.randrange(4):
            case 0:
                yield self.sign(sender, nonce=nonce + 7, to=sender.address, gas_limit=21_000)
            case 1:
                yield self.sign(sender, nonce=nonce, to=sender.address, value=10**30, gas_limit=21_000)
            case 2:
                yield self.sign(sender, nonce=nonce, to=sender.address, gas_limit=20_999)
            case _:
                yield self.sign(sender, nonce=nonce, to=sender.address, gas_limit=21_000, fee_cap_wei=0)

    def expected_nonce(self, address: bytes) -> int:
        """The nonce of an account after what this block holds so far."""
        return self.nonces[address] if address in self.nonces else self.nonce_of(address)

    def take_nonce(self, address: bytes) -> int:
        """The next nonce of an account in this block."""
        nonce = self.expected_nonce(address)
        self.nonces[address] = nonce + 1
        return nonce

    def sign(
        self,
        sender: Key | None = None,
        *,
        to: bytes | None,
        gas_limit: int,
        nonce: int | None = None,
        kind: int | None = None,
        value: int = 0,
        data: bytes = b"",
        access_list: AccessList | None = None,
        authorizations: Sequence[Authorization] = (),
        fee_cap_wei: int = FEE_CAP_WEI,
    ) -> bytes:
        """Sign with a sender, nonce and type drawn where they are not given."""
        sender = sender or self.dice.choice(self.senders)
        access_list = access_list if self.newest_kind >= 1 else None
        if kind is None:
            kinds = (1, 2) if access_list else (0, 1, 2)
            kind = self.dice.choice([kind for kind in kinds if kind <= self.newest_kind])
        return Transaction(
            kind=kind,
            chain_id=CHAIN_ID if kind or self.replay_protected else None,
            nonce=self.take_nonce(sender.address) if nonce is None else nonce,
            gas_limit=gas_limit,
            max_fee_per_gas=fee_cap_wei,
            max_priority_fee_per_gas=self.dice.choice((0, 1, 10**9)) % (fee_cap_wei + 1) if kind >= 2 else None,
            to=to,
            value=value,
            data=data,
            access_list=access_list or (),
            authorization_list=authorizations,
        ).sign(sender.private_key)

    def access_list(self) -> AccessList:
        """Addresses and slots to warm, duplicates included."""
        count = self.dice.choice((0, 0, 1, 2))
        return [
            (self.dice.choice(self.targets), [self.dice.randrange(6).to_bytes(32, "big") for _ in range(self.dice.randrange(4))])
            for _ in range(count)
        ]

    def authorization(self, authority: Key) -> Authorization:
        """What an account signs to lend itself code: mostly valid, else for another chain, with another nonce or a high s."""
        valid = self.dice.random() < 0.8
        nonce = self.take_nonce(authority.address) if valid else self.nonce_of(authority.address) + 9
        chain_id = self.dice.choice((0, CHAIN_ID)) if valid else self.dice.choice((CHAIN_ID, 1))
        code_from = self.dice.choice((self.dice.choice(self.contracts), self.dice.choice(self.targets), bytes(20)))
        _, _, _, parity, r, s = signed_authorization(authority, chain_id, code_from, nonce)
        if not valid and self.dice.random() < 0.3:
            s, parity = SECP256K1_ORDER - s, 1 - parity
        return chain_id, code_from, nonce, parity, r, s


def signed_authorization(authority: Key, chain_id: int, code_from: bytes, nonce: int) -> Authorization:
    """An authority lends itself the code of an account, valid if the nonce is. Source: EIP-7702."""
    signature = secp256k1_sign(keccak256(SET_CODE_MAGIC + rlp_list(chain_id, code_from, nonce)), authority.private_key)
    r, s, parity = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    return chain_id, code_from, nonce, parity, r, s


def rlp_list(*items: int | bytes) -> bytes:
    """RLP of a list of short items (each below 56 bytes, and so the list)."""
    encoded = b""
    for item in items:
        data = item.to_bytes((item.bit_length() + 7) // 8, "big") if isinstance(item, int) else item
        encoded += data if len(data) == 1 and data[0] < 0x80 else bytes([0x80 + len(data)]) + data
    assert len(encoded) < 56, "longer lists need a length of their own"
    return bytes([0xC0 + len(encoded)]) + encoded
