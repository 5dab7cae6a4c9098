// What ethers makes of revert data: {"abi", "data"} on standard input, what it found on standard output.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Interface } = createRequire(new URL("../../interop/package.json", import.meta.url))("ethers");

const { abi, data } = JSON.parse(readFileSync(0, "utf8"));
const contract = new Interface(abi);
const parsed = contract.parseError(data);
const thrown = contract.makeError(data, { to: `0x${"11".repeat(20)}`, data: "0x12345678" });
const found = { parsed: [parsed.name, parsed.signature, parsed.args.length], revert: thrown.revert, reason: thrown.reason };
process.stdout.write(JSON.stringify(found));
