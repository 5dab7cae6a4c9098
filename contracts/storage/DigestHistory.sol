// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title The latest digests of a sequence
/// @notice What is older than the capacity is forgotten. Indexes count all that was ever inserted.
/// @dev Equal neighbours are one run, so that any number of them is inserted at the cost of one.
contract DigestHistory is Ownable {
    using SafeCast for uint256;

    /// @dev The same digest several times; `end` is the index after the last.
    struct Run {
        bytes32 digest;
        uint256 end;
    }

    /// @notice How many digests are kept.
    uint256 public immutable capacity;
    uint128 private _nextIndex;
    uint128 private _runCount;
    /// @dev As many runs as digests are kept, since none is empty.
    mapping(uint256 slot => Run) private _runs;

    /// @dev The digest at `index` is forgotten, or has not come yet.
    error UnavailableIndex(uint256 index);

    /// @param capacity_ How many digests are kept. The creator becomes the owner.
    constructor(uint256 capacity_) Ownable(msg.sender) {
        capacity = capacity_;
    }

    /// @notice Append a digest. For the owner alone.
    /// @param digest What is kept.
    /// @return index Its index.
    function insert(bytes32 digest) external returns (uint256 index) {
        return insertRepeated(digest, 1);
    }

    /// @notice Append a digest several times. For the owner alone.
    /// @param digest What is kept.
    /// @param count How often, at least once.
    /// @return index Index of the last.
    function insertRepeated(bytes32 digest, uint256 count) public onlyOwner returns (uint256 index) {
        uint256 end = _nextIndex + count;
        uint256 run = _runCount;
        if (run > 0 && _run(run - 1).digest == digest) --run;
        _run(run).digest = digest;
        _run(run).end = end;
        (_nextIndex, _runCount) = (end.toUint128(), (run + 1).toUint128());
        return end - 1;
    }

    /// @notice Index of the next digest: how many there have been.
    function nextIndex() public view returns (uint256) {
        return _nextIndex;
    }

    /// @notice Whether the digest at an index is still kept.
    /// @param index Which one, from 0.
    function available(uint256 index) public view returns (bool) {
        return index < _nextIndex && _nextIndex - index <= capacity;
    }

    /// @notice Whether a digest is among those that are kept. It looks at all, so it is meant for calls that leave no trace.
    /// @param digest Which one.
    function contains(bytes32 digest) external view returns (bool) {
        uint256 end = _runCount;
        for (uint256 run = _firstRun(); run < end; ++run) {
            if (_run(run).digest == digest && available(_run(run).end - 1)) return true;
        }
        return false;
    }

    /// @notice The digest at an index.
    /// @param index Which one, from 0. Reverts with `UnavailableIndex` unless it is kept.
    function at(uint256 index) external view returns (bytes32) {
        if (!available(index)) revert UnavailableIndex(index);
        uint256 low = _firstRun();
        uint256 high = _runCount - 1;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_run(middle).end <= index) low = middle + 1;
            else high = middle;
        }
        return _run(low).digest;
    }

    /// @dev The oldest run that is not overwritten.
    function _firstRun() private view returns (uint256) {
        return Math.saturatingSub(_runCount, capacity);
    }

    function _run(uint256 number) private view returns (Run storage) {
        return _runs[number % capacity];
    }
}
