// Forks the node into Hardhat's own network at the newest block, changes a coin there, and prints what it found before and after.

const { ethers, network } = require("hardhat");

async function main() {
  const node = new ethers.JsonRpcProvider(process.env.ZEROG_CHAIN_HTTP);
  const forking = { jsonRpcUrl: process.env.ZEROG_CHAIN_HTTP, blockNumber: await node.getBlockNumber() };
  await network.provider.send("hardhat_reset", [{ forking }]);
  await network.provider.send("hardhat_mine"); // Hardhat does not execute calls on a foreign chain's block, but on one of its own above it.
  const [owner, receiver] = await ethers.getSigners();
  const coin = await ethers.getContractAt("Coin", process.env.COIN);
  const before = await coin.balanceOf(owner);
  await (await coin.transfer(receiver, 7n)).wait();
  const logs = await coin.queryFilter("Transfer", 0);
  const found = {
    block: (await ethers.provider.getBlock(forking.blockNumber)).hash === (await node.getBlock(forking.blockNumber)).hash,
    before: before.toString(),
    moved: (before - (await coin.balanceOf(owner))).toString(),
    transfers: logs.length,
    deployment: (await logs[0].getTransactionReceipt()).status,
    untouched: (await coin.connect(node).balanceOf(owner)).toString(),
  };
  node.destroy();
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
