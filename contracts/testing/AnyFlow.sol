// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EpochRange, IFlow, MineContext} from "../storage/IFlow.sol";

/// @title A flow in which every digest stands for the same range
/// @notice For tests of what the mine refuses that no flow of ours would tell it.
contract AnyFlow is IFlow {
    uint256 public constant blocksPerEpoch = 1000;
    MineContext private _context;

    function set(MineContext calldata context) external {
        _context = context;
    }

    function makeContextWithResult() external view returns (MineContext memory) {
        return _context;
    }

    function getEpochRange(bytes32) external view returns (EpochRange memory) {
        return EpochRange(0, uint128(_context.flowLength));
    }
}
