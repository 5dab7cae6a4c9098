// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What the ledger asks of a contract that keeps sub-accounts
/// @notice The interface id 0x160841b1 is the exclusive or of these seven selectors, so a function more or less makes another interface.
interface IServing {
    /// @notice Whether `user` has a sub-account with `provider`.
    function accountExists(address user, address provider) external view returns (bool);

    /// @notice Wei of a sub-account that are on their way back to the ledger.
    function getPendingRefund(address user, address provider) external view returns (uint256);

    /// @notice Open a sub-account with the value sent.
    function addAccount(address user, address provider, string calldata additionalInfo) external payable;

    /// @notice Cancel up to `cancelRetrievingAmount` wei of refunds and add the value sent.
    function depositFund(address user, address provider, uint256 cancelRetrievingAmount) external payable;

    /// @notice Begin the refund of everything that is not already on its way back.
    function requestRefundAll(address user, address provider) external;

    /// @notice Send what has waited long enough to the ledger.
    /// @return totalAmount Wei sent.
    /// @return balance Wei left, those on their way back included.
    /// @return pendingRefund Wei still on their way back.
    function processRefund(address user, address provider)
        external
        returns (uint256 totalAmount, uint256 balance, uint256 pendingRefund);

    /// @notice Forget an empty sub-account.
    function deleteAccount(address user, address provider) external;
}

/// @title What a contract that keeps sub-accounts asks of the ledger
interface ILedger {
    /// @notice Take `amount` wei, paid out of a sub-account, from the total of `user`.
    function spendFund(address user, uint256 amount) external;
}
