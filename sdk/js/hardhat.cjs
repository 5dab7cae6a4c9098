// Plugin of Hardhat 2: `hardhat test --network zerog` starts a local 0G network for its tests, and stops it after them.
const { extendConfig, task } = require("hardhat/config");

extendConfig((config) => {
  config.networks.zerog ??= { ...config.networks.localhost, chainId: 31337 };
});

task("test", async (args, hre, runSuper) => {
  if (hre.network.name !== "zerog" || hre.userConfig.networks?.zerog) return runSuper(args);
  const { startNetwork } = await import("./index.mjs");
  const network = await startNetwork(hre.userConfig.zerog ?? { only: ["chain"] });
  hre.network.config.url = network.endpoints.chain.http; // Nothing has asked for it before.
  try {
    return await runSuper(args);
  } finally {
    await network.stop();
  }
});

/** In a `describe` or at the top of a file: the chain is rolled back after each test. */
exports.rollBackEachTest = () => {
  const { network } = require("hardhat");
  let id;
  beforeEach(async () => (id = await network.provider.send("evm_snapshot")));
  afterEach(async () => {
    if (!(await network.provider.send("evm_revert", [id]))) throw new Error(`snapshot ${id} is gone: the chain was reverted to an earlier one`);
    if (network.name === "zerog") await network.provider.send("zerog_waitForRoles");
  });
};
