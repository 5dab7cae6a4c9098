#!/usr/bin/env node
// The npm package solc behind the command line of the native compiler, as far as forge uses it: --version and --standard-json.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");

if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  process.stderr.write("this compiler takes --version and --standard-json\n");
  process.exitCode = 1;
}
