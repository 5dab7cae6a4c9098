// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title BLAKE2b with a digest of 512 bits and no key
/// @notice The rounds are those of the precompiled contract 0x09. Source: RFC 7693, EIP-152.
library Blake2b {
    /// @notice Digest of a message.
    /// @return first Its first 32 bytes.
    /// @return second Its last 32 bytes.
    function digest(bytes memory message) internal view returns (bytes32 first, bytes32 second) {
        assembly ("memory-safe") {
            // The call's input, in words: number of rounds (4 bytes, the end of a word), state (64), block (128), count of bytes
            // so far (16) and whether the block is the last (1). The state that comes out replaces the one that went in.
            function compress(frame, count, isLast) {
                count := or(shr(8, and(count, 0xff00ff00ff00ff00)), shl(8, and(count, 0x00ff00ff00ff00ff)))
                count := or(shr(16, and(count, 0xffff0000ffff0000)), shl(16, and(count, 0x0000ffff0000ffff)))
                count := or(shr(32, count), shl(32, and(count, 0xffffffff)))
                mstore(add(frame, 0xe0), or(shl(192, count), shl(120, isLast)))
                if iszero(staticcall(gas(), 9, add(frame, 0x1c), 213, add(frame, 0x20), 0x40)) { revert(0, 0) }
            }

            let frame := mload(0x40)
            mstore(frame, 12)
            // The initial state, in which the parameters are mixed already: 64 bytes of digest, no key, no tree.
            mstore(add(frame, 0x20), 0x48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5)
            mstore(add(frame, 0x40), 0xd182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b)

            let length := mload(message)
            let source := add(message, 0x20)
            let count := 0
            for {} gt(sub(length, count), 128) {} {
                mcopy(add(frame, 0x60), add(source, count), 128)
                count := add(count, 128)
                compress(frame, count, 0)
            }
            calldatacopy(add(frame, 0x60), calldatasize(), 128)
            mcopy(add(frame, 0x60), add(source, count), sub(length, count))
            compress(frame, length, 1)
            first := mload(add(frame, 0x20))
            second := mload(add(frame, 0x40))
        }
    }
}
