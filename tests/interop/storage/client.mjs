// An official storage SDK at work: `node client.mjs PACKAGE < work.json`, where PACKAGE is the name of the SDK to import.
//
// `work.json` is {indexer, chain, lanes}: lanes run beside each other, the jobs of a lane one after another, each lane with an account of its
// own, since an account's transactions must not overtake each other. A job is {kind, …}, with another indexer if it names one; what happens is
// told as JSON lines:
// {lane, job, progress} while it works, and {lane, job, found} or {lane, job, failure} when it ends. A failed job does not end its lane.

import { Console } from "node:console";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";

import * as ethers from "ethers";

// The SDKs write all they do to the console; standard output is for the report.
globalThis.console = new Console(process.stderr);

const MNEMONIC = "test test test test test test test test test test test junk";

const sdk = await import(process.argv[2]);
const work = JSON.parse(readFileSync(0, "utf8"));

/** The SDK's entry to storage, for one job. */
function indexer(job) {
  return new sdk.Indexer(job.indexer ?? work.indexer);
}

function tell(lane, job, event) {
  const text = JSON.stringify({ lane, job, ...event }, (_, value) => (typeof value === "bigint" ? value.toString() : value));
  process.stdout.write(`${text}\n`);
}

/** What the SDKs return beside an error, or that error thrown. */
function unpacked([result, error]) {
  if (error !== null) throw error;
  return result;
}

function encryption({ type, key }) {
  return type === "aes256" ? { type, key: ethers.getBytes(key) } : { type, recipientPubKey: key };
}

/** The job's options as the SDK takes them; none when it names none, so that the SDK's own defaults hold. */
function options(job, onProgress) {
  if (job.options === undefined) return undefined;
  const { fee, ...others } = job.options;
  return {
    ...others,
    ...(fee && { fee: BigInt(fee) }),
    ...(others.encryption && { encryption: encryption(others.encryption) }),
    onProgress,
  };
}

async function withFile(path, use) {
  const file = await sdk.ZgFile.fromFilePath(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Upload through the indexer, or straight to the nodes that the job names. */
async function upload(job, signer, onProgress) {
  return withFile(job.path, async (file) => {
    if (job.nodes === undefined) {
      return unpacked(await indexer(job).upload(file, work.chain, signer, options(job, onProgress), job.retries, job.gas));
    }
    const nodes = job.nodes.map((url) => new sdk.StorageNode(url));
    const { networkIdentity } = await nodes[0].getStatus();
    const uploader = new sdk.Uploader(nodes, work.chain, sdk.getFlowContract(networkIdentity.flowAddress, signer));
    return unpacked(await uploader.uploadFile(file, options(job, onProgress), job.retries));
  });
}

/** Announce a file on chain and upload nothing. */
async function submit(job, signer) {
  return withFile(job.path, async (file) => {
    const submission = unpacked(await file.createSubmission("0x", signer.address));
    const flow = sdk.getFlowContract(job.flow, signer);
    const market = sdk.getMarketContract(await flow.market(), signer.provider);
    const value = sdk.calculatePrice(submission, await market.pricePerSector());
    const receipt = await (await flow.submit(submission, { value })).wait();
    const [event] = receipt.logs.map((log) => flow.interface.parseLog(log)).filter((parsed) => parsed?.name === "Submit");
    return { txHash: receipt.hash, txSeq: Number(event.args.submissionIndex) };
  });
}

async function download(job) {
  const error = await indexer(job).download(job.root, job.path, true);
  if (error !== null) throw error;
}

async function downloadToBlob(job) {
  const blob = unpacked(await indexer(job).downloadToBlob(job.root, { decryption: job.decryption }));
  await writeFile(job.path, Buffer.from(await blob.arrayBuffer()));
}

async function peekHeader(job) {
  const header = unpacked(await indexer(job).peekHeader(job.root));
  return header && { version: header.version, ephemeralPub: ethers.hexlify(header.ephemeralPub) };
}

const KINDS = { upload, submit, download, downloadToBlob, peekHeader };

async function run(jobs, lane) {
  const provider = new ethers.JsonRpcProvider(work.chain, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const signer = ethers.HDNodeWallet.fromPhrase(MNEMONIC, undefined, `m/44'/60'/0'/0/${lane}`).connect(provider);
  for (const [index, job] of jobs.entries()) {
    try {
      const found = await KINDS[job.kind](job, signer, (progress) => tell(lane, index, { progress }));
      tell(lane, index, { found: found ?? null });
    } catch (error) {
      tell(lane, index, { failure: error.stack ?? String(error) });
    }
  }
  provider.destroy();
}

await Promise.all(work.lanes.map(run));
