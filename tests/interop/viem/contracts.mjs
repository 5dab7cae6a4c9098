// viem: contracts are deployed, called, fail, and tell by events, filters and subscriptions.

import assert from "node:assert/strict";

import {
  BaseError,
  concat,
  ContractFunctionRevertedError,
  getContractAddress,
  keccak256,
  numberToHex,
  parseEventLogs,
  size,
  stringToHex,
} from "viem";

import { artefact, Inbox, rejection } from "../scenario.mjs";

export const COUNTER = artefact("testing/Counter");
const FACTORY = artefact("testing/CounterFactory");

/** Deploy a contract and give what viem calls it by. */
export async function deploy({ reader, writer }, account, { abi, bytecode }, args = [], value = 0n) {
  const hash = await writer.deployContract({ account, abi, bytecode, args, value });
  const { contractAddress } = await reader.waitForTransactionReceipt({ hash });
  return { address: contractAddress, abi };
}

/** Send a call of a contract and wait for its receipt. */
export async function write({ reader, writer }, account, contract, functionName, args = [], extra = {}) {
  const hash = await writer.writeContract({ account, ...contract, functionName, args, ...extra });
  return reader.waitForTransactionReceipt({ hash });
}

export async function deployment(context) {
  const { reader, accounts: [, account] } = context;
  const nonce = await reader.getTransactionCount({ address: account.address });
  const counter = await deploy(context, account, COUNTER, [7n], 5n);
  assert.equal(counter.address.toLowerCase(), getContractAddress({ from: account.address, nonce: BigInt(nonce) }).toLowerCase());
  assert.equal(await reader.readContract({ ...counter, functionName: "value" }), 7n);
  assert.equal(await reader.readContract({ ...counter, functionName: "owner" }), account.address);
  assert.equal(await reader.getBalance({ address: counter.address }), 5n);
  assert.equal(size(await reader.getCode({ address: counter.address })), size(COUNTER.deployedBytecode));

  const factory = await deploy(context, account, FACTORY);
  const salt = keccak256(stringToHex("a counter"));
  const expected = getContractAddress({
    opcode: "CREATE2",
    from: factory.address,
    salt,
    bytecode: concat([COUNTER.bytecode, numberToHex(42, { size: 32 })]),
  });
  const { result } = await reader.simulateContract({ account, ...factory, functionName: "create2", args: [42n, salt] });
  assert.equal(result, expected);
  await write(context, account, factory, "create2", [42n, salt]);
  assert.equal(await reader.readContract({ address: expected, abi: COUNTER.abi, functionName: "value" }), 42n);
  return { deployer: account.address, nonce, address: counter.address };
}

async function failingCall(promise) {
  const error = await rejection(promise);
  assert.ok(error instanceof BaseError, error);
  const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  assert.ok(reverted, error.message);
  return { name: reverted.data?.errorName ?? null, args: reverted.data?.args ?? null, reason: reverted.reason };
}

export async function failures(context) {
  const { reader, accounts: [, owner, stranger] } = context;
  const counter = await deploy(context, owner, COUNTER, [0n]);
  const read = (functionName, args = []) => failingCall(reader.readContract({ ...counter, functionName, args }));
  const simulate = (account, functionName, args = []) => failingCall(reader.simulateContract({ account, ...counter, functionName, args }));

  const large = await simulate(owner, "add", [1001n]);
  assert.deepEqual([large.name, large.args], ["StepTooLarge", [1001n, 1000n]]);
  const foreign = await simulate(stranger, "set", [1n]);
  assert.deepEqual([foreign.name, foreign.args], ["NotOwner", [stranger.address, owner.address]]);
  const estimated = await failingCall(reader.estimateContractGas({ account: stranger, ...counter, functionName: "set", args: [1n] }));
  assert.equal(estimated.name, "NotOwner");
  const bare = await read("failWithError");
  assert.equal(bare.name, "Refused");
  const required = await read("failWithReason");
  assert.deepEqual([required.name, required.reason], ["Error", "Counter: this always fails"]);
  const assertion = await read("failAssertion");
  assert.deepEqual([assertion.name, assertion.args], ["Panic", [1n]]);
  const overflow = await read("underflow", [1n]);
  assert.deepEqual([overflow.name, overflow.args], ["Panic", [0x11n]]);
  const silent = await read("failSilently");
  assert.equal(silent.name, null);

  const receipt = await write(context, stranger, counter, "set", [1n], { gas: 100_000n });
  assert.equal(receipt.status, "reverted");
  assert.deepEqual(receipt.logs, []);
  return { customError: [large.name, ...large.args], reason: required.reason, panic: overflow.args[0] };
}

export async function events(context) {
  const { reader, accounts: [, account, other] } = context;
  const counter = await deploy(context, account, COUNTER, [10n]);
  const first = await write(context, account, counter, "add", [1n]);
  await write(context, other, counter, "add", [2n]);
  const last = await write(context, account, counter, "add", [3n]);
  const tags = [keccak256("0x01"), keccak256("0x02")];
  const labelled = await write(context, account, counter, "label", ["zero gravity", tags]);

  const query = { ...counter, eventName: "Counted", fromBlock: first.blockNumber, strict: true };
  const all = await reader.getContractEvents(query);
  assert.deepEqual(all.map(({ args }) => args.value), [11n, 13n, 16n]);
  const mine = await reader.getContractEvents({ ...query, args: { by: account.address } });
  assert.deepEqual(mine.map(({ args }) => args.step), [1n, 3n]);
  const either = await reader.getContractEvents({ ...query, args: { step: [2n, 3n] } });
  assert.equal(either.length, 2);
  const inBlock = await reader.getLogs({ address: counter.address, blockHash: last.blockHash });
  assert.deepEqual(inBlock.map(({ transactionHash }) => transactionHash), [last.transactionHash]);
  const [named] = parseEventLogs({ abi: counter.abi, logs: labelled.logs });
  assert.equal(named.eventName, "Named");
  assert.deepEqual(named.args, { nameHash: keccak256(stringToHex("zero gravity")), name: "zero gravity", tags });

  return { values: all.map(({ args }) => args.value), address: counter.address };
}

export async function filters(context) {
  const { reader, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [0n]);
  const fromBlock = await reader.getBlockNumber();
  const logs = await reader.createContractEventFilter({ ...counter, eventName: "Counted", strict: true, fromBlock });
  const blocks = await reader.createBlockFilter();
  const pending = await reader.createPendingTransactionFilter();
  const one = await write(context, account, counter, "add", [5n]);
  assert.deepEqual((await reader.getFilterChanges({ filter: logs })).map(({ args }) => args.step), [5n]);
  const two = await write(context, account, counter, "add", [6n]);
  assert.deepEqual((await reader.getFilterChanges({ filter: logs })).map(({ args }) => args.step), [6n]);
  assert.deepEqual((await reader.getFilterLogs({ filter: logs })).map(({ args }) => args.step), [5n, 6n]);
  assert.deepEqual(await reader.getFilterChanges({ filter: blocks }), [one.blockHash, two.blockHash]);
  assert.deepEqual(await reader.getFilterChanges({ filter: pending }), [one.transactionHash, two.transactionHash]);
  for (const filter of [logs, blocks, pending]) {
    assert.equal(await reader.uninstallFilter({ filter }), true);
    assert.equal(await reader.uninstallFilter({ filter }), false);
  }
  const heard = await watch(context, reader);
  return { steps: heard.map(({ args }) => args.step) };
}

/** Count while `client` watches a contract, blocks and pending transactions. Gives the events it heard. */
async function watch(context, client) {
  const { accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [0n]);
  const [counted, blocks, pending, errors] = [new Inbox(), new Inbox(), new Inbox(), []];
  const onError = (error) => errors.push(error);
  const stops = [
    client.watchContractEvent({ ...counter, eventName: "Counted", strict: true, onLogs: (logs) => logs.forEach(counted.push), onError }),
    client.watchBlocks({ onBlock: blocks.push, emitMissed: true, onError }),
    client.watchPendingTransactions({ onTransactions: (hashes) => hashes.forEach(pending.push), onError }),
  ];
  try {
    // The subscriptions travel ahead of the counting; what proves that they stand is a block and a transaction that they tell of.
    const warm = new Set();
    while (blocks.items.length === 0 || pending.items.length === 0) {
      warm.add((await write(context, account, counter, "label", ["warm", []])).transactionHash);
    }
    const one = await write(context, account, counter, "add", [5n]);
    await counted.take(1, "the first event");
    const two = await write(context, account, counter, "add", [6n]);
    const heard = await counted.take(2, "the second event");
    assert.deepEqual(heard.map(({ args, transactionHash }) => [args.value, transactionHash]), [[5n, one.transactionHash], [11n, two.transactionHash]]);
    while (!blocks.items.some(({ hash }) => hash === two.blockHash)) await blocks.take(blocks.items.length + 1, "the block of the second event");
    const numbers = blocks.items.map(({ number }) => number);
    assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + BigInt(index)), "no block is missed, none comes twice");
    while (!pending.items.includes(two.transactionHash)) await pending.take(pending.items.length + 1, "the pending hash");
    assert.deepEqual(errors, []);
    return heard;
  } finally {
    stops.forEach((stop) => stop());
  }
}

export async function subscriptions(context) {
  const { socket, reader } = context;
  const heard = await watch(context, socket);
  assert.equal(await socket.getChainId(), await reader.getChainId());
  assert.deepEqual(await socket.getBlock({ blockTag: "latest" }), await reader.getBlock({ blockTag: "latest" }));
  return { steps: heard.map(({ args }) => args.step) };
}
