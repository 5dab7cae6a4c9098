// What the official TypeScript SDK does in the benchmarks: `node sdk.mjs PROJECT TASK '{"…": …}'`; the last line printed is what was found.
// PROJECT is the folder in which it is installed.

import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [project, task, options] = process.argv.slice(2);
const require = createRequire(join(project, "package.json"));
const { Indexer, MemData, ZgFile } = require("@0gfoundation/0g-ts-sdk");
const ethers = require("ethers");

/** Bytes i mod 251, with `salt` in the first eight so that each run has a file of its own. */
function pattern(size, salt) {
  const data = Buffer.alloc(size, Uint8Array.from({ length: 251 }, (_, index) => index));
  if (size >= 8) data.writeBigUInt64BE(BigInt(salt), 0);
  return data;
}

function check([result, error]) {
  if (error !== null) throw error;
  return result;
}

const tasks = {
  async root({ size, salt }) {
    const file = new MemData(pattern(size, salt));
    const started = performance.now();
    const [tree, error] = await file.merkleTree();
    if (error !== null) throw error;
    return { seconds: (performance.now() - started) / 1e3, root: tree.rootHash() };
  },

  async upload({ size, salt, count = 1, indexer, chain, key }) {
    const signer = new ethers.Wallet(key, new ethers.JsonRpcProvider(chain));
    const client = new Indexer(indexer);
    const roots = [];
    const folder = mkdtempSync(join(tmpdir(), "benchmark-sdk-")); // From memory the SDK takes four times as long.
    const paths = Array.from({ length: count }, (_, index) => join(folder, String(index)));
    paths.forEach((path, index) => writeFileSync(path, pattern(size, salt + index)));
    const started = performance.now();
    for (const path of paths) {
      const file = await ZgFile.fromFilePath(path);
      roots.push(check(await client.upload(file, chain, signer)).rootHash);
      await file.close();
    }
    const seconds = (performance.now() - started) / 1e3;
    rmSync(folder, { recursive: true });
    return { seconds, roots };
  },

  async download({ root, indexer, path }) {
    const started = performance.now();
    const error = await new Indexer(indexer).download(root, path, true);
    if (error !== null) throw error;
    return { seconds: (performance.now() - started) / 1e3 };
  },
};

console.log = () => undefined; // The SDK is talkative.
const found = await tasks[task](JSON.parse(options));
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0); // Providers keep the process alive.
