// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A money box with an owner
contract Piggy {
    address public immutable owner;
    uint256 public coins;
    mapping(address giver => uint256 amount) public givenBy;

    event Given(address indexed by, uint256 amount, uint256 coins);
    event Smashed(address indexed by, uint256 amount);

    error NotOwner(address caller, address owner);
    error Nothing();

    constructor(address owner_) payable {
        owner = owner_;
    }

    function give() external payable returns (uint256) {
        if (msg.value == 0) revert Nothing();
        coins += 1;
        givenBy[msg.sender] += msg.value;
        emit Given(msg.sender, msg.value, coins);
        return coins;
    }

    function smash() external {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        emit Smashed(msg.sender, address(this).balance);
        (bool done,) = payable(owner).call{value: address(this).balance}("");
        require(done, "Piggy: not paid");
    }
}
