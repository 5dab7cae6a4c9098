// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A contract that uses gas up
/// @notice For tests of limits: loops, storage, recursion, logs and an endless loop.
contract GasBurner {
    mapping(uint256 slot => uint256 value) public filled;

    event Burnt(uint256 indexed index);

    /// @notice Use at least `amount` of gas.
    function burn(uint256 amount) external view {
        uint256 start = gasleft();
        while (start - gasleft() < amount) {}
    }

    /// @notice Never returns: whatever gas is given is used up.
    function burnAll() external pure {
        while (true) {}
    }

    /// @notice Write `count` storage slots from `first` on.
    function fill(uint256 first, uint256 count, uint256 value) external {
        for (uint256 i = first; i < first + count; ++i) {
            filled[i] = value;
        }
    }

    /// @notice Emit `count` events.
    function emitMany(uint256 count) external {
        for (uint256 i = 0; i < count; ++i) {
            emit Burnt(i);
        }
    }

    /// @notice Call itself `depth` times, one inside the other.
    function recurse(uint256 depth) external returns (uint256 reached) {
        return depth == 0 ? 0 : 1 + this.recurse(depth - 1);
    }
}
