// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A perfect subtree of a file: its root, and its height over sectors of 256 bytes.
struct SubmissionNode {
    bytes32 root;
    uint256 height;
}

/// @notice A file as it is announced: its length in bytes, free tags, and the subtrees that cover it from left to right.
struct SubmissionData {
    uint256 length;
    bytes tags;
    SubmissionNode[] nodes;
}

/// @notice The same beside an address that the sender chose. Clients since 2026 send this form.
struct Submission {
    SubmissionData data;
    address submitter;
}

/// @title What makes a submission valid, and what follows from its nodes alone
library Submissions {
    uint256 internal constant SECTOR_BYTES = 256;
    /// @dev A tree of the flow has at most this many levels below its root.
    uint256 private constant HEIGHT_END = 64;
    /// @dev Padding is cut to a sixteenth of the file's power of two, so heights spread over at most this many levels.
    uint256 private constant HEIGHT_SPREAD_MAX = 3;

    /// @notice How many sectors the nodes cover, padding within the file included: what is charged for.
    function sectors(SubmissionData calldata data) internal pure returns (uint256 count) {
        uint256 nodeCount = data.nodes.length;
        for (uint256 i; i < nodeCount; ++i) {
            count += 1 << data.nodes[i].height;
        }
    }

    /// @notice Topic of the `Submit` event: the hash over all node roots. It is the file's root only where there are two nodes.
    function identity(SubmissionData calldata data) internal pure returns (bytes32) {
        uint256 nodeCount = data.nodes.length;
        bytes32[] memory roots = new bytes32[](nodeCount);
        for (uint256 i; i < nodeCount; ++i) {
            roots[i] = data.nodes[i].root;
        }
        return keccak256(abi.encodePacked(roots));
    }

    /// @notice Whether the nodes are those that the padding rule gives for a file of `data.length` bytes, roots aside:
    /// heights strictly fall, within four levels, and the length needs the last unit of padding.
    function valid(SubmissionData calldata data) internal pure returns (bool) {
        uint256 nodeCount = data.nodes.length;
        if (nodeCount == 0) return false;

        uint256 first = data.nodes[0].height;
        if (first >= HEIGHT_END) return false;
        uint256 capacity = 1 << first;
        uint256 last = first;
        for (uint256 i = 1; i < nodeCount; ++i) {
            uint256 height = data.nodes[i].height;
            if (height >= last) return false;
            capacity += 1 << height;
            last = height;
        }
        if (first - last > HEIGHT_SPREAD_MAX) return false;
        return data.length <= capacity * SECTOR_BYTES && data.length > (capacity - _unit(capacity, first, nodeCount)) * SECTOR_BYTES;
    }

    /// @dev Sectors by which the padding rule rounds a file up. One node of 2^h sectors may come from a file that is padded in
    /// units of its own power of two, half as large as those of the next.
    function _unit(uint256 capacity, uint256 first, uint256 nodeCount) private pure returns (uint256) {
        if (capacity < 16) return 1;
        return nodeCount == 1 ? capacity / 16 : 1 << (first - HEIGHT_SPREAD_MAX);
    }
}
