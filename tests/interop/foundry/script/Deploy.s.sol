// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Piggy} from "../src/Piggy.sol";
import {vm} from "../src/Vm.sol";

/// @title Money boxes at addresses that are known before, by the CREATE2 deployer
contract Deploy {
    /// @notice Deploy `BOXES` boxes, with salts from `SALT` on, and put a coin of as many wei into each as its place in line.
    function run() external {
        uint256 count = vm.envOr("BOXES", uint256(12));
        uint256 salt = vm.envOr("SALT", uint256(0));
        vm.startBroadcast();
        for (uint256 index = 1; index <= count; index++) {
            Piggy piggy = new Piggy{salt: bytes32(salt + index)}(msg.sender);
            piggy.give{value: index}();
        }
        vm.stopBroadcast();
    }
}
