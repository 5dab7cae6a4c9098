// What the scenarios of all JavaScript clients share: keys, artefacts, deadlines and the report they print.

import { AssertionError } from "node:assert";
import { readFileSync } from "node:fs";

export const MNEMONIC = "test test test test test test test test test test test junk";
export const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";
export const DEADLINE_MS = 20_000;

/** What the compiler made of one contract, such as "testing/Counter". */
export function artefact(name) {
  return JSON.parse(readFileSync(new URL(`../../contracts/${name}.json`, import.meta.url), "utf8"));
}

/** Typed data that every client signs with the same account; the signatures must be equal to the byte. */
export const MAIL = {
  domain: { name: "Mail", version: "1", chainId: 31337, verifyingContract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC" },
  types: {
    Person: [
      { name: "name", type: "string" },
      { name: "wallets", type: "address[]" },
    ],
    Mail: [
      { name: "from", type: "Person" },
      { name: "to", type: "Person[]" },
      { name: "contents", type: "string" },
      { name: "stamp", type: "uint96" },
    ],
  },
  message: {
    from: { name: "Cow", wallets: ["0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"] },
    to: [{ name: "Bob", wallets: ["0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB", "0xB0BdaBea57B0BDABeA57b0bdABEA57b0BDabEa57"] }],
    contents: "Hello, Bob!",
    stamp: "79228162514264337593543950335",
  },
};

/** Wait for `promise`, but not for ever. */
export async function within(promise, what, deadlineMs = DEADLINE_MS) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** A list that callbacks fill, and a way to wait until it holds `count` items. */
export class Inbox {
  items = [];
  #waiting = [];

  push = (item) => {
    this.items.push(item);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => this.items.length < count || resolve(this.items));
  };

  async take(count, what) {
    if (this.items.length >= count) return this.items;
    return within(new Promise((resolve) => this.#waiting.push({ count, resolve })), what);
  }
}

/** What `promise` is rejected with; an error of ours when it is not. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new AssertionError({ message: "a call that must fail went through" });
}

/** Run the chapters named on the command line, or all, and print one JSON line: what each found, or how it failed. */
export async function runChapters(client, chapters, open) {
  const [url, ...names] = process.argv.slice(2);
  const context = await open(url);
  const report = { client, chapters: {} };
  try {
    for (const name of names.length > 0 ? names : Object.keys(chapters)) {
      process.stderr.write(`${name}\n`);
      try {
        report.chapters[name] = { found: await within(chapters[name](context), name, 3 * DEADLINE_MS) };
      } catch (error) {
        report.chapters[name] = { failure: error.stack ?? String(error) };
      }
    }
  } finally {
    await context.close();
  }
  process.stdout.write(`${JSON.stringify(report, (_, value) => (typeof value === "bigint" ? value.toString() : value))}\n`);
}
