// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A piece of a row, 1,024 bytes, that a round's seed makes good enough, with its path to the root of its blob.
struct SampleResponse {
    bytes32 sampleSeed;
    uint64 epoch;
    uint64 quorumId;
    uint32 lineIndex;
    uint32 sublineIndex;
    uint256 quality;
    bytes32 dataRoot;
    bytes32[3] blobRoots;
    bytes32[] proof;
    bytes data;
}

/// @title What makes a sample valid
/// @dev Source of the rules: 0glabs/0g-da-contract, contracts/libraries/SampleVerifier.sol.
library SampleVerifier {
    uint256 private constant COSETS = 3;
    uint256 private constant COSET_ROWS = 1024;
    uint256 private constant SUBLINES = 32;
    uint256 private constant SUBLINE_BYTES = 1024;
    uint256 private constant LEAF_BYTES = 256;
    /// @dev Five steps within the row of 32 pieces, ten among the 1,024 rows of a coset.
    uint256 private constant PROOF_STEPS = 15;

    /// @dev Names a sample: each is paid for once.
    function identifier(SampleResponse calldata response) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                response.dataRoot, response.sampleSeed, response.epoch, response.quorumId, response.lineIndex, response.sublineIndex
            )
        );
    }

    /// @dev Reverts unless the sample has the quality it says and belongs to its blob.
    function verify(SampleResponse calldata response) internal pure {
        require(response.sampleSeed != bytes32(0), "Sample seed cannot be empty");
        require(response.lineIndex < COSETS * COSET_ROWS, "Incorrect line index");
        require(response.sublineIndex < SUBLINES, "Incorrect sub-line index");
        _checkQuality(response);
        require(response.data.length == SUBLINE_BYTES, "Incorrect data length");
        require(_cosetRoot(response) == response.blobRoots[response.lineIndex / COSET_ROWS], "Incorrect blob Root");
        bytes32 dataRoot = _pair(_pair(response.blobRoots[0], response.blobRoots[1]), response.blobRoots[2]);
        require(dataRoot == response.dataRoot, "Incorrect dataRoot");
    }

    function _checkQuality(SampleResponse calldata response) private pure {
        uint256 lineQuality = uint256(
            keccak256(
                abi.encodePacked(
                    response.sampleSeed,
                    uint256(response.epoch),
                    uint256(response.quorumId),
                    response.dataRoot,
                    uint64(response.lineIndex)
                )
            )
        );
        uint256 dataQuality = uint256(keccak256(abi.encodePacked(lineQuality, uint256(response.sublineIndex), response.data)));
        require(dataQuality <= type(uint256).max - lineQuality, "Quality overflow");
        require(lineQuality + dataQuality == response.quality, "Incorrect quality");
    }

    /// @dev Where the path leads. Leaves are longer than pairs, so a path of another length leads nowhere true; it is refused unseen.
    function _cosetRoot(SampleResponse calldata response) private pure returns (bytes32 current) {
        require(response.proof.length == PROOF_STEPS, "Incorrect blob Root");
        bytes calldata data = response.data;
        current = _pair(_pair(_leaf(data, 0), _leaf(data, 1)), _pair(_leaf(data, 2), _leaf(data, 3)));
        uint256 position = (response.lineIndex % COSET_ROWS) * SUBLINES + response.sublineIndex;
        for (uint256 step = 0; step < PROOF_STEPS; step++) {
            bytes32 sibling = response.proof[step];
            current = (position >> step) & 1 == 0 ? _pair(current, sibling) : _pair(sibling, current);
        }
    }

    function _leaf(bytes calldata data, uint256 index) private pure returns (bytes32) {
        return keccak256(data[index * LEAF_BYTES:(index + 1) * LEAF_BYTES]);
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }
}
