// Deploys a coin and prints where, as a script of `hardhat run`.

const { ethers, network } = require("hardhat");

async function main() {
  const [deployer] = await ethers.getSigners();
  const coin = await ethers.deployContract("Coin", [ethers.parseEther("1000")]);
  await coin.waitForDeployment();
  const balance = await coin.balanceOf(deployer);
  process.stdout.write(`${JSON.stringify({ network: network.name, address: coin.target, balance: balance.toString() })}\n`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
