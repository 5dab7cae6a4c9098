// A Hardhat project on a local 0G network. Solidity is compiled by the npm package solc, so that nothing is downloaded.
require("@nomicfoundation/hardhat-ethers");
require("@nomicfoundation/hardhat-chai-matchers");
require("@nomicfoundation/hardhat-ignition-ethers");
require("@openzeppelin/hardhat-upgrades");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const { version } = require("solc/package.json");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version,
  longVersion: require("solc").version(),
}));

const url = process.env.ZEROG_CHAIN_HTTP ?? "http://127.0.0.1:8545";
const mnemonic = "test test test test test test test test test test test junk";

module.exports = {
  solidity: { version, settings: { evmVersion: "cancun", optimizer: { enabled: true, runs: 200 } } },
  defaultNetwork: "zerog",
  networks: {
    zerog: { url, chainId: 31337 }, // The node signs for its test accounts,
    zerogKeys: { url, chainId: 31337, accounts: { mnemonic } }, // or Hardhat does, as on a public network.
  },
};
