"""Send one 0G from the first test account to a new address, and read it back: `python examples/send.py [local | URL]`."""

import secrets
import sys

import zerog
from zerog.networks import load
from zerog.primitives import Address
from zerog.primitives.keys import derive_accounts

ONE_0G_WEI = 10**18


def main(network_name: str) -> None:
    """Send, wait for the receipt, compare."""
    genesis = load("local").genesis
    if genesis is None:
        raise SystemExit("test accounts exist on the local network only")
    (sender,) = derive_accounts(genesis.mnemonic, 1)
    receiver = Address(secrets.token_bytes(20))
    with zerog.connect(network_name) as network:
        transaction_hash = network.chain.send(receiver, value_wei=ONE_0G_WEI, account=sender)
        receipt = network.chain.wait_for_receipt(transaction_hash)
        print(f"block {receipt.block_number}: {receiver} has {network.chain.balance(receiver)} wei")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "local")
