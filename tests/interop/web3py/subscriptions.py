"""web3.py over WebSocket: new heads, logs and pending transactions are pushed."""

from collections.abc import Mapping, Sequence

import anyio
from eth_account.signers.local import LocalAccount
from web3 import AsyncWeb3, WebSocketProvider
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.types import TxParams
from web3.utils.subscriptions import LogsSubscription, NewHeadsSubscription, PendingTxSubscription

from tests.interop.web3py.common import COUNTER, Context, deploy


async def _count(w3: AsyncWeb3[WebSocketProvider], account: LocalAccount, address: str, steps: Sequence[int]) -> list[bytes]:
    counter = w3.eth.contract(address=w3.to_checksum_address(address), abi=COUNTER["abi"])
    sent = []
    for step in steps:
        transaction = await counter.functions.add(step).transact(TxParams({"from": account.address}))
        receipt = await w3.eth.wait_for_transaction_receipt(transaction, poll_latency=0.02)
        assert receipt["status"] == 1
        sent.append(bytes(transaction))
    return sent


async def _listen(context: Context, address: str, steps: Sequence[int]) -> Mapping[str, list[object]]:
    account = context.accounts[1]
    heard: dict[str, list[object]] = {"heads": [], "logs": [], "pending": []}
    enough = anyio.Event()

    def keep(kind: str, item: object) -> None:
        heard[kind].append(item)
        if all(len(items) >= len(steps) for items in heard.values()):
            enough.set()

    async with AsyncWeb3(WebSocketProvider(context.url.replace("http", "ws", 1))) as w3:
        w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)

        async def head(event: object) -> None:
            keep("heads", event.result["hash"])  # type: ignore[attr-defined]

        async def log(event: object) -> None:
            keep("logs", event.result)  # type: ignore[attr-defined]

        async def pending(event: object) -> None:
            keep("pending", bytes(event.result))  # type: ignore[attr-defined]

        await w3.subscription_manager.subscribe(
            [
                NewHeadsSubscription(handler=head),
                LogsSubscription(address=w3.to_checksum_address(address), handler=log),
                PendingTxSubscription(handler=pending),
            ]
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(w3.subscription_manager.handle_subscriptions, True)
            with anyio.fail_after(20):
                heard["sent"] = list(await _count(w3, account, address, steps))
                await enough.wait()
            tasks.cancel_scope.cancel()
        await w3.subscription_manager.unsubscribe_all()
    return heard


def subscriptions(context: Context) -> Mapping[str, object]:
    """Each of three kinds of subscription tells exactly what happened, in order."""
    counter = deploy(context, context.accounts[1], COUNTER, 0)
    before = context.w3.eth.block_number
    heard = anyio.run(_listen, context, counter.address, [5, 6])
    blocks = [context.w3.eth.get_block(before + offset) for offset in (1, 2)]
    assert heard["heads"] == [block["hash"] for block in blocks]
    assert heard["pending"] == heard["sent"]
    events = [counter.events.Counted().process_log(log) for log in heard["logs"]]
    assert [event["args"]["value"] for event in events] == [5, 11]
    assert [event["blockHash"] for event in events] == heard["heads"]
    return {"steps": [event["args"]["step"] for event in events]}
