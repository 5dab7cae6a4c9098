// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title An owner, and a setting-up that happens once
/// @notice Both refuse with the texts and errors of the official contracts. No constructor does it: whoever deploys initialises in the
/// same transaction, or looks afterwards who did.
abstract contract Owned {
    /// @notice Who may do what only the owner may.
    address public owner;
    /// @notice Whether `initialize` was called.
    bool public initialized;

    event Initialized(uint8 version);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    /// @dev `initialize` works once.
    error AlreadyInitialized();

    modifier onlyOwner() {
        require(msg.sender == owner, "Ownable: caller is not the owner");
        _;
    }

    modifier initializer() {
        if (initialized) revert AlreadyInitialized();
        initialized = true;
        _;
        emit Initialized(1);
    }

    /// @notice Make another address the owner.
    /// @param newOwner Not zero.
    function transferOwnership(address newOwner) external onlyOwner {
        require(newOwner != address(0), "Ownable: new owner is the zero address");
        _transferOwnership(newOwner);
    }

    /// @notice Leave the contract without an owner for ever.
    function renounceOwnership() external onlyOwner {
        _transferOwnership(address(0));
    }

    function _transferOwnership(address newOwner) internal {
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }
}
