// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @notice A Merkle tree over sectors that only grows: `frontier[h]` is the root of the complete subtree of height h that ends
/// the part of the flow whose length has bit h set.
struct FlowTree {
    uint256 length;
    mapping(uint256 height => bytes32 root) frontier;
}

/// @title The tree of the flow
/// @notice Sectors that nobody submitted are zero sectors. The root is that of the smallest perfect tree that holds all.
library FlowTrees {
    uint256 private constant SEGMENT_SECTORS = 1024;
    /// @dev Levels of a flow of 256 TiB.
    uint256 private constant PREPARED_LEVELS = 40;
    /// @dev Hash of 256 zero bytes.
    bytes32 private constant ZERO_SECTOR = 0xd397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5;

    /// @notice Begin with the sentinel: a leaf at position 0 whose hash is zero.
    /// @dev The levels above it get a value that nobody reads, so that the first file which reaches a level pays no more than others.
    function initialize(FlowTree storage tree) internal {
        tree.length = 1;
        for (uint256 height = 1; height < PREPARED_LEVELS; ++height) {
            tree.frontier[height] = ZERO_SECTOR;
        }
    }

    /// @notice Where a file begins whose first node has height `height` and that covers `sectors` in all: aligned to its
    /// first node, and never across the end of a segment unless it begins with one.
    function startOf(uint256 length, uint256 height, uint256 sectors) internal pure returns (uint256 start) {
        start = _align(length, 1 << height);
        if (start / SEGMENT_SECTORS == (start + sectors - 1) / SEGMENT_SECTORS) return start;
        return _align(_align(start, SEGMENT_SECTORS), 1 << height);
    }

    /// @notice Fill with zero sectors up to `end`, where a node may stand that ends no further than its alignment.
    function pad(FlowTree storage tree, uint256 end) internal {
        bytes32 zero = ZERO_SECTOR;
        uint256 length = tree.length;
        for (uint256 height; length < end; ++height) {
            if ((length >> height) & 1 == 1) {
                append(tree, zero, height);
                length += 1 << height;
            }
            zero = Hashes.efficientKeccak256(zero, zero);
        }
    }

    /// @notice Append a complete subtree. The length is a multiple of its size.
    function append(FlowTree storage tree, bytes32 node, uint256 height) internal {
        uint256 length = tree.length;
        uint256 level = height;
        for (; (length >> level) & 1 == 1; ++level) {
            node = Hashes.efficientKeccak256(tree.frontier[level], node);
        }
        tree.frontier[level] = node;
        tree.length = length + (1 << height);
    }

    /// @notice Root of the whole tree.
    function root(FlowTree storage tree) internal view returns (bytes32 node) {
        uint256 length = tree.length;
        bytes32 zero = ZERO_SECTOR;
        bool begun;
        uint256 height;
        for (; (1 << height) < length; ++height) {
            if ((length >> height) & 1 == 1) {
                bytes32 left = tree.frontier[height];
                node = Hashes.efficientKeccak256(left, begun ? node : zero);
                begun = true;
            } else if (begun) {
                node = Hashes.efficientKeccak256(node, zero);
            }
            zero = Hashes.efficientKeccak256(zero, zero);
        }
        return begun ? node : tree.frontier[height];
    }

    function _align(uint256 position, uint256 unit) private pure returns (uint256) {
        return (position + unit - 1) / unit * unit;
    }
}
