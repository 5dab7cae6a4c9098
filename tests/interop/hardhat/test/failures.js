// How calls, estimates and transactions fail, and what hardhat-chai-matchers and the signers make of it.

const { expect } = require("chai");
const { ethers, network } = require("hardhat");
const { anyUint } = require("@nomicfoundation/hardhat-chai-matchers/withArgs");
const { PANIC_CODES } = require("@nomicfoundation/hardhat-chai-matchers/panic");
const { loadFixture } = require("@nomicfoundation/hardhat-network-helpers");

const PANICS = [0x01, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x41, 0x51];

describe("failures", function () {
  async function deployProbe() {
    const [sender, receiver] = await ethers.getSigners();
    return { probe: await ethers.deployContract("Probe"), sender, receiver };
  }

  /** The same failure as a call, as an estimate, and as a transaction, which fails at its estimate. */
  const thrice = (method, ...values) => [
    () => method.staticCall(...values),
    () => method.estimateGas(...values),
    () => method.send(...values),
  ];

  it("custom errors, with and without arguments", async function () {
    const { probe } = await loadFixture(deployProbe);
    for (const fail of thrice(probe.write, 1001)) {
      await expect(fail()).to.be.revertedWithCustomError(probe, "TooLarge").withArgs(anyUint, 1000n);
    }
    for (const fail of thrice(probe.refuse)) await expect(fail()).to.be.revertedWithCustomError(probe, "Refused");
  });

  it("reasons, and none", async function () {
    const { probe } = await loadFixture(deployProbe);
    for (const fail of thrice(probe.reason)) await expect(fail()).to.be.revertedWith("Probe: a reason");
    for (const fail of thrice(probe.silent)) await expect(fail()).to.be.revertedWithoutReason();
    await expect(probe.reason.send({ gasLimit: 200_000n })).to.be.reverted;
  });

  it("every panic", async function () {
    const { probe } = await loadFixture(deployProbe);
    expect(PANICS.map((code) => BigInt(code))).to.have.members(Object.values(PANIC_CODES).map((code) => BigInt(code)));
    for (const code of PANICS) {
      for (const fail of thrice(probe.panic, code)) await expect(fail()).to.be.revertedWithPanic(code);
    }
  });

  it("what goes through is not reverted", async function () {
    const { probe } = await loadFixture(deployProbe);
    await expect(probe.write(5)).not.to.be.reverted;
    await expect(probe.write(5)).not.to.be.revertedWithCustomError(probe, "TooLarge");
    await expect(probe.write(6)).not.to.emit(await ethers.deployContract("Coin", [1n]), "Transfer");
  });

  it("a transaction that reverts has a receipt that says so", async function () {
    const { probe } = await loadFixture(deployProbe);
    const sent = await probe.write.send(1001, { gasLimit: 200_000n });
    const error = await sent.wait().catch((caught) => caught);
    expect([error.code, error.receipt.status]).to.deep.equal(["CALL_EXCEPTION", 0]);
    expect(error.receipt.gasUsed).to.be.lessThan(200_000n);
  });

  it("changes of balance, with fees and without", async function () {
    const { probe, sender, receiver } = await loadFixture(deployProbe);
    await expect(probe.pay(receiver, { value: 9n })).to.changeEtherBalances([sender, receiver, probe], [-9n, 9n, 0n]);
    await expect(sender.sendTransaction({ to: probe, value: 4n })).to.changeEtherBalance(probe, 4n);
    const before = await ethers.provider.getBalance(sender);
    const sent = await sender.sendTransaction({ to: receiver, value: 1n });
    const paid = before - (await ethers.provider.getBalance(sender));
    expect(paid).to.equal(1n + (await sent.wait()).fee);
    await expect(sent).to.changeEtherBalance(sender, -paid, { includeFee: true });
  });

  it("transactions that cannot be taken", async function () {
    const { sender, receiver } = await loadFixture(deployProbe);
    const nonce = await sender.getNonce();
    await expect(sender.sendTransaction({ to: receiver, nonce: nonce - 1 })).to.be.rejectedWith("nonce too low");
    const balance = await ethers.provider.getBalance(sender);
    await expect(sender.sendTransaction({ to: receiver, value: balance })).to.be.rejectedWith("insufficient funds");
    await expect(sender.sendTransaction({ to: receiver, gasLimit: 20_999n })).to.be.rejectedWith("intrinsic gas too low");
    await expect(network.provider.send("eth_nothing")).to.be.rejectedWith("does not exist");
  });
});
