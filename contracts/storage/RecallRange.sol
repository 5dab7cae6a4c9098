// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What a miner says to store: loads of 1,024 sectors from a position of the flow on, of which it has those whose number
/// within the range is `shardId` in the bits that `shardMask` leaves out.
struct RecallRange {
    uint256 startPosition;
    uint256 mineLength;
    uint64 shardId;
    uint64 shardMask;
}

/// @title Which ranges are taken, and which load of a range an answer has to come from
library RecallRanges {
    using Math for uint256;

    uint256 internal constant LOAD_SECTORS = 1024;
    /// @dev 8 TiB: nobody has to store more than that, and nobody gains by it.
    uint256 private constant MINING_SECTORS_MAX = 1 << 35;

    /// @notice Refuse a range that is not the longest from its start.
    /// @param flowLength Length of the flow in sectors.
    /// @param alignment What the start is a multiple of.
    function check(RecallRange calldata range, uint256 flowLength, uint256 alignment) internal pure {
        uint256 flowEnd = flowLength / LOAD_SECTORS * LOAD_SECTORS;
        uint256 longest = MINING_SECTORS_MAX * shards(range);
        require(range.startPosition % alignment == 0, "Start position is not aligned");
        require(range.startPosition.saturatingAdd(range.mineLength) <= flowEnd, "Mining range overflow");
        require(range.mineLength <= longest, "Mining range too long");
        require(range.mineLength >= Math.max(Math.min(flowEnd, longest), LOAD_SECTORS), "Mining range too short");
        require(range.shardId & range.shardMask == 0, "Masked bits should be zero");
    }

    /// @notice Into how many parts the loads are divided, of which the miner has one.
    function shards(RecallRange calldata range) internal pure returns (uint256 count) {
        count = 1;
        for (uint64 left = ~range.shardMask; left != 0; left &= left - 1) {
            count <<= 1;
        }
    }

    /// @notice Hash by which an answer is bound to the range.
    function digest(RecallRange calldata range) internal pure returns (bytes32) {
        return keccak256(abi.encode(range.startPosition, range.mineLength, range.shardId, range.shardMask));
    }

    /// @notice The first sector of the load that a seed draws.
    function load(RecallRange calldata range, bytes32 seed) internal pure returns (uint256) {
        uint256 loads = range.mineLength / LOAD_SECTORS;
        uint256 number = (uint256(seed) % loads) & range.shardMask | range.shardId;
        require(number < loads, "Recall position out of bound");
        return range.startPosition + number * LOAD_SECTORS;
    }

    /// @notice The target for a range: who stores one of n shards reaches n times as many loads, each with an n-th of the chance.
    /// @param target For the whole flow.
    /// @param flowLength Length of the flow in sectors.
    function scaled(RecallRange calldata range, uint256 target, uint256 flowLength) internal pure returns (uint256) {
        uint256 whole = Math.min(flowLength, MINING_SECTORS_MAX);
        uint256 part = Math.max(Math.min(flowLength / shards(range), MINING_SECTORS_MAX), 1);
        return target / ((whole << 64) / part) << 64;
    }
}
