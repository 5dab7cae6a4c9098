// A dApp: upload a file with the SDK's browser bundle, fetch it again, compare.

import * as ethers from "/ethers.js";
import * as sdk from "/zgstorage.js";

/** `size` bytes that no other run has uploaded. */
function someBytes(size) {
  const bytes = new Uint8Array(size);
  for (let offset = 0; offset < size; offset += 65_536) crypto.getRandomValues(bytes.subarray(offset, offset + 65_536));
  return bytes;
}

function unpacked([result, error]) {
  if (error !== null) throw error;
  return result;
}

export async function run({ indexer: url, chain, key, size }) {
  const indexer = new sdk.Indexer(url);
  const signer = new ethers.Wallet(key, new ethers.JsonRpcProvider(chain));
  const bytes = someBytes(size);
  const progress = [];
  const options = { onProgress: (message) => progress.push(message) };
  const uploaded = unpacked(await indexer.upload(new sdk.Blob(new Blob([bytes])), chain, signer, options));
  const blob = unpacked(await indexer.downloadToBlob(uploaded.rootHash));
  const fetched = new Uint8Array(await blob.arrayBuffer());
  return {
    origin: location.origin,
    ...uploaded,
    size: fetched.length,
    equal: fetched.length === bytes.length && fetched.every((byte, index) => byte === bytes[index]),
    progress,
  };
}
