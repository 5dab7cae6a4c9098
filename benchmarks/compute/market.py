"""Users with money at two providers on a chain of our own, put there as fast as it goes: what settlements are measured on."""

from collections.abc import Sequence
from typing import Final

from benchmarks.nodes import Node
from zerog.chain.client.draft import sign_transaction
from zerog.contracts.compute import INFERENCE_SERVING, LEDGER_MANAGER, ServiceParams
from zerog.networks import own_network, role_account
from zerog.primitives import Account, Address, Wei, derive_accounts

__all__ = ["CHAIN_ID", "LEDGER", "NETWORK", "ONE", "SERVING", "SIGNER", "Wallet", "set_up"]

ONE: Final = 10**18
NETWORK: Final = own_network()
CHAIN_ID: Final = NETWORK.chain_id
SERVING: Final = NETWORK.addresses["inference_serving"]
LEDGER: Final = NETWORK.addresses["ledger_manager"]
SIGNER: Final = Account.from_private_key(bytes([7]) * 32)
GAS: Final = 1_000_000
GAS_WEI: Final = 100 * 10**9
SENT_AT_ONCE: Final = 100


class Wallet:
    """An account that counts its transactions itself."""

    def __init__(self, account: Account, nonce: int = 0) -> None:
        self.account = account
        self._nonce = nonce

    def signed(self, to: Address, data: bytes, value_wei: int = 0) -> str:
        """A transaction as JSON-RPC takes it."""
        raw = sign_transaction(
            self.account, chain_id=CHAIN_ID, nonce=self._nonce, gas_limit=GAS, base_fee_wei=GAS_WEI, tip_wei=0, to=to, value_wei=value_wei,
            data=data,
        )  # fmt: skip
        self._nonce += 1
        return "0x" + raw.hex()


def set_up(node: Node, mnemonic: str, user_count: int) -> tuple[list[Account], list[Account]]:
    """Two providers with acknowledged services, and users with 1 0G at each of them."""
    owner = role_account(mnemonic, "compute", 1)
    accounts = derive_accounts(mnemonic, user_count + 2, "m/44'/60'/0'/7")
    providers, users = list(accounts[:2]), list(accounts[2:])
    owner_wallet = Wallet(owner)
    transactions = [_offer(Wallet(provider)) for provider in providers]
    acknowledge = INFERENCE_SERVING.function("acknowledgeTEESignerByOwner")
    acknowledgements = [owner_wallet.signed(SERVING, acknowledge.encode(provider.address)) for provider in providers]
    wallets = [Wallet(user) for user in users]
    transactions += [wallet.signed(LEDGER, LEDGER_MANAGER.function("addLedger").encode(""), 3 * ONE) for wallet in wallets]
    transfer = LEDGER_MANAGER.function("transferFund")
    transfers = [
        wallet.signed(LEDGER, transfer.encode(provider.address, "inference-v1.0", ONE)) for provider in providers for wallet in wallets
    ]
    connection = node.connect()
    connection.call_many([("anvil_setBalance", ["0x" + account.address.hex(), hex(1_000 * ONE)]) for account in accounts])
    _send(node, [*transactions, *acknowledgements, *transfers])
    return providers, users


def _offer(wallet: Wallet) -> str:
    params = ServiceParams(
        service_type="chatbot",
        url="http://127.0.0.1:1",
        model="a-model",
        verifiability="TeeML",
        input_price_wei=Wei(10),
        output_price_wei=Wei(20),
        additional_info="{}",
        signer=SIGNER.address,
    )
    return wallet.signed(SERVING, params.call(), 100 * ONE)


def _send(node: Node, transactions: Sequence[str]) -> None:
    connection = node.connect()
    for at in range(0, len(transactions), SENT_AT_ONCE):
        connection.call_many([("eth_sendRawTransaction", [raw]) for raw in transactions[at : at + SENT_AT_ONCE]])
