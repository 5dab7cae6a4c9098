// viem: calls that are simulated in blocks, proofs against the state root, and transactions that the node fills in or waits for.

import assert from "node:assert/strict";

import { encodeFunctionData, fromRlp, hexToBigInt, keccak256, numberToHex, pad, parseEther, parseGwei, zeroHash } from "viem";

import { artefact, rejection } from "../scenario.mjs";
import { COUNTER, deploy, write } from "./contracts.mjs";

const TOKEN = artefact("testing/Token");
const STRANGER = "0x2222222222222222222222222222222222222222";
const NATIVE = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

export async function simulatedBlocks(context) {
  const { reader, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [1n]);
  const call = (functionName, args = [], from = account.address) => ({ to: counter.address, abi: COUNTER.abi, functionName, args, from });
  const head = await reader.getBlock();
  const [first, second] = await reader.simulateBlocks({
    blocks: [
      {
        blockOverrides: { time: head.timestamp + 1000n },
        calls: [call("add", [5n]), call("value"), call("add", [1001n])],
      },
      {
        stateOverrides: [{ address: STRANGER, balance: parseEther("2") }],
        calls: [call("value"), { from: STRANGER, to: account.address, value: parseEther("1") }],
      },
    ],
    traceTransfers: true,
  });
  assert.deepEqual([first.number, second.number], [head.number + 1n, head.number + 2n]);
  assert.deepEqual([first.parentHash, second.parentHash], [head.hash, first.hash]);
  assert.equal(first.timestamp, head.timestamp + 1000n);
  assert.deepEqual(first.calls.map(({ status }) => status), ["success", "success", "failure"]);
  assert.deepEqual([first.calls[1].result, second.calls[0].result], [6n, 6n]);
  assert.deepEqual([first.calls[2].error.cause.data.errorName, first.calls[2].error.cause.data.args], ["StepTooLarge", [1001n, 1000n]]);
  assert.equal(first.calls[0].logs.length, 1);
  assert.equal(hexToBigInt(second.calls[1].logs[0].data), parseEther("1"), "a transfer is a log when it is asked for");
  assert.equal(await reader.readContract({ ...counter, functionName: "value" }), 1n, "nothing of it stays");

  const poor = await rejection(
    reader.simulateBlocks({ blocks: [{ calls: [{ from: STRANGER, to: account.address, value: 1n }] }], validation: true }),
  );
  assert.ok(poor.walk((error) => error.code !== undefined), poor.message);
  return { value: first.calls[1].result };
}

export async function simulatedCalls(context) {
  const { reader, accounts: [, account] } = context;
  const token = await deploy(context, account, TOKEN, ["Coin", "COIN", 1000n]);
  const { results, assetChanges } = await reader.simulateCalls({
    account,
    calls: [
      { to: token.address, abi: TOKEN.abi, functionName: "transfer", args: [STRANGER, 300n] },
      { to: token.address, abi: TOKEN.abi, functionName: "balanceOf", args: [STRANGER] },
      { to: STRANGER, value: 7n },
    ],
    traceAssetChanges: true,
  });
  assert.deepEqual(results.map(({ status }) => status), ["success", "success", "success"]);
  assert.equal(results[1].result, 300n);
  const changes = Object.fromEntries(assetChanges.map(({ token: { address }, value }) => [address.toLowerCase(), value.diff]));
  assert.deepEqual(changes, { [NATIVE]: -7n, [token.address.toLowerCase()]: -300n });
  return { changes: assetChanges.length };
}

/** Node by node from a root to a value, as a light client would: every node has the hash that the one above names. */
function proven(root, key, nodes) {
  let [expected, path] = [root, [...key.slice(2)]];
  for (const node of nodes) {
    assert.ok(expected.length < 66 || keccak256(node) === expected, "a node has the hash that its parent names");
    const items = fromRlp(node);
    if (items.length === 17) {
      expected = items[parseInt(path.shift(), 16)];
      continue;
    }
    const odd = parseInt(items[0][2], 16) % 2;
    const part = [...items[0].slice(odd ? 3 : 4)];
    if (part.join("") !== path.slice(0, part.length).join("")) return null;
    [path, expected] = [path.slice(part.length), items[1]];
    if (path.length === 0) return expected;
  }
  return expected === "0x" ? null : expected;
}

export async function proofs(context) {
  const { reader, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [77n]);
  const { stateRoot, number } = await reader.getBlock();
  await write(context, account, counter, "add", [1n]);
  const absent = pad("0x63");
  const proof = await reader.getProof({ address: counter.address, storageKeys: [zeroHash, absent], blockNumber: number });
  const [, balance, storageHash, codeHash] = fromRlp(proven(stateRoot, keccak256(counter.address), proof.accountProof));
  assert.deepEqual([balance, storageHash, codeHash], ["0x", proof.storageHash, proof.codeHash]);
  assert.equal(codeHash, keccak256(await reader.getCode({ address: counter.address })));
  const [slot, empty] = proof.storageProof;
  assert.equal(fromRlp(proven(storageHash, keccak256(slot.key), slot.proof)), "0x4d");
  assert.deepEqual([slot.value, empty.value, empty.key], [77n, 0n, absent]);
  assert.equal(proven(storageHash, keccak256(absent), empty.proof), null);
  const nobody = await reader.getProof({ address: STRANGER, storageKeys: [], blockNumber: number });
  assert.equal(proven(stateRoot, keccak256(STRANGER), nobody.accountProof), null);
  return { value: slot.value };
}

export async function storageValues(context) {
  const { reader, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [9n]);
  const slots = [zeroHash, numberToHex(1, { size: 32 })];
  const { blockNumber } = await write(context, account, counter, "add", [1n]);
  const values = await reader.getStorageValues({ requests: { [counter.address]: slots }, blockNumber: blockNumber - 1n });
  const [found] = Object.values(values);
  assert.deepEqual(found, [numberToHex(9, { size: 32 }), zeroHash]);
  return { value: hexToBigInt(found[0]) };
}

export async function accessLists(context) {
  const { reader, writer, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [1n]);
  const request = { account, to: counter.address, data: encodeFunctionData({ ...counter, functionName: "add", args: [5n] }) };
  const { accessList, gasUsed } = await reader.createAccessList(request);
  assert.deepEqual(accessList.map(({ address }) => address), [counter.address]);
  const hash = await writer.sendTransaction({ ...request, accessList });
  assert.equal((await reader.waitForTransactionReceipt({ hash })).gasUsed, gasUsed);
  return { slots: accessList[0].storageKeys.length };
}

export async function filledTransactions(context) {
  const { reader, writer, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [0n]);
  const request = { account: account.address, to: counter.address, data: encodeFunctionData({ ...counter, functionName: "add", args: [2n] }) };
  const { transaction, raw } = await reader.fillTransaction(request);
  assert.equal(transaction.nonce, await reader.getTransactionCount({ address: account.address }));
  assert.equal(transaction.gas, await reader.estimateGas(request));
  assert.deepEqual([transaction.type, transaction.chainId, raw.slice(0, 4)], ["eip1559", 31337, "0x02"]);
  const { type, nonce, gas, maxFeePerGas, maxPriorityFeePerGas, to, data } = transaction;
  const hash = await writer.sendTransaction({ account, type, nonce, gas, maxFeePerGas, maxPriorityFeePerGas, to, data });
  assert.equal((await reader.waitForTransactionReceipt({ hash })).status, "success");
  return { value: await reader.readContract({ ...counter, functionName: "value" }) };
}

export async function synchronousSends(context) {
  const { reader, writer, anvil, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [0n]);
  const add = { ...counter, functionName: "add", args: [3n] };
  const byRaw = await writer.writeContractSync({ account, ...add });
  const byNode = await writer.sendTransactionSync({ account: account.address, to: counter.address, data: encodeFunctionData(add) });
  assert.deepEqual([byRaw.status, byNode.status, byNode.blockNumber], ["success", "success", byRaw.blockNumber + 1n]);
  const request = await writer.prepareTransactionRequest({ account, to: counter.address, data: encodeFunctionData(add) });
  const serializedTransaction = await writer.signTransaction(request);
  await anvil.setAutomine(false);
  try {
    const late = await rejection(writer.sendRawTransactionSync({ serializedTransaction, timeout: 100 }));
    assert.ok(late.walk((error) => error.code === 4), late.message);
    assert.equal((await anvil.getTxpoolStatus()).pending, 1);
    const { pending } = await anvil.getTxpoolContent();
    assert.deepEqual(Object.keys(Object.values(pending)[0]), [request.nonce.toString()]);
    assert.match(Object.values(Object.values((await anvil.inspectTxpool()).pending)[0])[0], /^0x[0-9a-fA-F]{40}: 0 wei \+ \d+ gas × \d+ wei$/);
  } finally {
    await anvil.setAutomine(true);
  }
  await reader.waitForTransactionReceipt({ hash: keccak256(serializedTransaction) });
  return { value: await reader.readContract({ ...counter, functionName: "value" }) };
}

export async function feeHistory(context) {
  const { reader, writer, anvil, accounts: [, account] } = context;
  await anvil.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("1") });
  const hash = await writer.sendTransaction({ account, to: STRANGER, value: 1n, maxPriorityFeePerGas: parseGwei("3"), maxFeePerGas: parseGwei("9") });
  const { blockNumber, gasUsed } = await reader.waitForTransactionReceipt({ hash });
  await anvil.mine({ blocks: 1 });
  const history = await reader.getFeeHistory({ blockCount: 2, blockNumber: blockNumber + 1n, rewardPercentiles: [0, 50, 100] });
  const { gasLimit } = await reader.getBlock({ blockNumber });
  assert.deepEqual([history.oldestBlock, history.baseFeePerGas.length, history.baseFeePerGas[0]], [blockNumber, 3, parseGwei("1")]);
  assert.equal(history.baseFeePerGas[1], (await reader.getBlock({ blockNumber: blockNumber + 1n })).baseFeePerGas);
  assert.deepEqual(history.gasUsedRatio, [Number(gasUsed) / Number(gasLimit), 0]);
  assert.deepEqual(history.reward, [Array(3).fill(parseGwei("3")), Array(3).fill(0n)]);
  const bare = await reader.getFeeHistory({ blockCount: 1, rewardPercentiles: [] });
  assert.equal(bare.gasUsedRatio.length, 1);
  assert.ok((await reader.getBlobBaseFee()) >= 1n);
  return { reward: history.reward[0][0] };
}
