// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title An account with code that sends calls to a flow
/// @notice For tests of refunds: it takes what comes back, or refuses it, or uses it for the same call again.
contract FlowCaller {
    enum Reply {
        Take,
        Refuse,
        Repeat
    }

    Reply private _reply;
    bytes private _data;
    /// @notice How often money came back.
    uint256 public refunds;

    error NotWanted();

    receive() external payable {
        if (_reply == Reply.Refuse) revert NotWanted();
        ++refunds;
        if (_reply == Reply.Repeat && refunds == 1) _call(msg.sender, _data, msg.value);
    }

    /// @notice Send `data` with all the value of this call, and answer a refund by `reply`.
    function send(address flow, bytes calldata data, Reply reply) external payable {
        (_reply, _data) = (reply, data);
        _call(flow, data, msg.value);
    }

    function _call(address flow, bytes memory data, uint256 value) private {
        (bool done, bytes memory answer) = flow.call{value: value}(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}
