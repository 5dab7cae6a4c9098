// Compiles every Solidity source here to artefacts beside it and copies those that the Python package ships.
//
//   node build.mjs                  write the artefacts into the tree
//   node build.mjs --output FOLDER  write the same files below FOLDER instead, to compare them with the tree

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const solc = createRequire(import.meta.url)("solc");

const CONTRACTS = dirname(fileURLToPath(import.meta.url));
const SUBSYSTEMS_NOT_SHIPPED = new Set(["testing"]);
const SETTINGS = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 10000 },
  metadata: { bytecodeHash: "ipfs", appendCBOR: true, useLiteralContent: false },
};
/** Sources whose code would not fit a chain (24,576 bytes) if it were optimised as often. */
const RUNS = { "compute/FineTuningServing.sol": 200 };
// "Transient storage can break composability": ours are locks, which the call that takes them clears.
const ACCEPTED_WARNINGS = new Set(["2394"]);
const OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];

/** Paths of all sources relative to this folder, in a fixed order, such as "chain/W0G.sol". */
function sourceNames() {
  return readdirSync(CONTRACTS, { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".sol") && !path.startsWith("node_modules/"))
    .sort();
}

/** Text of an imported source: one of ours, or one of an npm package. */
function readImport(name) {
  for (const root of [CONTRACTS, join(CONTRACTS, "node_modules")]) {
    try {
      return { contents: readFileSync(join(root, name), "utf8") };
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }
  return { error: `${name} is neither here nor in an installed package` };
}

function settingsOf(sourceName) {
  const runs = RUNS[sourceName] ?? SETTINGS.optimizer.runs;
  return { ...SETTINGS, optimizer: { ...SETTINGS.optimizer, runs } };
}

/** The contracts that one source defines, by name. Each source is compiled alone, so that no other one changes its code. */
function compile(sourceName) {
  const input = {
    language: "Solidity",
    sources: { [sourceName]: { content: readFileSync(join(CONTRACTS, sourceName), "utf8") } },
    settings: { ...settingsOf(sourceName), outputSelection: { [sourceName]: { "*": OUTPUTS } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const complaints = (output.errors ?? [])
    .filter((error) => !ACCEPTED_WARNINGS.has(error.errorCode))
    .map((error) => error.formattedMessage);
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
  return output.contracts[sourceName];
}

/** The artefact of one contract as text, always with the same keys in the same order. */
function artefactText(sourceName, contractName, contract) {
  const artefact = {
    contractName,
    sourceName,
    compiler: solc.version(),
    settings: settingsOf(sourceName),
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
  };
  return `${JSON.stringify(artefact, null, 2)}\n`;
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const { values: options } = parseArgs({ options: { output: { type: "string" } } });
const root = options.output ?? dirname(CONTRACTS);
const artefactPaths = new Set();

for (const sourceName of sourceNames()) {
  for (const [contractName, contract] of Object.entries(compile(sourceName))) {
    const subsystem = dirname(sourceName);
    const artefactPath = join(subsystem, `${contractName}.json`);
    if (artefactPaths.has(artefactPath)) throw new Error(`two sources of ${subsystem} define ${contractName}`);
    artefactPaths.add(artefactPath);
    const text = artefactText(sourceName, contractName, contract);
    write(join(root, "contracts", artefactPath), text);
    if (!SUBSYSTEMS_NOT_SHIPPED.has(subsystem)) write(join(root, "zerog/contracts/artefacts", artefactPath), text);
  }
}
process.stdout.write(`${artefactPaths.size} artefacts by solc ${solc.version()}\n`);
