// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Credit instead of payment: who is owed something fetches it
/// @notice Nobody who refuses money can stop others, and nobody is called in the middle of something.
abstract contract PullPayment {
    /// @custom:storage-location erc7201:0g.storage.PullPayment
    struct PullPaymentStorage {
        mapping(address payee => uint256 amount) payments;
    }

    bytes32 private constant PULL_PAYMENT_SLOT = 0x18886ccf3cb33ec4f8e31fd4f09d61266d4695ceab87fb3d39636905b707c100;

    /// @notice Pay out all that an account is owed. Anyone may call it.
    /// @param payee To whom, and whose.
    function withdrawPayments(address payable payee) external {
        PullPaymentStorage storage $ = _pullPaymentStorage();
        uint256 amount = $.payments[payee];
        $.payments[payee] = 0;
        Address.sendValue(payee, amount);
    }

    /// @notice What an account is owed, in wei.
    /// @param dest Which account.
    function payments(address dest) external view returns (uint256) {
        return _pullPaymentStorage().payments[dest];
    }

    /// @dev The contract must own the amount, and count it as nobody else's.
    function _credit(address payee, uint256 amount) internal {
        if (amount > 0) _pullPaymentStorage().payments[payee] += amount;
    }

    function _pullPaymentStorage() private pure returns (PullPaymentStorage storage $) {
        assembly {
            $.slot := PULL_PAYMENT_SLOT
        }
    }
}
