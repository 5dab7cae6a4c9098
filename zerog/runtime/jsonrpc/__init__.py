"""JSON-RPC 2.0 with subscriptions: declare methods on a `Namespace`, bind them with a `Dispatcher`, serve a `JsonRpcApplication`."""

from zerog.runtime.jsonrpc.application import JsonRpcApplication
from zerog.runtime.jsonrpc.connection import Connection, ConnectionLimits
from zerog.runtime.jsonrpc.dispatcher import ANYBODY, Caller, Dispatcher, MethodStatistics, RpcLimits
from zerog.runtime.jsonrpc.errors import JsonRpcError
from zerog.runtime.jsonrpc.namespace import BatchHandler, Method, Namespace

__all__ = [
    "ANYBODY",
    "BatchHandler",
    "Caller",
    "Connection",
    "ConnectionLimits",
    "Dispatcher",
    "JsonRpcApplication",
    "JsonRpcError",
    "Method",
    "MethodStatistics",
    "Namespace",
    "RpcLimits",
]
