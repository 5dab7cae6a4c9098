// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What an account can delegate to under EIP-7702
/// @notice For tests of delegation: the account itself sends a batch of calls and pays with its own balance.
contract BatchAccount {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    /// @notice How many batches the account has run; it lies in the account's own storage.
    uint256 public batches;

    event BatchRun(address indexed account, uint256 calls);

    error NotTheAccount(address caller, address account);
    error CallFailed(uint256 index, bytes reason);

    /// @notice A delegated account still takes plain transfers.
    receive() external payable {}

    /// @notice Make all calls in the account's name; only a transaction of the account itself may ask for it.
    function run(Call[] calldata calls) external payable {
        if (msg.sender != address(this)) revert NotTheAccount(msg.sender, address(this));
        ++batches;
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success, bytes memory reason) = calls[i].target.call{value: calls[i].value}(calls[i].data);
            if (!success) revert CallFailed(i, reason);
        }
        emit BatchRun(address(this), calls.length);
    }
}
