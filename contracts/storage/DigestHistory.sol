// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// @title The latest digests of a sequence
/// @notice A ring: what is older than its capacity is overwritten. Indexes count all that was ever inserted.
contract DigestHistory is Ownable {
    /// @notice How many digests are kept.
    uint256 public immutable capacity;
    /// @notice Index of the next digest: how many there have been.
    uint256 public nextIndex;

    mapping(uint256 slot => bytes32 digest) private _digests;
    /// @dev One more than the latest index of a digest; zero for one that never was.
    mapping(bytes32 digest => uint256 position) private _positions;

    /// @dev The digest at `index` is overwritten, or has not come yet.
    error UnavailableIndex(uint256 index);

    /// @param capacity_ How many digests are kept. The creator becomes the owner.
    constructor(uint256 capacity_) Ownable(msg.sender) {
        capacity = capacity_;
    }

    /// @notice Append a digest. For the owner alone.
    /// @param digest What is kept.
    /// @return index Its index.
    function insert(bytes32 digest) external onlyOwner returns (uint256 index) {
        index = nextIndex++;
        _digests[index % capacity] = digest;
        _positions[digest] = index + 1;
    }

    /// @notice Whether the digest at an index is still kept.
    /// @param index Which one, from 0.
    function available(uint256 index) public view returns (bool) {
        return index < nextIndex && nextIndex - index <= capacity;
    }

    /// @notice Whether a digest is among those that are kept.
    /// @param digest Which one.
    function contains(bytes32 digest) external view returns (bool) {
        uint256 position = _positions[digest];
        return position != 0 && available(position - 1);
    }

    /// @notice The digest at an index.
    /// @param index Which one, from 0. Reverts with `UnavailableIndex` unless it is kept.
    function at(uint256 index) external view returns (bytes32) {
        if (!available(index)) revert UnavailableIndex(index);
        return _digests[index % capacity];
    }
}
