// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Who may mint W0G, and how much
/// @notice The precompiled contract 0x…1002 takes caps from this address alone. Its owner decides; on a network of one machine that
/// is a test account, which the genesis block writes into the first slot.
contract WrappedBaseAgency {
    /// @notice The precompiled contract that keeps the caps.
    address public constant WRAPPED_A0GI_BASE = 0x0000000000000000000000000000000000001002;

    /// @notice Who sets caps.
    address public owner;

    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    /// @dev The caller is not the owner. The name is that of OpenZeppelin's Ownable.
    error OwnableUnauthorizedAccount(address account);
    /// @dev Nobody could set caps any more. The name is that of OpenZeppelin's Ownable.
    error OwnableInvalidOwner(address owner);

    modifier onlyOwner() {
        if (msg.sender != owner) revert OwnableUnauthorizedAccount(msg.sender);
        _;
    }

    /// @notice Say how much a minter may have minted at any time.
    /// @param minter Whose cap.
    /// @param cap The most, in wei.
    /// @param initialSupply What counts as minted before its first mint, in wei.
    function setMinterCap(address minter, uint256 cap, uint256 initialSupply) external onlyOwner {
        (bool done,) = WRAPPED_A0GI_BASE.call(
            abi.encodeWithSignature("setMinterCap(address,uint256,uint256)", minter, cap, initialSupply)
        );
        require(done, "wrapped a0gi base setMinterCap failed");
    }

    /// @notice Make another account the owner.
    /// @param newOwner Who sets caps from now on.
    function transferOwnership(address newOwner) external onlyOwner {
        if (newOwner == address(0)) revert OwnableInvalidOwner(newOwner);
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }
}
