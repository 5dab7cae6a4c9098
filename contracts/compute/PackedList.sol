// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @dev A list of numbers below 2^32, eight to a word. Lane 0 of word 0 holds its length, so that a list of up to seven is one word.
struct PackedList {
    mapping(uint256 word => uint256 lanes) words;
}

/// @title Lists of small numbers that cost one write where an array costs two
library PackedLists {
    uint256 private constant LANES = 8;
    uint256 private constant LANE_BITS = 32;
    uint256 private constant LANE_MASK = type(uint32).max;

    function length(PackedList storage list) internal view returns (uint256) {
        return list.words[0] & LANE_MASK;
    }

    /// @dev The number at `index`, which the caller keeps below the length.
    function at(PackedList storage list, uint256 index) internal view returns (uint256) {
        uint256 lane = index + 1;
        return (list.words[lane / LANES] >> (lane % LANES * LANE_BITS)) & LANE_MASK;
    }

    /// @dev Append and return the place.
    function push(PackedList storage list, uint256 value) internal returns (uint256 index) {
        index = length(list);
        require(index < LANE_MASK && value <= LANE_MASK, "list is full");
        if (index + 1 < LANES) {
            // Length and value lie in the same word: one write for both.
            list.words[0] = (list.words[0] + 1) | (value << ((index + 1) * LANE_BITS));
        } else {
            list.words[0] += 1;
            set(list, index, value);
        }
    }

    /// @dev Replace the number at `index`, which the caller keeps below the length.
    function set(PackedList storage list, uint256 index, uint256 value) internal {
        uint256 lane = index + 1;
        uint256 shift = lane % LANES * LANE_BITS;
        uint256 others = list.words[lane / LANES] & ~(LANE_MASK << shift);
        list.words[lane / LANES] = others | (value << shift);
    }

    /// @dev Remove the last number, of which there must be one.
    function pop(PackedList storage list) internal {
        set(list, length(list) - 1, 0);
        list.words[0] -= 1;
    }
}
