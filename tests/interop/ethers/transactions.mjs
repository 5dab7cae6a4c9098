// ethers: transactions of every type, fees, the pool, and the errors that ethers must recognise.

import assert from "node:assert/strict";

import * as ethers from "ethers";

import { artefact, rejection } from "../scenario.mjs";
import { deploy } from "./contracts.mjs";

const COUNTER = artefact("testing/Counter");
const BATCH_ACCOUNT = artefact("testing/BatchAccount");
const GAS_PRICE = ethers.parseUnits("20", "gwei");

export async function transactionTypes({ provider, wallets: [, wallet, other] }) {
  const counter = await deploy(wallet, COUNTER, 0n);
  const to = await counter.getAddress();
  const accessList = [{ address: to, storageKeys: [ethers.ZeroHash] }];
  const feeCaps = { maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: ethers.parseUnits("1", "gwei") };
  const found = {};
  for (const [type, extra] of [
    [0, { gasPrice: GAS_PRICE }],
    [1, { gasPrice: GAS_PRICE, accessList }],
    [2, { ...feeCaps, accessList }],
  ]) {
    const request = await counter.add.populateTransaction(1n, { type, value: 3n, gasLimit: 200_000n, ...extra });
    const signed = await wallet.signTransaction(await wallet.populateTransaction(request));
    const response = await provider.broadcastTransaction(signed);
    assert.equal(response.hash, ethers.keccak256(signed));
    const receipt = await response.wait();
    assert.equal(receipt.type, type);
    assert.equal(receipt.status, 1);
    const mined = await provider.getTransaction(response.hash);
    assert.equal(mined.type, type);
    assert.equal(mined.from, wallet.address);
    assert.equal(mined.blockHash, receipt.blockHash);
    assert.equal(ethers.Transaction.from(mined).serialized, signed, "the transaction reads back byte for byte");
    if (type > 0) assert.deepEqual(mined.accessList, accessList);
    found[type] = receipt.gasUsed;
  }
  assert.equal(await counter.value(), 3n);
  assert.equal(await counter.timesBy(wallet.address), 3n);
  const before = await provider.getBalance(other.address);
  await (await wallet.sendTransaction({ to: other.address, value: 12345n })).wait();
  assert.equal(await provider.getBalance(other.address), before + 12345n);
  return found;
}

/** A signed type 4 transaction. This ethers cannot make one, so it is put together from its RLP and its signing key. */
function signSetCode(wallet, transaction, authorizations) {
  const fields = [
    ...["chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gasLimit"].map((name) => ethers.toBeArray(transaction[name])),
    transaction.to,
    ethers.toBeArray(transaction.value),
    transaction.data,
    [],
    authorizations,
  ];
  const { yParity, r, s } = wallet.signingKey.sign(ethers.keccak256(ethers.concat(["0x04", ethers.encodeRlp(fields)])));
  return ethers.concat(["0x04", ethers.encodeRlp([...fields, ...[yParity, r, s].map(ethers.toBeArray)])]);
}

function signAuthorization(wallet, chainId, address, nonce) {
  const fields = [ethers.toBeArray(chainId), address, ethers.toBeArray(nonce)];
  const { yParity, r, s } = wallet.signingKey.sign(ethers.keccak256(ethers.concat(["0x05", ethers.encodeRlp(fields)])));
  return [...fields, ...[yParity, r, s].map(ethers.toBeArray)];
}

/** EIP-7702: an account without a coin gets code by somebody else's transaction and runs a batch in its own name. */
export async function delegation({ provider, wallets: [, sponsor] }) {
  const implementation = await (await deploy(sponsor, BATCH_ACCOUNT)).getAddress();
  const counter = await deploy(sponsor, COUNTER, 0n);
  const account = ethers.Wallet.createRandom().connect(provider);
  const { chainId } = await provider.getNetwork();
  const raw = signSetCode(
    sponsor,
    {
      chainId,
      nonce: await sponsor.getNonce(),
      maxPriorityFeePerGas: 1n,
      maxFeePerGas: GAS_PRICE,
      gasLimit: 200_000n,
      to: account.address,
      value: ethers.parseEther("1"),
      data: "0x",
    },
    [signAuthorization(account, chainId, implementation, 0n)],
  );
  const hash = await provider.send("eth_sendRawTransaction", [raw]);
  assert.equal(hash, ethers.keccak256(raw));
  const receipt = await provider.waitForTransaction(hash);
  assert.equal(receipt.type, 4);
  assert.equal(await provider.getCode(account.address), ethers.concat(["0xef0100", implementation]).toLowerCase());
  assert.equal(await account.getNonce(), 1);

  const delegated = new ethers.Contract(account.address, BATCH_ACCOUNT.abi, account);
  const add = (step) => [counter.target, 0n, counter.interface.encodeFunctionData("add", [step])];
  await (await delegated.run([add(4n), add(5n)])).wait();
  assert.equal(await counter.timesBy(account.address), 2n);
  assert.equal(await delegated.batches(), 1n);
  const foreign = await rejection(delegated.connect(sponsor).run.staticCall([]));
  assert.equal(foreign.revert.name, "NotTheAccount");
  const inner = await rejection(delegated.run.staticCall([add(4n), add(1001n)]));
  assert.equal(inner.revert.name, "CallFailed");
  assert.equal(counter.interface.parseError(inner.revert.args.reason).name, "StepTooLarge");

  const block = await provider.getBlock(receipt.blockNumber, true);
  assert.equal(block.prefetchedTransactions[0].type, 4);
  return { type: receipt.type, batches: await delegated.batches() };
}

export async function fees({ provider, wallets: [, wallet] }) {
  const { gasPrice, maxFeePerGas, maxPriorityFeePerGas } = await provider.getFeeData();
  const head = await provider.getBlock("latest");
  assert.ok(gasPrice >= head.baseFeePerGas);
  assert.ok(maxFeePerGas >= 2n * head.baseFeePerGas + maxPriorityFeePerGas);
  const tip = ethers.parseUnits("2", "gwei");
  const receipt = await (await wallet.sendTransaction({ to: wallet.address, maxPriorityFeePerGas: tip, maxFeePerGas: GAS_PRICE })).wait();
  const block = await provider.getBlock(receipt.blockNumber);
  assert.equal(receipt.gasPrice, block.baseFeePerGas + tip);
  assert.equal(receipt.fee, 21_000n * receipt.gasPrice);

  const history = await provider.send("eth_feeHistory", ["0x2", "latest", [10, 50, 90]]);
  assert.equal(Number(history.oldestBlock), receipt.blockNumber - 1);
  assert.equal(history.baseFeePerGas.length, 3);
  assert.equal(BigInt(history.baseFeePerGas[1]), block.baseFeePerGas);
  assert.deepEqual(history.reward[1].map(BigInt), [tip, tip, tip]);
  assert.equal(history.gasUsedRatio[1], Number(block.gasUsed) / Number(block.gasLimit));
  const next = await (await wallet.sendTransaction({ to: wallet.address })).wait();
  assert.equal((await provider.getBlock(next.blockNumber)).baseFeePerGas, BigInt(history.baseFeePerGas[2]));
  return { tip: receipt.gasPrice - block.baseFeePerGas };
}

/** While nothing is mined: nonces run ahead, gaps wait, a higher bid replaces, and one block takes all in order. */
export async function pool({ provider, wallets: [, , , wallet] }) {
  await provider.send("evm_setAutomine", [false]);
  try {
    const nonce = await wallet.getNonce("latest");
    const send = (offset, extra = {}) =>
      wallet.sendTransaction({ to: wallet.address, nonce: nonce + offset, gasLimit: 30_000n, maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: 1000n, ...extra });
    const third = await send(2);
    assert.equal(await wallet.getNonce("pending"), nonce);
    const first = await send(0);
    assert.equal(await wallet.getNonce("pending"), nonce + 1);
    const replaced = await send(1);
    assert.equal(await wallet.getNonce("pending"), nonce + 3);
    assert.equal((await provider.getTransaction(first.hash)).blockNumber, null);
    const second = await send(1, { value: 1n, maxFeePerGas: 2n * GAS_PRICE, maxPriorityFeePerGas: 2000n });
    assert.equal(await provider.getTransactionReceipt(second.hash), null);
    assert.equal(await wallet.getNonce("latest"), nonce);

    await provider.send("evm_mine", []);
    const receipts = await Promise.all([first, second, third].map(({ hash }) => provider.getTransactionReceipt(hash)));
    assert.deepEqual(receipts.map(({ status }) => status), [1, 1, 1]);
    assert.equal(new Set(receipts.map(({ blockNumber }) => blockNumber)).size, 1);
    assert.ok(receipts[0].index < receipts[1].index && receipts[1].index < receipts[2].index);
    assert.equal(await provider.getTransactionReceipt(replaced.hash), null);
    assert.equal(await wallet.getNonce("latest"), nonce + 3);
    const replacement = await rejection(replaced.wait());
    assert.equal(replacement.code, "TRANSACTION_REPLACED");
    assert.equal(replacement.hash, second.hash);
    return { mined: receipts.length };
  } finally {
    await provider.send("evm_setAutomine", [true]);
  }
}

async function codeOf(promise) {
  return (await rejection(promise)).code;
}

export async function poolErrors({ provider, wallets: [, , , , wallet, other] }) {
  await (await wallet.sendTransaction({ to: other.address })).wait();
  const nonce = await wallet.getNonce();
  const { chainId } = await provider.getNetwork();
  const base = { type: 2, chainId, to: other.address, gasLimit: 21_000n, maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: 1000n };
  const broadcast = async (request) => provider.broadcastTransaction(await wallet.signTransaction({ ...base, ...request }));
  const found = {};
  found.nonceTooLow = await codeOf(broadcast({ nonce: nonce - 1 }));
  assert.equal(found.nonceTooLow, "NONCE_EXPIRED");
  const poor = ethers.Wallet.createRandom().connect(provider);
  found.insufficientFunds = await codeOf(poor.sendTransaction({ ...base, nonce: 0 }));
  assert.equal(found.insufficientFunds, "INSUFFICIENT_FUNDS");
  found.insufficientValue = await codeOf(broadcast({ nonce, value: ethers.parseEther("1000000") }));
  assert.equal(found.insufficientValue, "INSUFFICIENT_FUNDS");

  await provider.send("evm_setAutomine", [false]);
  try {
    const waiting = await broadcast({ nonce });
    found.replacement = await codeOf(broadcast({ nonce, value: 1n }));
    assert.equal(found.replacement, "REPLACEMENT_UNDERPRICED");
    found.known = (await rejection(broadcast({ nonce }))).error.message;
    assert.match(found.known, /already known/);
    await provider.send("evm_mine", []);
    assert.equal((await waiting.wait()).status, 1);
  } finally {
    await provider.send("evm_setAutomine", [true]);
  }
  const chain = await rejection(broadcast({ nonce: nonce + 1, chainId: 1n }));
  assert.match(chain.error.message, /invalid chain id/);
  const gas = await rejection(broadcast({ nonce: nonce + 1, gasLimit: 20_999n }));
  assert.match(gas.error.message, /intrinsic gas too low/);
  return found;
}

export async function estimates({ provider, wallets: [, wallet, other] }) {
  assert.equal(await provider.estimateGas({ from: wallet.address, to: other.address, value: 1n }), 21_000n);
  const counter = await deploy(wallet, COUNTER, 0n);
  const estimate = await counter.increment.estimateGas();
  const receipt = await (await counter.increment({ gasLimit: estimate })).wait();
  assert.equal(receipt.status, 1);
  assert.ok(estimate >= receipt.gasUsed && estimate < receipt.gasUsed + receipt.gasUsed / 10n, `${estimate} for ${receipt.gasUsed}`);
  const value = ethers.parseEther("1000000");
  const tooMuch = await codeOf(provider.estimateGas({ from: wallet.address, to: other.address, value }));
  assert.equal(tooMuch, "INSUFFICIENT_FUNDS");
  return { tooMuch };
}
