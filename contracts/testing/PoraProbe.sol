// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Blake2b} from "../storage/Blake2b.sol";
import {Pora, PoraAnswer} from "../storage/Pora.sol";

/// @title The steps of a proof of storage, one by one
contract PoraProbe {
    using Pora for PoraAnswer;

    function blake2b(bytes calldata message) external view returns (bytes32 first, bytes32 second) {
        return Blake2b.digest(message);
    }

    function unseal(PoraAnswer calldata answer) external pure returns (bytes32[128] memory) {
        return answer.unseal();
    }

    function quality(PoraAnswer calldata answer, bytes32 subtaskDigest) external view returns (bytes32) {
        return answer.quality(subtaskDigest);
    }
}
