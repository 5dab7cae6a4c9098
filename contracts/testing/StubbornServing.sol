// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ILedger, IServing} from "../compute/IServing.sol";

/// @title A serving contract that does not let go of accounts, for tests of the ledger
contract StubbornServing is IServing, IERC165 {
    bytes4 private immutable _claimed;
    mapping(address user => mapping(address provider => bool)) private _accounts;

    /// @dev Whether a deletion takes all gas that it gets.
    bool private _burns;

    error NeverDeleted(address user, address provider);

    /// @param claimed What it says that it is, beside what ERC-165 asks; 0xffffffff makes it say yes to everything.
    constructor(bytes4 claimed) {
        _claimed = claimed;
    }

    function addAccount(address user, address provider, string calldata) external payable {
        _accounts[user][provider] = true;
    }

    function depositFund(address, address, uint256) external payable {}

    function requestRefundAll(address user, address provider) external {}

    /// @dev Gives all that it has back at once.
    function processRefund(address, address) external returns (uint256 totalAmount, uint256 balance, uint256 pendingRefund) {
        totalAmount = address(this).balance;
        (bool taken,) = msg.sender.call{value: totalAmount}("");
        require(taken, "the ledger takes nothing");
        return (totalAmount, 0, 0);
    }

    function deleteAccount(address user, address provider) external view {
        if (_burns) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        revert NeverDeleted(user, provider);
    }

    function burn() external {
        _burns = true;
    }

    /// @notice Spend a user's locked money without having any.
    function spend(address ledger, address user, uint256 amount) external {
        ILedger(ledger).spendFund(user, amount);
    }

    function accountExists(address user, address provider) external view returns (bool) {
        return _accounts[user][provider];
    }

    function getPendingRefund(address, address) external pure returns (uint256) {
        return 0;
    }

    function supportsInterface(bytes4 interfaceId) external view returns (bool) {
        if (_claimed == 0xffffffff) return true;
        return interfaceId == _claimed || interfaceId == type(IERC165).interfaceId;
    }
}
