// viem: transactions of every type, delegation, fees, the pool, and the errors that viem must recognise.

import assert from "node:assert/strict";

import {
  createPublicClient,
  custom,
  encodeFunctionData,
  FeeCapTooLowError,
  InsufficientFundsError,
  IntrinsicGasTooLowError,
  keccak256,
  NonceTooLowError,
  parseEther,
  parseGwei,
  parseTransaction,
  zeroHash,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { artefact, rejection, within } from "../scenario.mjs";
import { COUNTER, deploy, write } from "./contracts.mjs";

const BATCH_ACCOUNT = artefact("testing/BatchAccount");
const GAS_PRICE = parseGwei("20");

export async function transactionTypes(context) {
  const { reader, writer, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [0n]);
  const accessList = [{ address: counter.address, storageKeys: [zeroHash] }];
  const data = encodeFunctionData({ ...counter, functionName: "add", args: [1n] });
  const caps = { maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: parseGwei("1") };
  const found = {};
  for (const [type, typeHex, extra] of [
    ["legacy", "0x0", { gasPrice: GAS_PRICE }],
    ["eip2930", "0x1", { gasPrice: GAS_PRICE, accessList }],
    ["eip1559", "0x2", { ...caps, accessList }],
  ]) {
    const request = await writer.prepareTransactionRequest({ account, to: counter.address, data, value: 3n, type, ...extra });
    const serializedTransaction = await writer.signTransaction(request);
    const hash = await writer.sendRawTransaction({ serializedTransaction });
    assert.equal(hash, keccak256(serializedTransaction));
    const receipt = await reader.waitForTransactionReceipt({ hash });
    assert.deepEqual([receipt.type, receipt.status], [type, "success"]);
    const mined = await reader.getTransaction({ hash });
    const sent = parseTransaction(serializedTransaction);
    assert.deepEqual([mined.type, mined.typeHex, mined.from, mined.nonce], [type, typeHex, account.address.toLowerCase(), sent.nonce]);
    assert.deepEqual([mined.input, mined.value, mined.gas, ...[mined.r, mined.s].map(BigInt)], [data, 3n, sent.gas, ...[sent.r, sent.s].map(BigInt)]);
    assert.equal(mined.chainId, 31337);
    if (type !== "legacy") assert.deepEqual(mined.accessList, accessList.map((item) => ({ ...item, address: item.address.toLowerCase() })));
    found[type] = receipt.gasUsed;
  }
  assert.equal(await reader.readContract({ ...counter, functionName: "value" }), 3n);
  return found;
}

/** EIP-7702 with a sponsor, then by the account itself, then taken back. */
export async function delegation(context) {
  const { reader, writer, accounts: [, sponsor] } = context;
  const { address: implementation, abi } = await deploy(context, sponsor, BATCH_ACCOUNT);
  const counter = await deploy(context, sponsor, COUNTER, [0n]);
  const account = privateKeyToAccount(generatePrivateKey());
  const authorization = await writer.signAuthorization({ account, contractAddress: implementation });
  const given = await writer.sendTransaction({ account: sponsor, to: account.address, value: parseEther("1"), authorizationList: [authorization] });
  const receipt = await reader.waitForTransactionReceipt({ hash: given });
  assert.deepEqual([receipt.type, receipt.status], ["eip7702", "success"]);
  const { authorizationList } = await reader.getTransaction({ hash: given });
  assert.equal(authorizationList.length, 1);
  assert.equal(authorizationList[0].address.toLowerCase(), implementation.toLowerCase());
  assert.equal(await reader.getCode({ address: account.address }), `0xef0100${implementation.slice(2).toLowerCase()}`);
  const delegated = await reader.getDelegation({ address: account.address });
  assert.equal(delegated.toLowerCase(), implementation.toLowerCase());

  const add = (step) => ({ target: counter.address, value: 0n, data: encodeFunctionData({ ...counter, functionName: "add", args: [step] }) });
  const own = { address: account.address, abi };
  await write(context, account, own, "run", [[add(4n), add(5n)]]);
  assert.equal(await reader.readContract({ ...counter, functionName: "timesBy", args: [account.address] }), 2n);
  assert.equal(await reader.readContract({ ...own, functionName: "batches" }), 1n);

  const self = await writer.signAuthorization({ account, contractAddress: "0x0000000000000000000000000000000000000000", executor: "self" });
  const taken = await writer.sendTransaction({ account, to: account.address, authorizationList: [self] });
  await reader.waitForTransactionReceipt({ hash: taken });
  assert.equal(await reader.getCode({ address: account.address }), undefined);
  return { type: receipt.type, batches: 1 };
}

export async function fees(context) {
  const { reader, writer, accounts: [, account] } = context;
  const head = await reader.getBlock();
  const estimate = await reader.estimateFeesPerGas();
  assert.ok(estimate.maxFeePerGas >= head.baseFeePerGas + estimate.maxPriorityFeePerGas);
  assert.ok((await reader.getGasPrice()) >= head.baseFeePerGas);
  assert.ok((await reader.getBlobBaseFee()) >= 1n);
  const tip = parseGwei("2");
  const hash = await writer.sendTransaction({ account, to: account.address, maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: tip });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  const block = await reader.getBlock({ blockHash: receipt.blockHash });
  assert.equal(receipt.effectiveGasPrice, block.baseFeePerGas + tip);
  const history = await reader.getFeeHistory({ blockCount: 2, rewardPercentiles: [10, 90] });
  assert.equal(history.oldestBlock, receipt.blockNumber - 1n);
  assert.equal(history.baseFeePerGas[1], block.baseFeePerGas);
  assert.deepEqual(history.reward[1], [tip, tip]);
  assert.equal(history.gasUsedRatio[1], Number(block.gasUsed) / Number(block.gasLimit));
  const bare = await reader.request({ method: "eth_feeHistory", params: ["0x1", "latest", []] });
  assert.equal(bare.reward ?? null, null);
  return { tip: receipt.effectiveGasPrice - block.baseFeePerGas };
}

/** Wait for a transaction that will be replaced; `known` is when viem has read it and so can tell what replaces it. */
function waitForReplacement(reader, hash) {
  const replacements = [];
  let waiting;
  const known = new Promise((resolve) => {
    const request = async (call) => {
      const answer = await reader.request(call);
      if (call.method === "eth_getTransactionByHash") resolve();
      return answer;
    };
    const client = createPublicClient({ chain: reader.chain, transport: custom({ request }), pollingInterval: 50, cacheTime: 0 });
    waiting = client.waitForTransactionReceipt({ hash, onReplaced: ({ reason }) => replacements.push(reason) });
  });
  return { waiting, known, replacements };
}

/** While nothing is mined: nonces run ahead, gaps wait, a higher bid replaces, one is dropped, and one block takes the rest. */
export async function pool(context) {
  const { reader, writer, dev, accounts: [, , , account] } = context;
  const count = (blockTag) => reader.getTransactionCount({ address: account.address, blockTag });
  const send = (nonce, extra = {}) =>
    writer.sendTransaction({ account, to: account.address, nonce, gas: 30_000n, maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: 1000n, ...extra });
  await dev.setAutomine(false);
  try {
    const nonce = await count("latest");
    const third = await send(nonce + 2);
    const first = await send(nonce);
    assert.equal(await count("pending"), nonce + 1);
    const replaced = await send(nonce + 1);
    const { waiting, known, replacements } = waitForReplacement(reader, replaced);
    await within(known, "viem's look at the transaction");
    assert.equal(await count("pending"), nonce + 3);
    const second = await send(nonce + 1, { value: 1n, maxFeePerGas: 2n * GAS_PRICE, maxPriorityFeePerGas: 2000n });
    const fourth = await send(nonce + 3);
    await dev.dropTransaction({ hash: fourth });
    await rejection(reader.getTransaction({ hash: replaced }));
    await dev.mine({ blocks: 1 });
    const receipts = await Promise.all([first, second, third].map((hash) => reader.getTransactionReceipt({ hash })));
    assert.equal(new Set(receipts.map(({ blockHash }) => blockHash)).size, 1);
    assert.deepEqual(receipts.map(({ status }) => status), ["success", "success", "success"]);
    assert.equal((await waiting).transactionHash, second);
    assert.deepEqual(replacements, ["replaced"]);
    assert.equal(await count("latest"), nonce + 3);
    assert.equal(await count("pending"), nonce + 3);
    return { mined: receipts.length };
  } finally {
    await dev.setAutomine(true);
  }
}

async function causeOf(promise, kind) {
  const error = await rejection(promise);
  const cause = error.walk?.((candidate) => candidate instanceof kind);
  assert.ok(cause, `${kind.name} expected, not: ${error.message}`);
  return cause.name;
}

export async function poolErrors(context) {
  const { reader, writer, dev, accounts: [, , , , account] } = context;
  await write(context, account, await deploy(context, account, COUNTER, [0n]), "increment");
  const nonce = await reader.getTransactionCount({ address: account.address });
  const base = { account, to: account.address, gas: 21_000n, maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: 1000n };
  const send = (extra) => writer.sendTransaction({ ...base, nonce, ...extra });
  const found = {
    nonceTooLow: await causeOf(send({ nonce: nonce - 1 }), NonceTooLowError),
    insufficientFunds: await causeOf(send({ value: parseEther("1000000") }), InsufficientFundsError),
    intrinsicGas: await causeOf(send({ gas: 20_999n }), IntrinsicGasTooLowError),
  };
  await dev.setAutomine(false);
  try {
    const waiting = await send({});
    const underpriced = await rejection(send({ value: 1n }));
    assert.match(underpriced.details, /replacement transaction underpriced/);
    found.known = await causeOf(send({}), NonceTooLowError);
    await dev.mine({ blocks: 1 });
    assert.equal((await reader.getTransactionReceipt({ hash: waiting })).status, "success");
  } finally {
    await dev.setAutomine(true);
  }
  return found;
}

export async function callErrors({ reader, accounts: [, account] }) {
  const call = { account, to: account.address, maxPriorityFeePerGas: 0n };
  return {
    feeCapTooLow: await causeOf(reader.call({ ...call, maxFeePerGas: 1n }), FeeCapTooLowError),
    insufficientFunds: await causeOf(reader.estimateGas({ ...call, maxFeePerGas: GAS_PRICE, value: parseEther("1000000") }), InsufficientFundsError),
  };
}
