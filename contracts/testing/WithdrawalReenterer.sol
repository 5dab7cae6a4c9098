// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @dev What the attacker uses of a token that wraps the native one.
interface IWrapped {
    function deposit() external payable;
    function withdraw(uint256 wad) external;
}

/// @title An attacker of wrapped tokens
/// @notice For tests of W0G: asks for its withdrawal again while it is being paid, or refuses the payment.
contract WithdrawalReenterer {
    IWrapped private immutable token;
    bool private refuses;
    /// @notice How many times it was paid.
    uint256 public payments;
    /// @notice Whether asking again from within a payment went through.
    bool public reentered;

    error NotTaken();

    constructor(IWrapped token_) {
        token = token_;
    }

    receive() external payable {
        if (refuses) revert NotTaken();
        ++payments;
        if (payments == 1) {
            (reentered,) = address(token).call(abi.encodeCall(IWrapped.withdraw, (msg.value)));
        }
    }

    /// @notice Wrap the value of this call and try to unwrap it twice.
    function attack() external payable {
        token.deposit{value: msg.value}();
        token.withdraw(msg.value);
    }

    /// @notice Wrap the value of this call and refuse it when it comes back.
    function refuse() external payable {
        refuses = true;
        token.deposit{value: msg.value}();
        token.withdraw(msg.value);
    }
}
