// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title An account with code: calls what it is told to, and once more from within when it is paid
/// @notice For tests of contracts that pay: their receiver may call back, or refuse.
contract Puppet {
    address private _target;
    bytes private _data;
    bool private _refuses;

    /// @notice Whether the call from within succeeded, and what it returned.
    bool public answered;
    bool public succeeded;
    bytes public answer;

    receive() external payable {
        require(!_refuses, "not today");
        if (_target == address(0)) return;
        address target = _target;
        delete _target;
        answered = true;
        (succeeded, answer) = target.call(_data);
    }

    /// @notice Refuse all money from now on, or no longer.
    function refuse(bool refuses) external {
        _refuses = refuses;
    }

    /// @notice Call `target` the next time that money comes.
    function whenPaid(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    /// @notice Call `target` with the value sent, and fail as it fails.
    function act(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool done, bytes memory output) = target.call{value: msg.value}(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(output, 32), mload(output))
            }
        }
        return output;
    }
}
