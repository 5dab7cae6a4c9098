"""`personal_*`: what wallets still ask for."""

from zerog.chain.node.chain import Chain
from zerog.chain.node.rpc.signing import message_digest
from zerog.primitives import Address, Data
from zerog.runtime.jsonrpc import Namespace

__all__ = ["personal"]

personal = Namespace("personal")


@personal.method("sign", dev=True)
def sign(chain: Chain, message: Data, address: Address) -> Data:
    """Sign a message with an unlocked account; the message comes first here, unlike in `eth_sign`."""
    return Data(chain.accounts.sign_digest(address, message_digest(message)))
