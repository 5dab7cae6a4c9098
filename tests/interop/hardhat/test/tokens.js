// Tokens by OpenZeppelin: ERC-20 with permits and ERC-721, with fixtures, events, custom errors and changes of balances.

const { expect } = require("chai");
const { ethers } = require("hardhat");
const { anyValue } = require("@nomicfoundation/hardhat-chai-matchers/withArgs");
const { loadFixture, time } = require("@nomicfoundation/hardhat-network-helpers");

const SUPPLY = ethers.parseEther("1000");

describe("ERC-20", function () {
  async function deployCoin() {
    const [owner, alice, bob] = await ethers.getSigners();
    return { coin: await ethers.deployContract("Coin", [SUPPLY]), owner, alice, bob };
  }

  it("gives the whole supply to who deploys it", async function () {
    const { coin, owner } = await loadFixture(deployCoin);
    expect(await coin.totalSupply()).to.equal(SUPPLY);
    expect(await coin.balanceOf(owner)).to.equal(SUPPLY);
    await expect(coin.deploymentTransaction()).to.emit(coin, "Transfer").withArgs(ethers.ZeroAddress, owner.address, SUPPLY);
  });

  it("moves between accounts", async function () {
    const { coin, owner, alice, bob } = await loadFixture(deployCoin);
    await expect(coin.transfer(alice, 50n)).to.changeTokenBalances(coin, [owner, alice, bob], [-50n, 50n, 0n]);
    await expect(() => coin.connect(alice).transfer(bob, 20n)).to.changeTokenBalance(coin, bob, 20n);
    await expect(coin.transfer(bob, 3n)).to.emit(coin, "Transfer").withArgs(owner.address, bob.address, anyValue);
  });

  it("refuses what is not there, with the numbers", async function () {
    const { coin, owner, alice } = await loadFixture(deployCoin);
    await expect(coin.connect(alice).transfer(owner, 1n))
      .to.be.revertedWithCustomError(coin, "ERC20InsufficientBalance")
      .withArgs(alice.address, 0n, 1n);
    await expect(coin.connect(alice).mint(alice, 1n))
      .to.be.revertedWithCustomError(coin, "OwnableUnauthorizedAccount")
      .withArgs(alice.address);
    await expect(coin.transfer.staticCall(ethers.ZeroAddress, 1n)).to.be.revertedWithCustomError(coin, "ERC20InvalidReceiver");
    await expect(coin.transfer.estimateGas(ethers.ZeroAddress, 1n)).to.be.revertedWithCustomError(coin, "ERC20InvalidReceiver");
  });

  it("does not keep what a fixture takes back", async function () {
    const { coin, alice } = await loadFixture(deployCoin);
    expect(await coin.balanceOf(alice)).to.equal(0n);
    expect(await ethers.provider.getLogs({ address: await coin.getAddress(), fromBlock: 0 })).to.have.lengthOf(2);
  });

  it("takes an allowance by signature, until its deadline", async function () {
    const { coin, alice, bob } = await loadFixture(deployCoin);
    const { chainId } = await ethers.provider.getNetwork();
    const deadline = (await time.latest()) + 3600;
    const domain = { name: "Coin", version: "1", chainId, verifyingContract: await coin.getAddress() };
    const types = {
      Permit: [
        { name: "owner", type: "address" },
        { name: "spender", type: "address" },
        { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    };
    const message = { owner: alice.address, spender: bob.address, value: 30n, nonce: 0n, deadline };
    const { v, r, s } = ethers.Signature.from(await alice.signTypedData(domain, types, message));
    await coin.transfer(alice, 100n);
    await coin.permit(alice, bob, 30n, deadline, v, r, s);
    await expect(coin.connect(bob).transferFrom(alice, bob, 30n)).to.changeTokenBalances(coin, [alice, bob], [-30n, 30n]);
    await expect(coin.permit(alice, bob, 30n, deadline, v, r, s)).to.be.revertedWithCustomError(coin, "ERC2612InvalidSigner");
    await time.increaseTo(deadline + 1);
    await expect(coin.permit(alice, bob, 30n, deadline, v, r, s))
      .to.be.revertedWithCustomError(coin, "ERC2612ExpiredSignature")
      .withArgs(deadline);
  });

  it("its events can be queried and watched", async function () {
    const { coin, owner, alice, bob } = await loadFixture(deployCoin);
    const heard = new Promise((resolve) => coin.once(coin.filters.Transfer(null, bob), resolve));
    for (const amount of [1n, 2n, 3n]) await coin.transfer(alice, amount);
    await coin.connect(alice).transfer(bob, 4n);
    const received = await coin.queryFilter(coin.filters.Transfer(owner, alice));
    expect(received.map(({ args }) => args.value)).to.deep.equal([1n, 2n, 3n]);
    expect([...(await heard).args]).to.deep.equal([alice.address, bob.address, 4n]);
  });
});

describe("ERC-721", function () {
  async function deployBadge() {
    const [owner, alice, bob] = await ethers.getSigners();
    const badge = await ethers.deployContract("Badge");
    return { badge, price: await badge.PRICE(), owner, alice, bob };
  }

  it("is bought for its price", async function () {
    const { badge, price, alice } = await loadFixture(deployBadge);
    await expect(badge.connect(alice).buy("zerog://1", { value: price }))
      .to.emit(badge, "Transfer")
      .withArgs(ethers.ZeroAddress, alice.address, 1n)
      .and.to.emit(badge, "MetadataUpdate")
      .withArgs(1n);
    expect(await badge.ownerOf(1)).to.equal(alice.address);
    expect(await badge.tokenURI(1)).to.equal("zerog://1");
    await expect(badge.connect(alice).buy("", { value: price })).to.changeEtherBalances([alice, badge], [-price, price]);
    await expect(badge.buy("", { value: 1n })).to.be.revertedWithCustomError(badge, "WrongPrice").withArgs(1n, price);
    expect(await badge.count()).to.equal(2n);
  });

  it("moves with its owner's leave alone", async function () {
    const { badge, price, alice, bob } = await loadFixture(deployBadge);
    await badge.connect(alice).buy("", { value: price });
    await expect(badge.connect(bob).transferFrom(alice, bob, 1n))
      .to.be.revertedWithCustomError(badge, "ERC721InsufficientApproval")
      .withArgs(bob.address, 1n);
    await badge.connect(alice).approve(bob, 1n);
    await expect(badge.connect(bob).transferFrom(alice, bob, 1n)).to.changeTokenBalances(badge, [alice, bob], [-1n, 1n]);
    await expect(badge.ownerOf(9n)).to.be.revertedWithCustomError(badge, "ERC721NonexistentToken").withArgs(9n);
  });

  it("goes to contracts that take it, and to no other", async function () {
    const { badge, price, alice } = await loadFixture(deployBadge);
    const shelf = await ethers.deployContract("Shelf");
    await badge.connect(alice).buy("", { value: price });
    const send = badge.connect(alice)["safeTransferFrom(address,address,uint256)"];
    await expect(send(alice, badge, 1n)).to.be.revertedWithCustomError(badge, "ERC721InvalidReceiver").withArgs(badge);
    await send(alice, shelf, 1n);
    expect(await shelf.last()).to.equal(1n);
  });
});
