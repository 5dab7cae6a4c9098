// What a bundler puts in the place of Node's `crypto`: the one function that the SDK takes of it in a page.

import { sha256, toUtf8Bytes } from "ethers";

export function createHash(name) {
  if (name !== "sha256") throw new Error(`a page has no ${name}`);
  const parts = [];
  const hash = {
    update(text) {
      parts.push(text);
      return hash;
    },
    digest: () => sha256(toUtf8Bytes(parts.join(""))).slice(2),
  };
  return hash;
}
