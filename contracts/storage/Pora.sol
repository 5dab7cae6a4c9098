// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Blake2b} from "./Blake2b.sol";
import {RecallRange, RecallRanges} from "./RecallRange.sol";

/// @notice A miner's proof that it stores what a nonce made it look up: one seal of 4,096 bytes, and the way from it to the flow's root.
struct PoraAnswer {
    bytes32 contextDigest;
    bytes32 nonce;
    bytes32 minerId;
    RecallRange range;
    uint256 recallPosition;
    uint256 sealOffset;
    bytes32 sealedContextDigest;
    bytes32[128] sealedData;
    bytes32[] merkleProof;
}

/// @title Proofs of random access: sealing, scratchpad, quality
library Pora {
    using RecallRanges for RecallRange;

    uint256 internal constant SEAL_SECTORS = 16;
    uint256 private constant LOAD_SEALS = 64;
    /// @dev Number, seed, and a word that is always zero stand before the mixed seal.
    uint256 private constant MESSAGE_BYTES = 128 + 4096;

    /// @notice What was sealed: each word was covered by the hash of the sealed word before it.
    function unseal(PoraAnswer calldata answer) internal pure returns (bytes32[128] memory data) {
        bytes32 mask = keccak256(abi.encode(answer.minerId, answer.sealedContextDigest, answer.recallPosition));
        bytes32[128] calldata sealedData = answer.sealedData;
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 4096) { i := add(i, 32) } {
                let word := calldataload(add(sealedData, i))
                mstore(add(data, i), xor(word, mask))
                mstore(0, word)
                mask := keccak256(0, 32)
            }
        }
    }

    /// @notice Root of the flow that follows from a seal and its proof.
    /// @param data The seal as it was stored. It is used up: its memory takes the hashes of the tree over its 16 sectors.
    function flowRoot(PoraAnswer calldata answer, bytes32[128] memory data) internal pure returns (bytes32 node) {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 16) { i := add(i, 1) } { mstore(add(data, shl(5, i)), keccak256(add(data, shl(8, i)), 256)) }
            for { let count := 8 } count { count := shr(1, count) } {
                for { let i := 0 } lt(i, count) { i := add(i, 1) } { mstore(add(data, shl(5, i)), keccak256(add(data, shl(6, i)), 64)) }
            }
            node := mload(data)
        }
        uint256 index = answer.recallPosition / SEAL_SECTORS;
        uint256 height = answer.merkleProof.length;
        for (uint256 i; i < height; ++i) {
            bytes32 sibling = answer.merkleProof[i];
            node = (index >> i) & 1 == 0 ? Hashes.efficientKeccak256(node, sibling) : Hashes.efficientKeccak256(sibling, node);
        }
    }

    /// @notice How good an answer is: the lower, the better. Refuses a seal that the nonce did not draw.
    /// @param subtaskDigest What the miner's window is bound to.
    function quality(PoraAnswer calldata answer, bytes32 subtaskDigest) internal view returns (bytes32 value) {
        (bytes32 first, bytes32 second) =
            Blake2b.digest(abi.encode(answer.minerId, answer.nonce, subtaskDigest, answer.range.digest()));
        (bytes32 recallSeed, bytes memory message) = _mix(answer, first, second);
        uint256 load = answer.range.load(recallSeed);
        bool drawn = answer.sealOffset < LOAD_SEALS && answer.recallPosition == load + answer.sealOffset * SEAL_SECTORS;
        require(drawn, "Incorrect recall position");
        (value,) = Blake2b.digest(message);
    }

    /// @dev Grow the scratchpad from its seed. Of its 16 KiB only the quarter is kept that belongs to the seal, and mixed with it.
    function _mix(PoraAnswer calldata answer, bytes32 first, bytes32 second)
        private
        pure
        returns (bytes32 recallSeed, bytes memory message)
    {
        message = new bytes(MESSAGE_BYTES);
        bytes32[128] calldata sealedData = answer.sealedData;
        uint256 sealOffset = answer.sealOffset;
        assembly ("memory-safe") {
            let place := add(message, 0x20)
            mstore(place, sealOffset)
            mstore(add(place, 0x20), first)
            mstore(add(place, 0x40), second)
            place := add(place, 0x80)

            mstore(0x00, first)
            mstore(0x20, second)
            let quarter := shl(12, and(sealOffset, 3))
            for { let i := 0 } lt(i, 16384) { i := add(i, 64) } {
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x20, keccak256(0x00, 0x40))
                let at := sub(i, quarter)
                if lt(at, 4096) {
                    mstore(add(place, at), xor(mload(0x00), calldataload(add(sealedData, at))))
                    mstore(add(place, add(at, 32)), xor(mload(0x20), calldataload(add(sealedData, add(at, 32)))))
                }
            }
            recallSeed := keccak256(0x00, 0x40)
        }
    }
}
