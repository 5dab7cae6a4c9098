"""`eth_subscribe` and `eth_unsubscribe`: pushes over WebSocket."""

from typing import Any

from zerog.chain.node.chain import Chain
from zerog.chain.node.feed import HeadSubscription, LogSubscription, PendingSubscription
from zerog.chain.protocol.errors import UnknownSubscriptionError
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.logs import LogQueryObject
from zerog.primitives import InvalidParametersError
from zerog.runtime.jsonrpc import Connection, Namespace

__all__ = ["eth"]

eth = Namespace("eth")


@eth.method("subscribe", needs_connection=True)
def subscribe(chain: Chain, connection: Connection, name: str, argument: Any = None) -> str:
    """Push what happens from now on; returns the subscription's id."""
    match name:
        case "newHeads":
            return chain.feed.subscribe(connection, HeadSubscription())
        case "logs":
            return chain.feed.subscribe(connection, LogSubscription(_criteria(argument)))
        case "newPendingTransactions":
            return chain.feed.subscribe(connection, PendingSubscription(full=argument is True))
        case "syncing":
            return chain.feed.subscribe(connection, None)
        case _:
            raise UnknownSubscriptionError(name)


@eth.method("unsubscribe", needs_connection=True)
def unsubscribe(_chain: Chain, connection: Connection, subscription_id: str) -> bool:
    """End a subscription of this connection."""
    connection.unsubscribe(subscription_id)
    return True


def _criteria(argument: object) -> LogCriteria:
    try:
        return LogQueryObject.from_json({} if argument is None else argument).query.criteria
    except ValueError as error:
        raise InvalidParametersError(f"invalid argument 1: {error}") from None
