// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Counter} from "./Counter.sol";

/// @title A contract that creates contracts
/// @notice For tests of CREATE and CREATE2: addresses, constructor arguments, value and events from inside.
contract CounterFactory {
    event Created(address indexed counter, bytes32 indexed salt);

    /// @notice Create a counter at the address that follows from this contract's nonce.
    function create(uint256 start) external payable returns (address counter) {
        counter = address(new Counter{value: msg.value}(start));
        emit Created(counter, 0);
    }

    /// @notice Create a counter at the address that follows from `salt`; reverts when it is taken.
    function create2(uint256 start, bytes32 salt) external payable returns (address counter) {
        counter = address(new Counter{value: msg.value, salt: salt}(start));
        emit Created(counter, salt);
    }

    /// @notice Where `create2` puts its counter.
    function addressOf(uint256 start, bytes32 salt) external view returns (address) {
        bytes32 codeHash = keccak256(abi.encodePacked(type(Counter).creationCode, start));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), salt, codeHash)))));
    }
}
