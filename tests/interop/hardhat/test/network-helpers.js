// Every function that hardhat-network-helpers exports, with the effect that its documentation promises.

const { expect } = require("chai");
const { ethers, network } = require("hardhat");
const allHelpers = require("@nomicfoundation/hardhat-network-helpers");
const { functionNames, recorded } = require("../support/recorder");

const SOMEONE = "0x00000000000000000000000000000000DeaDBeef";
const done = new Set();
const helpers = recorded(allHelpers, done);
const { time } = helpers;

/** The newest block. */
const latest = () => ethers.provider.getBlock("latest");

describe("hardhat-network-helpers", function () {
  async function deployProbe() {
    return ethers.deployContract("Probe");
  }

  describe("blocks", function () {
    it("mine makes one block, not earlier than the one before", async function () {
      const before = await latest();
      await helpers.mine();
      const after = await latest();
      expect(after.number).to.equal(before.number + 1);
      expect(after.parentHash).to.equal(before.hash);
      expect(after.timestamp).to.be.at.least(before.timestamp);
    });

    it("mine makes many blocks, each so many seconds after the one before", async function () {
      const before = await latest();
      await helpers.mine(50, { interval: 30 });
      const blocks = await Promise.all([...Array(50).keys()].map((index) => ethers.provider.getBlock(before.number + 1 + index)));
      for (const [index, block] of blocks.slice(1).entries()) {
        expect(block.timestamp).to.equal(blocks[index].timestamp + 30);
        expect(block.parentHash).to.equal(blocks[index].hash);
      }
      expect((await latest()).hash).to.equal(blocks[49].hash);
    });

    it("mineUpTo goes on to a block and no further", async function () {
      const { number } = await latest();
      await helpers.mineUpTo(number + 7);
      expect((await latest()).number).to.equal(number + 7);
      await expect(helpers.mineUpTo(number + 7)).to.be.rejectedWith("is not larger than current");
    });

    it("setBlockGasLimit holds for the blocks to come", async function () {
      const { gasLimit } = await latest();
      await helpers.setBlockGasLimit(40_000_000);
      await helpers.mine(2);
      expect((await latest()).gasLimit).to.equal(40_000_000n);
      await helpers.setBlockGasLimit(gasLimit);
      await helpers.mine();
      expect((await latest()).gasLimit).to.equal(gasLimit);
    });

    it("setCoinbase names who gets the tips", async function () {
      const { miner } = await latest();
      const [sender, receiver] = await ethers.getSigners();
      await helpers.setCoinbase(SOMEONE);
      const before = await ethers.provider.getBalance(SOMEONE);
      const sent = await sender.sendTransaction({ to: receiver.address, value: 1n, maxPriorityFeePerGas: 7n });
      expect((await latest()).miner).to.equal(SOMEONE);
      expect(await ethers.provider.getBalance(SOMEONE)).to.equal(before + 7n * (await sent.wait()).gasUsed);
      await helpers.setCoinbase(miner);
    });

    it("setNextBlockBaseFeePerGas holds for one block", async function () {
      await helpers.setNextBlockBaseFeePerGas(123_456_789_012n);
      await helpers.mine();
      expect((await latest()).baseFeePerGas).to.equal(123_456_789_012n);
      await helpers.mine();
      expect((await latest()).baseFeePerGas).to.be.lessThan(123_456_789_012n);
    });

    it("setPrevRandao is what the next block and its contracts see", async function () {
      const probe = await helpers.loadFixture(deployProbe);
      await helpers.setPrevRandao(4711);
      await helpers.mine();
      const block = await network.provider.send("eth_getBlockByNumber", ["latest", false]);
      expect(BigInt(block.mixHash)).to.equal(4711n);
      expect(await probe.randao()).to.equal(4711n);
    });
  });

  describe("accounts", function () {
    it("setBalance", async function () {
      await helpers.setBalance(SOMEONE, ethers.parseEther("3.5"));
      expect(await ethers.provider.getBalance(SOMEONE)).to.equal(ethers.parseEther("3.5"));
      await helpers.setBalance(SOMEONE, 0);
      expect(await ethers.provider.getBalance(SOMEONE)).to.equal(0n);
    });

    it("setNonce", async function () {
      await helpers.setNonce(SOMEONE, 700);
      expect(await ethers.provider.getTransactionCount(SOMEONE)).to.equal(700);
      await expect(helpers.setNonce(SOMEONE, 699)).to.be.rejectedWith("must not be smaller than the existing nonce (700)");
    });

    it("setCode", async function () {
      const probe = await helpers.loadFixture(deployProbe);
      await helpers.setCode(SOMEONE, await ethers.provider.getCode(probe));
      const copy = await ethers.getContractAt("Probe", SOMEONE);
      expect(await copy.timestamp()).to.equal((await latest()).timestamp);
      await helpers.setCode(SOMEONE, "0x");
      expect(await ethers.provider.getCode(SOMEONE)).to.equal("0x");
    });

    it("setStorageAt and getStorageAt see the same words as the contract", async function () {
      const probe = await helpers.loadFixture(deployProbe);
      await helpers.setStorageAt(await probe.getAddress(), 0, 99);
      expect(await probe.written()).to.equal(99n);
      await probe.write(101);
      await probe.write(102);
      expect(BigInt(await helpers.getStorageAt(await probe.getAddress(), 0))).to.equal(102n);
      expect(BigInt(await helpers.getStorageAt(await probe.getAddress(), 0, (await latest()).number - 1))).to.equal(101n);
    });

    it("impersonateAccount and stopImpersonatingAccount", async function () {
      const probe = await helpers.loadFixture(deployProbe);
      const address = await probe.getAddress();
      await helpers.setBalance(address, ethers.parseEther("1"));
      await helpers.impersonateAccount(address);
      const contract = await ethers.getSigner(address);
      await expect(probe.connect(contract).write(5)).to.emit(probe, "Written").withArgs(address, 0, 5, "written");
      await helpers.stopImpersonatingAccount(address);
      await expect(contract.sendTransaction({ to: SOMEONE })).to.be.rejected;
    });
  });

  describe("transactions", function () {
    it("dropTransaction takes one out of the pool, once", async function () {
      const [sender] = await ethers.getSigners();
      const nonce = await sender.getNonce();
      await network.provider.send("evm_setAutomine", [false]);
      try {
        const sent = await sender.sendTransaction({ to: SOMEONE, value: 1n });
        expect(await sender.getNonce("pending")).to.equal(nonce + 1);
        expect(await helpers.dropTransaction(sent.hash)).to.equal(true);
        expect(await helpers.dropTransaction(sent.hash)).to.equal(false);
        expect(await ethers.provider.getTransaction(sent.hash)).to.equal(null);
        await helpers.mine();
        expect(await sender.getNonce("pending")).to.equal(nonce);
        const mined = await sender.sendTransaction({ to: SOMEONE, value: 1n });
        await helpers.mine();
        await expect(helpers.dropTransaction(mined.hash)).to.be.rejectedWith("because it's already mined");
      } finally {
        await network.provider.send("evm_setAutomine", [true]);
      }
    });
  });

  describe("time", function () {
    it("latest and latestBlock", async function () {
      const block = await latest();
      expect(await time.latest()).to.equal(block.timestamp);
      expect(await time.latestBlock()).to.equal(block.number);
    });

    it("increase makes a block exactly so much later", async function () {
      const before = await time.latest();
      expect(await time.increase(3600)).to.equal(before + 3600);
      const probe = await ethers.deployContract("Probe");
      expect(await probe.timestamp()).to.be.within(before + 3600, before + 3660);
    });

    it("increaseTo takes seconds and dates", async function () {
      const target = (await time.latest()) + 1000;
      await time.increaseTo(target);
      expect(await time.latest()).to.equal(target);
      await time.increaseTo(new Date((target + 500) * 1000));
      expect(await time.latest()).to.equal(target + 500);
    });

    it("setNextBlockTimestamp waits for the next block", async function () {
      const { number, timestamp } = await latest();
      await time.setNextBlockTimestamp(timestamp + 77);
      expect(await time.latestBlock()).to.equal(number);
      const probe = await ethers.deployContract("Probe");
      expect((await probe.deploymentTransaction().wait()).blockNumber).to.equal(number + 1);
      expect(await time.latest()).to.equal(timestamp + 77);
    });

    it("time does not go back", async function () {
      const now = await time.latest();
      await expect(time.increaseTo(now - 1)).to.be.rejected;
      await expect(time.setNextBlockTimestamp(now - 1)).to.be.rejected;
    });

    it("advanceBlock and advanceBlockTo, which are deprecated", async function () {
      const { number } = await latest();
      expect(await time.advanceBlock(3)).to.equal(number + 3);
      await time.advanceBlockTo(number + 5);
      expect(await time.latestBlock()).to.equal(number + 5);
    });

    it("duration", async function () {
      const { millis, seconds, minutes, hours, days, weeks, years } = time.duration;
      const spans = [millis(2000), seconds(2), minutes(2), hours(2), days(2), weeks(2), years(2)];
      expect(spans).to.deep.equal([2, 2, 120, 7200, 172_800, 1_209_600, 63_072_000]);
      const before = await time.latest();
      expect(await time.increase(weeks(2))).to.equal(before + 1_209_600);
    });
  });

  describe("snapshots", function () {
    it("takeSnapshot restores blocks, state and time, again and again", async function () {
      const probe = await helpers.loadFixture(deployProbe);
      await probe.write(1);
      const before = await latest();
      const snapshot = await helpers.takeSnapshot();
      for (const value of [2, 3]) {
        await probe.write(value);
        await time.increase(10_000);
        expect(await probe.written()).to.equal(BigInt(value));
        await snapshot.restore();
        expect((await latest()).hash).to.equal(before.hash);
        expect(await probe.written()).to.equal(1n);
      }
    });

    it("a restored snapshot takes the later ones with it", async function () {
      const first = await helpers.takeSnapshot();
      await helpers.mine();
      const second = await helpers.takeSnapshot();
      await first.restore();
      await expect(second.restore()).to.be.rejectedWith("Trying to restore an invalid snapshot");
    });

    it("loadFixture runs a fixture once", async function () {
      let runs = 0;
      async function fixture() {
        runs += 1;
        const probe = await deployProbe();
        await probe.write(7);
        return probe;
      }
      for (const value of [8, 9]) {
        const probe = await helpers.loadFixture(fixture);
        expect(await probe.written()).to.equal(7n);
        await probe.write(value);
      }
      expect(runs).to.equal(1);
      await helpers.clearSnapshots();
      await helpers.loadFixture(fixture);
      expect(runs).to.equal(2);
    });
  });

  describe("reset", function () {
    it("goes back to the first block", async function () {
      const genesis = await ethers.provider.getBlock(0);
      const probe = await ethers.deployContract("Probe");
      await helpers.reset();
      expect((await latest()).hash).to.equal(genesis.hash);
      expect(await ethers.provider.getCode(probe)).to.equal("0x");
      await ethers.deployContract("Probe");
      expect(await time.latestBlock()).to.equal(1);
    });
  });

  describe("completeness", function () {
    it("no exported function was forgotten", function () {
      expect(functionNames(allHelpers).filter((name) => !done.has(name))).to.deep.equal([]);
    });
  });
});
