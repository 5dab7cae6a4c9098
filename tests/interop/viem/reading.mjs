// viem: many reads in one, reads over a state that is not, blocks by every name, and signatures.

import assert from "node:assert/strict";

import {
  concat,
  createPublicClient,
  encodeFunctionData,
  http,
  numberToHex,
  parseEther,
  parseSignature,
  recoverTypedDataAddress,
  zeroHash,
} from "viem";

import { artefact, MAIL, MULTICALL3, rejection } from "../scenario.mjs";
import { COUNTER, deploy, write } from "./contracts.mjs";

const TOKEN = artefact("testing/Token");

export async function blocks(context) {
  const { reader, writer, accounts: [, account] } = context;
  const hash = await writer.sendTransaction({ account, to: account.address });
  const { blockNumber } = await reader.waitForTransactionReceipt({ hash });
  const full = await reader.getBlock({ blockNumber, includeTransactions: true });
  assert.deepEqual(full.transactions.map((transaction) => transaction.hash), [hash]);
  assert.equal(await reader.getBlockTransactionCount({ blockNumber }), 1);
  assert.equal((await reader.getTransaction({ blockNumber, index: 0 })).hash, hash);
  assert.equal((await reader.getTransaction({ blockTag: "latest", index: 0 })).hash, hash);
  for (const blockTag of ["latest", "safe", "finalized"]) assert.equal((await reader.getBlock({ blockTag })).number, blockNumber, blockTag);
  const genesis = await reader.getBlock({ blockTag: "earliest" });
  assert.equal(genesis.number, 0n);
  assert.equal(genesis.parentHash, zeroHash);
  const pending = await reader.getBlock({ blockTag: "pending" });
  assert.equal(pending.parentHash, full.hash);
  const missing = await rejection(reader.getBlock({ blockNumber: blockNumber + 1000n }));
  assert.equal(missing.name, "BlockNotFoundError");
  const unknown = await rejection(reader.getTransactionReceipt({ hash: zeroHash }));
  assert.equal(unknown.name, "TransactionReceiptNotFoundError");
  const receipts = await reader.request({ method: "eth_getBlockReceipts", params: [numberToHex(blockNumber)] });
  assert.deepEqual(receipts.map(({ transactionHash }) => transactionHash), [hash]);
  const past = await reader.getBalance({ address: account.address, blockNumber: blockNumber - 1n });
  assert.ok(past > (await reader.getBalance({ address: account.address })));
  return { safe: Number((await reader.getBlock({ blockTag: "safe" })).number - blockNumber) };
}

export async function multicall(context) {
  const { reader, batching, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [3n]);
  const call = (functionName, ...args) => ({ ...counter, functionName, args });
  const results = await reader.multicall({ contracts: [call("value"), call("divide", 6n, 0n), call("divide", 6n, 2n), call("owner")] });
  assert.deepEqual(results.map(({ status }) => status), ["success", "failure", "success", "success"]);
  assert.deepEqual([results[0].result, results[2].result, results[3].result], [3n, 3n, account.address]);
  assert.match(results[1].error.message, /Division or modulo by zero/i);
  await rejection(reader.multicall({ contracts: [call("failWithError")], allowFailure: false }));

  let requests = 0;
  const counting = createPublicClient({
    chain: context.chain,
    transport: http(context.url, { onFetchRequest: () => void (requests += 1) }),
    batch: { multicall: { batchSize: 16_384 } },
  });
  const values = await Promise.all(Array.from({ length: 40 }, (_, index) => counting.readContract(call("divide", BigInt(index), 1n))));
  assert.deepEqual(values, values.map((_, index) => BigInt(index)));
  assert.equal(requests, 1, "forty reads are one request");
  const [value, failure] = await Promise.allSettled([batching.readContract(call("value")), batching.readContract(call("failWithReason"))]);
  assert.equal(value.value, 3n);
  assert.match(failure.reason.message, /this always fails/);
  const { result } = await reader.simulateContract({
    account,
    address: MULTICALL3,
    abi: artefact("chain/Multicall3").abi,
    functionName: "tryBlockAndAggregate",
    args: [false, [{ target: counter.address, callData: encodeFunctionData(call("value")) }]],
  });
  assert.equal(result[0], await reader.getBlockNumber());
  return { requests };
}

export async function overrides(context) {
  const { reader, accounts: [, account] } = context;
  const stranger = "0x1111111111111111111111111111111111111111";
  const counter = await deploy(context, account, COUNTER, [3n]);
  const read = (functionName, stateOverride) => reader.readContract({ ...counter, functionName, stateOverride });
  const slot = (value) => [{ slot: zeroHash, value: numberToHex(value, { size: 32 }) }];
  assert.equal(await read("value", [{ address: counter.address, stateDiff: slot(99) }]), 99n);
  assert.equal(await read("value", [{ address: counter.address, state: slot(98) }]), 98n);
  assert.equal(await read("value"), 3n, "an override leaves no trace");
  const moved = await reader.readContract({
    address: stranger,
    abi: COUNTER.abi,
    functionName: "value",
    stateOverride: [{ address: stranger, code: COUNTER.deployedBytecode, stateDiff: slot(5) }],
  });
  assert.equal(moved, 5n);
  const data = encodeFunctionData({ ...counter, functionName: "add", args: [1n] });
  const rich = { to: counter.address, data, account: stranger, value: parseEther("5"), stateOverride: [{ address: stranger, balance: parseEther("6") }] };
  assert.equal((await reader.call(rich)).data, undefined);
  assert.ok((await reader.estimateGas(rich)) > 21_000n);
  const probe = { address: MULTICALL3, abi: artefact("chain/Multicall3").abi };
  const time = await reader.readContract({ ...probe, functionName: "getCurrentBlockTimestamp", blockOverrides: { time: 4_000_000_000n } });
  assert.equal(time, 4_000_000_000n);
  const number = await reader.readContract({ ...probe, functionName: "getBlockNumber", blockOverrides: { number: 1_000_000n } });
  assert.equal(number, 1_000_000n);
  const code = concat([COUNTER.bytecode, numberToHex(8, { size: 32 })]);
  assert.equal(await reader.readContract({ abi: COUNTER.abi, code, functionName: "value" }), 8n, "a contract that was never deployed answers");
  return { overridden: 99 };
}

export async function logRanges({ reader }) {
  const head = await reader.getBlockNumber();
  const backwards = await rejection(reader.getLogs({ fromBlock: 1n, toBlock: 0n }));
  assert.match(backwards.details, /invalid block range params/);
  assert.equal(backwards.walk((error) => error.code !== undefined).code, -32602);
  const beyond = await rejection(reader.getLogs({ fromBlock: head + 1n, toBlock: head + 2n }));
  assert.match(beyond.details, /block range extends beyond current head block/);
  const unknown = await rejection(reader.getLogs({ blockHash: zeroHash }));
  assert.match(unknown.details, /unknown block/);
  return { backwards: backwards.details, beyond: beyond.details };
}

export async function requestBatches(context) {
  let requests = 0;
  const batching = createPublicClient({
    chain: context.chain,
    transport: http(context.url, { batch: { wait: 5 }, retryCount: 0, onFetchRequest: () => void (requests += 1) }),
    cacheTime: 0,
  });
  const results = await Promise.allSettled([
    batching.getChainId(),
    batching.getBlockNumber(),
    batching.request({ method: "eth_noSuchMethod" }),
    ...context.accounts.map(({ address }) => batching.getBalance({ address })),
  ]);
  assert.equal(requests, 1);
  assert.equal(results[0].value, 31337);
  assert.match(results[2].reason.details, /does not exist\/is not available/);
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 12);
  return { requests };
}

export async function typedData(context) {
  const { reader, writer, accounts: [, account, spender] } = context;
  const mail = { ...MAIL, message: { ...MAIL.message, stamp: BigInt(MAIL.message.stamp) }, primaryType: "Mail" };
  const signature = await account.signTypedData(mail);
  assert.equal(await writer.signTypedData({ ...mail, account: account.address }), signature, "the node signs the same");
  assert.equal(await recoverTypedDataAddress({ ...mail, signature }), account.address);
  assert.equal(await reader.verifyTypedData({ ...mail, address: account.address, signature }), true);
  assert.equal(await reader.verifyTypedData({ ...mail, address: spender.address, signature }), false);
  const text = await account.signMessage({ message: "zero gravity" });
  assert.equal(await writer.signMessage({ account: account.address, message: "zero gravity" }), text);
  assert.equal(await reader.verifyMessage({ address: account.address, message: "zero gravity", signature: text }), true);

  const token = await deploy(context, account, TOKEN, ["Coin", "COIN", 1000n]);
  const permit = { owner: account.address, spender: spender.address, value: 250n, nonce: 0n, deadline: 2n ** 64n };
  const fields = ["owner", "spender", "value", "nonce", "deadline"];
  const { r, s, v } = parseSignature(
    await account.signTypedData({
      domain: { name: "Coin", version: "1", chainId: context.chain.id, verifyingContract: token.address },
      types: { Permit: fields.map((name) => ({ name, type: typeof permit[name] === "bigint" ? "uint256" : "address" })) },
      primaryType: "Permit",
      message: permit,
    }),
  );
  await write(context, spender, token, "permit", [permit.owner, permit.spender, permit.value, permit.deadline, Number(v), r, s]);
  const allowance = await reader.readContract({ ...token, functionName: "allowance", args: [account.address, spender.address] });
  assert.equal(allowance, 250n);
  return { signature, text };
}
