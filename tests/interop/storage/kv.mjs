// The key-value part of an official storage SDK at work: `node kv.mjs PACKAGE < work.json`, in the manner of `client.mjs`.
//
// `work.json` is {node, kv, chain, lanes}. A lane is an account, and its jobs are done one after another; a job may be a list of jobs that are
// done at the same time. Bytes are hex, in parameters of calls as {bytes}. What happens is told as {lane, job, found} or {lane, job, failure}.

import { Console } from "node:console";
import { readFileSync } from "node:fs";

import * as ethers from "ethers";

// The SDKs write all they do to the console; standard output is for the report.
globalThis.console = new Console(process.stderr);

const MNEMONIC = "test test test test test test test test test test test junk";
const ANY_VERSION = (1n << 64n) - 1n;
const RESULT_MS_MAX = 20_000;
const LOOK_MS = 20;

const sdk = await import(process.argv[2]);
const work = JSON.parse(readFileSync(0, "utf8"));

const nodes = [new sdk.StorageNode(work.node)];
const kv = new sdk.KvClient(work.kv);
const { networkIdentity } = await nodes[0].getStatus();

/** Keys as the package wants them: 1.2.8 takes bytes, 0.3.3 sends on what it gets, which has to be base64. */
const asKey = process.argv[2].startsWith("@0glabs/") ? (hex) => Buffer.from(ethers.getBytes(hex)).toString("base64") : ethers.getBytes;

function tell(lane, job, event) {
  const text = JSON.stringify({ lane, job, ...event }, (_, value) => (typeof value === "bigint" ? value.toString() : value));
  process.stdout.write(`${text}\n`);
}

/** What the SDKs return beside an error, or that error thrown. */
function unpacked([result, error]) {
  if (error !== null) throw error;
  return result;
}

/** What the uploaders need beside their defaults. */
function options(job) {
  const own = { ...job.options };
  if (own.encryption?.key) own.encryption = { ...own.encryption, key: ethers.getBytes(own.encryption.key) };
  return { tags: "0x", finalityRequired: true, taskSize: 10, expectedReplica: 1, skipTx: false, fee: 0n, ...own };
}

/** Write what the job says with the SDK's batcher, which has no methods for reads and rights but their lists. */
async function batch(job, signer) {
  const batcher = new sdk.Batcher(job.version ?? ANY_VERSION, nodes, sdk.getFlowContract(networkIdentity.flowAddress, signer), work.chain);
  const builder = batcher.streamDataBuilder;
  for (const [stream, key, value] of job.sets ?? []) builder.set(stream, ethers.getBytes(key), ethers.getBytes(value));
  for (const [stream, key, size] of job.zeros ?? []) builder.set(stream, ethers.getBytes(key), new Uint8Array(size).fill(7));
  for (const [stream, key] of job.reads ?? []) {
    if (!builder.reads.has(stream)) builder.reads.set(stream, new Map());
    builder.reads.get(stream).set(key.slice(2), true);
  }
  for (const { type, stream, key, account } of job.controls ?? []) {
    builder.addStreamId(stream);
    builder.controls.push({ Type: type, StreamId: stream, Account: account, Key: key && ethers.getBytes(key) });
  }
  return unpacked(await batcher.exec(options(job)));
}

/** Store any bytes with any tags. */
async function raw(job, signer) {
  const uploader = new sdk.Uploader(nodes, work.chain, sdk.getFlowContract(networkIdentity.flowAddress, signer));
  const file = new sdk.MemData(ethers.getBytes(job.data));
  return unpacked(await uploader.uploadFile(file, { ...options(job), tags: ethers.getBytes(job.tags) }));
}

/** What became of a submission, once that is known. */
async function result(txSeq) {
  const deadline = Date.now() + RESULT_MS_MAX;
  for (;;) {
    const found = await kv.getTransactionResult(txSeq);
    if (found !== null) return found;
    if (Date.now() > deadline) throw new Error(`no result of ${txSeq}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Number of the submission; 0.3.3 does not tell it, the receipt does. */
async function numberOf(written, provider) {
  if (written.txSeq !== undefined) return written.txSeq;
  const receipt = await provider.getTransactionReceipt(written.txHash);
  const flow = sdk.getFlowContract(networkIdentity.flowAddress, provider);
  const [event] = receipt.logs.map((log) => flow.interface.parseLog(log)).filter((parsed) => parsed?.name === "Submit");
  return Number(event.args.submissionIndex);
}

async function write(job, signer, provider) {
  const written = await (job.data === undefined ? batch : raw)(job, signer);
  const txSeq = await numberOf(written, provider);
  const found = { ...written, txSeq, result: await result(txSeq) };
  return { ...found, then: await Promise.all((job.then ?? []).map(call)) };
}

function argument(value) {
  return value?.bytes === undefined ? value : asKey(value.bytes);
}

async function call({ method, params }) {
  return kv[method](...params.map(argument));
}

/** A value as the SDK assembles it; a large one is told by its hash. */
async function value({ stream, key, version }) {
  const found = await kv.getValue(stream, asKey(key), version);
  const data = Buffer.from(found.data, "base64");
  return { ...found, data: data.length > 1000 ? ethers.keccak256(data) : ethers.hexlify(data), length: data.length };
}

/** Walk from `seek` on in steps of `step`, by the SDK's iterator. */
async function iterate({ stream, seek, key, step, version }) {
  const iterator = kv.newIterator(stream, version);
  const pairs = [];
  let error = await (key === undefined ? iterator[seek]() : iterator[seek](asKey(key)));
  while (error === null && iterator.valid()) {
    const pair = iterator.getCurrentPair();
    const bytes = typeof pair.key === "string" ? Buffer.from(pair.key, "base64") : pair.key; // 0.3.3 leaves the key as it came.
    pairs.push([ethers.hexlify(bytes), ethers.hexlify(Buffer.from(pair.data, "base64")), pair.version]);
    error = await iterator[step]();
  }
  if (error !== null) throw error;
  return pairs;
}

const KINDS = { write, value, call, iterate };

async function done(job, signer, provider) {
  if (Array.isArray(job)) return Promise.all(job.map((one) => done(one, signer, provider)));
  return KINDS[job.kind](job, signer, provider);
}

async function run(jobs, lane) {
  const provider = new ethers.JsonRpcProvider(work.chain, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const wallet = ethers.HDNodeWallet.fromPhrase(MNEMONIC, undefined, `m/44'/60'/0'/0/${lane}`).connect(provider);
  const signer = new ethers.NonceManager(wallet);
  for (const [index, job] of jobs.entries()) {
    try {
      tell(lane, index, { found: (await done(job, signer, provider)) ?? null });
    } catch (error) {
      tell(lane, index, { failure: error.stack ?? String(error) });
    }
  }
  provider.destroy();
}

await Promise.all(work.lanes.map(run));
