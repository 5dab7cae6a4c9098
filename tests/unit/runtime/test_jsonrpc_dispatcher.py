"""From body to answer: parameters in geth's words, order in batches, rights, and failures that tell no more than they should."""

import inspect

import anyio
import msgspec
import pytest

from tests.unit.runtime.small_service import ANSWER, CALL, SmallService, dispatcher, small
from zerog.primitives import Quantity
from zerog.runtime.jsonrpc import Caller, Dispatcher, Namespace, RpcLimits

ADDRESS = "0x" + "ab" * 20


async def ask(
    service: SmallService, body: bytes, *, may_use_dev: bool = False, limits: RpcLimits | None = None, of: Dispatcher | None = None
) -> bytes:
    answer = (of or dispatcher(service, limits=limits)).answer(body, Caller(may_use_dev=may_use_dev))
    if inspect.isawaitable(answer):
        answer = await answer
    assert isinstance(answer, bytes)
    return answer


def call(method: str, params: object = None, identifier: object = 1) -> dict[str, object]:
    request = {"jsonrpc": "2.0", "id": identifier, "method": method}
    return request if params is None else {**request, "params": params}


async def call_one(method: str, params: object = None, may_use_dev: bool = False) -> tuple[object, tuple[int, str] | None]:
    """Result and error of one call on a fresh service."""
    answer = msgspec.json.decode(await ask(SmallService(), msgspec.json.encode(call(method, params)), may_use_dev=may_use_dev))
    assert set(answer) == {"jsonrpc", "id", "result"} or set(answer) == {"jsonrpc", "id", "error"}
    error = answer.get("error")
    return answer.get("result"), (error["code"], error["message"]) if error else None


async def call_many(
    service: SmallService, calls: list[object], *, limits: RpcLimits | None = None, may_use_dev: bool = False
) -> list[dict[str, object]]:
    answer = await ask(service, msgspec.json.encode(calls), limits=limits, may_use_dev=may_use_dev)
    return msgspec.json.decode(answer, type=list[dict[str, object]])


def code_of(answer: dict[str, object]) -> object:
    error = answer["error"]
    assert isinstance(error, dict)
    return error["code"]


async def test_a_call_is_answered() -> None:
    assert await ask(SmallService(), CALL) == ANSWER
    assert dispatcher(SmallService()).answer(CALL, Caller()) == ANSWER, "a plain method is answered at once"


@pytest.mark.parametrize(
    ("params", "result"),
    [
        ([ADDRESS], [ADDRESS, "latest", None]),
        ([ADDRESS, "pending"], [ADDRESS, "pending", None]),
        ([ADDRESS, None, True], [ADDRESS, "latest", True]),
        ([ADDRESS, None, None], [ADDRESS, "latest", None]),
        ([ADDRESS.upper().replace("X", "x")], [ADDRESS, "latest", None]),
        ([ADDRESS, "pending", True, "too", ["many"]], [ADDRESS, "pending", True]),
    ],
)
async def test_parameters_are_decoded_to_the_declared_types(params: object, result: object) -> None:
    assert await call_one("small_owner", params) == (result, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (None, "missing value for required argument 0"),
        ([], "missing value for required argument 0"),
        ([None], "missing value for required argument 0"),
        ([ADDRESS[:-1]], "invalid argument 0: hex string of odd length"),
        ([ADDRESS[:-2]], "invalid argument 0: hex string has length 38, want 40 for common.Address"),
        ([ADDRESS[2:]], "invalid argument 0: hex string without 0x prefix"),
        ([7], "invalid argument 0: json: cannot unmarshal number into Go value of type common.Address"),
        ([ADDRESS, 7], "invalid argument 1: Expected `str | null`, got `int`"),
        ([ADDRESS, "latest", "yes"], "invalid argument 2: Expected `bool | null`, got `str`"),
        ({"address": ADDRESS}, "non-array args"),
        ("text", "non-array args"),
    ],
)
async def test_parameters_that_do_not_fit_are_named_in_geths_words(params: object, message: str) -> None:
    assert await call_one("small_owner", params) == (None, (-32602, message))


async def test_missing_or_null_params_are_an_empty_array() -> None:
    assert await ask(SmallService(), b'{"jsonrpc":"2.0","id":1,"method":"small_raw"}') == (
        b'{"jsonrpc":"2.0","id":1,"result":{"already":"json"}}'
    )
    assert b'"result"' in await ask(SmallService(), b'{"jsonrpc":"2.0","id":1,"method":"small_raw","params":null}')
    assert await call_one("small_raw", [1, 2, 3]) == ({"already": "json"}, None)
    assert await call_one("small_raw", {}) == (None, (-32602, "non-array args"))


async def test_an_unknown_method_is_worded_as_tools_expect() -> None:
    assert await call_one("small_nothing") == (None, (-32601, "the method small_nothing does not exist/is not available"))
    assert await call_one("") == (None, (-32601, "the method  does not exist/is not available"))


async def test_a_developers_method_exists_only_for_developers() -> None:
    assert await call_one("small_reset") == (None, (-32601, "the method small_reset does not exist/is not available"))
    assert await call_one("small_reset", may_use_dev=True) == (True, None)


async def test_a_subscription_needs_a_connection() -> None:
    assert await call_one("small_subscribe") == (None, (-32601, "notifications not supported"))


async def test_an_alias_is_the_same_method() -> None:
    assert await call_one("small_repeat", ["x"]) == ("x", None)


async def test_an_expected_failure_keeps_its_code_and_data() -> None:
    answer = msgspec.json.decode(await ask(SmallService(), msgspec.json.encode(call("small_refuse"))))
    assert answer["error"] == {"code": 3, "message": "execution reverted: the till is empty", "data": "0x08c379a0"}


@pytest.mark.parametrize("method", ["small_crash", "small_crashLater"])
async def test_a_bug_is_answered_with_a_reference_into_the_log_and_nothing_else(
    method: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    _, error = await call_one(method)
    assert error is not None
    code, message = error
    assert code == -32603
    assert message.startswith("internal error (reference ")
    assert "swordfish" not in message
    reference = message.split("reference ")[1].split(" ")[0]
    logged = caplog.text + "".join(capsys.readouterr())
    assert reference in logged
    assert "swordfish" in logged


async def test_a_result_that_is_no_json_is_a_bug_and_answered_as_one() -> None:
    strange = Namespace("strange")

    @strange.method("value")
    def value(_service: SmallService) -> object:
        return object()

    answer = await ask(SmallService(), msgspec.json.encode(call("strange_value")), of=Dispatcher(None, [strange]))
    assert b"-32603" in answer


async def test_notifications_are_executed_and_not_answered() -> None:
    service = SmallService()
    assert await ask(service, b'{"jsonrpc":"2.0","method":"small_echo","params":[1]}') == b""
    assert await ask(service, b'{"jsonrpc":"2.0","method":"small_add","params":["0x2"]}') == b""
    assert await ask(service, b'{"jsonrpc":"2.0","method":"small_nothing"}') == b""
    assert await ask(service, b'{"jsonrpc":"2.0","method":"small_refuse"}') == b""
    assert await ask(service, b'{"jsonrpc":"2.0","method":"small_owner"}') == b""
    assert await ask(service, b'[{"jsonrpc":"2.0","method":"small_echo","params":[3]}]') == b""
    assert service.journal == [1, 2, 3]


async def test_a_null_id_is_an_id() -> None:
    assert await ask(SmallService(), CALL.replace(b'"id":1', b'"id":null')) == ANSWER.replace(b'"id":1', b'"id":null')


async def test_a_batch_runs_in_order_and_answers_in_order() -> None:
    service = SmallService()
    calls: list[object] = [call("small_add", [n], n) if n % 2 else call("small_echo", [n], n) for n in range(1, 40)]
    answers = await call_many(service, calls)
    assert service.journal == list(range(1, 40))
    assert [answer["id"] for answer in answers] == list(range(1, 40))


async def test_equal_ids_in_a_batch_are_each_answered() -> None:
    answers = await call_many(SmallService(), [call("small_echo", ["a"]), call("small_echo", ["b"])])
    assert [answer["result"] for answer in answers] == ["a", "b"]


async def test_notifications_leave_no_gap_in_a_batch() -> None:
    service = SmallService()
    answers = await call_many(service, [{"jsonrpc": "2.0", "method": "small_echo", "params": ["quiet"]}, call("small_echo", ["loud"]), 5])
    assert [answer["id"] for answer in answers] == [1, None]
    assert service.journal == ["quiet", "loud"]


async def test_consecutive_calls_of_a_batched_method_are_taken_together() -> None:
    service = SmallService()
    answers = await call_many(
        service,
        [
            call("small_take", ["0x01"], 1),
            call("small_take", ["0x0"], 2),
            call("small_take", ["0x"], 3),
            call("small_take", ["0x04"], 4),
            call("small_echo", ["between"], 5),
            call("small_take", ["0x06"], 6),
            {"jsonrpc": "2.0", "method": "small_take", "params": ["0x07"]},
            call("small_take", [], 8),
        ],
    )
    assert service.journal == [[b"\1", b"", b"\4"], "between", [b"\6", b"\7"]]
    assert [answer["id"] for answer in answers] == [1, 2, 3, 4, 5, 6, 8]
    assert [answer.get("result") for answer in answers] == ["0x01", None, None, "0x04", "between", "0x06", None]
    assert [code_of(answers[index]) for index in (1, 2, 6)] == [-32602, 3, -32602]


async def test_a_single_call_of_a_batched_method_goes_the_usual_way() -> None:
    assert await call_one("small_take", ["0x01"]) == ("0x01", None)
    assert (await call_one("small_take", ["0x"]))[1] == (3, "execution reverted: the till is empty")


async def test_a_batch_handler_that_loses_a_result_answers_all_with_an_error() -> None:
    lossy = Namespace("lossy")

    async def lose(_service: object, _calls: object) -> list[object]:
        return []

    @lossy.method("take", batched=lose)
    async def take(_service: object, number: int) -> int:
        return number

    body = msgspec.json.encode([call("lossy_take", [1], 1), call("lossy_take", [2], 2)])
    answers = msgspec.json.decode(await ask(SmallService(), body, of=Dispatcher(None, [lossy])))
    assert [(answer["id"], answer["error"]["code"]) for answer in answers] == [(1, -32603), (2, -32603)]


async def test_after_too_large_an_answer_the_rest_of_a_batch_is_not_executed() -> None:
    service = SmallService()
    limits = RpcLimits(batch_answer_bytes_max=100)
    answers = await call_many(
        service, [call("small_blob", [90], 1), call("small_echo", ["no"], 2), call("small_take", ["0x01"], 3)], limits=limits
    )
    assert answers[0]["result"] == "x" * 90
    assert [code_of(answer) for answer in answers[1:]] == [-32003, -32003]
    assert service.journal == []


async def test_a_batch_over_the_limit_is_refused_as_a_whole() -> None:
    service = SmallService()
    answers = await call_many(service, [call("small_echo", [n], n) for n in range(5, 9)], limits=RpcLimits(batch_calls_max=3))
    assert len(answers) == 1
    assert answers[0]["id"] == 5
    assert code_of(answers[0]) == -32600
    assert service.journal == []


async def test_a_long_batch_lets_others_have_their_turn() -> None:
    service = SmallService()
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await call_many(service, [call("small_echo", [n]) for n in range(10)], limits=RpcLimits(turn_s=0))
        order.append("batch")
    assert order == ["other", "batch"]


async def test_a_developers_method_in_a_batch_keeps_its_right() -> None:
    service = SmallService()
    assert code_of((await call_many(service, [call("small_reset")]))[0]) == -32601
    assert (await call_many(service, [call("small_reset")], may_use_dev=True))[0]["result"] is True


async def test_a_plain_function_may_find_that_it_has_to_wait() -> None:
    rpc = dispatcher(SmallService())
    even, odd = (msgspec.json.encode(call("small_perhaps", [number])) for number in ("0x2", "0x3"))
    assert rpc.answer(even, Caller()) == b'{"jsonrpc":"2.0","id":1,"result":"0x2"}'
    assert await ask(SmallService(), odd, of=rpc) == b'{"jsonrpc":"2.0","id":1,"result":"0x4"}'
    answers = await call_many(SmallService(), [call("small_perhaps", [number]) for number in ("0x2", "0x3", "0x4")])
    assert [answer["result"] for answer in answers] == ["0x2", "0x4", "0x4"]
    assert rpc.statistics()["small_perhaps"].calls == 2


async def test_statistics_count_calls_and_errors() -> None:
    rpc = dispatcher(SmallService())
    for body in (CALL, CALL, msgspec.json.encode(call("small_refuse")), msgspec.json.encode(call("small_none"))):
        await ask(SmallService(), body, of=rpc)
    statistics = rpc.statistics()
    assert (statistics["small_echo"].calls, statistics["small_echo"].errors) == (2, 0)
    assert (statistics["small_refuse"].calls, statistics["small_refuse"].errors) == (1, 1)
    assert statistics[""].calls == 1
    assert statistics["small_echo"].seconds > 0


def test_names_are_declared_once() -> None:
    twice = Namespace("small")
    twice.method("echo")(lambda _service: None)
    with pytest.raises(ValueError, match="small_echo is declared twice"):
        twice.method("echo")(lambda _service: None)
    with pytest.raises(ValueError, match="small_echo is declared by two namespaces"):
        Dispatcher(None, [small, twice])


def test_a_signature_that_is_no_schema_is_refused_at_the_start() -> None:
    odd = Namespace("odd")

    @odd.method("keyword")
    def keyword(_service: object, *, number: int) -> int:
        return number

    with pytest.raises(TypeError, match="number is not positional"):
        Dispatcher(None, [odd])
    bare = Namespace("bare")
    bare.method("untyped")(lambda _service, value: value)
    with pytest.raises(TypeError, match="value has no type"):
        Dispatcher(None, [bare])


async def test_a_default_may_be_of_our_own_type() -> None:
    assert await call_one("small_add", ["0x1"]) == ("0x2", None)
    assert await call_one("small_add", ["0x1", None]) == ("0x2", None)
    assert await call_one("small_add", ["0x1", "0x10"]) == ("0x11", None)
    assert Quantity(17) == 0x11
