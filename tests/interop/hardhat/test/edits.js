// Edits of state as hardhat-chai-matchers sees them: it compares balances at the block before with those at the block.

const { expect } = require("chai");
const { ethers } = require("hardhat");
const { impersonateAccount, mine, setBalance, setStorageAt } = require("@nomicfoundation/hardhat-network-helpers");

describe("edits of state", function () {
  it("belong to the block on which they were made, also when it is no more the newest", async function () {
    const someone = ethers.Wallet.createRandom().address;
    const probe = await ethers.deployContract("Probe");
    const block = await ethers.provider.getBlockNumber();
    await setBalance(someone, 5n);
    await setStorageAt(await probe.getAddress(), 0, 99);
    for (const _ of [1, 2]) {
      expect(await ethers.provider.getBalance(someone, block)).to.equal(5n);
      expect(await probe.written({ blockTag: block })).to.equal(99n);
      await mine();
    }
  });

  it("count neither as sent nor as received", async function () {
    const sender = ethers.Wallet.createRandom().address;
    const [receiver] = await ethers.getSigners();
    await impersonateAccount(sender);
    for (const balance of [1n, 3n]) {
      await setBalance(sender, ethers.parseEther(balance.toString()));
      const send = async () => (await ethers.getSigner(sender)).sendTransaction({ to: receiver.address, value: 7n });
      await expect(send).to.changeEtherBalances([sender, receiver], [-7n, 7n]);
    }
  });
});
