// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice Positions of the flow, `end` excluded, that an epoch added.
struct EpochRange {
    uint128 start;
    uint128 end;
}

/// @notice What miners of an epoch seal and mine against.
struct MineContext {
    uint256 epoch;
    uint256 mineStart;
    bytes32 flowRoot;
    uint256 flowLength;
    bytes32 blockDigest;
    bytes32 digest;
}

/// @dev Stands for the digests of a context that cannot be mined.
bytes32 constant EMPTY_HASH = keccak256("");

/// @title What the mine asks of the flow
interface IFlow {
    /// @notice Make the contexts that are due, and tell the current one.
    function makeContextWithResult() external returns (MineContext memory);

    /// @notice The positions that an epoch added; zeros where it added none, and for a digest that never was.
    /// @param digest Digest of the epoch's context.
    function getEpochRange(bytes32 digest) external view returns (EpochRange memory);

    /// @notice How many blocks an epoch lasts.
    function blocksPerEpoch() external view returns (uint256);
}
