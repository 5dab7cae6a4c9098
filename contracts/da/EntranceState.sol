// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {G1Point} from "./BN254.sol";
import {IDASigners} from "./IDASigners.sol";

/// @title What the entrance keeps, and the views of it
abstract contract EntranceState {
    /// @custom:storage-location erc7201:0g.storage.DAEntrance
    struct DAEntranceStorage {
        mapping(bytes32 identifier => G1Point) verifiedErasureCommitment;
        uint256 quorumIndex;
        mapping(bytes32 identifier => bool) submittedSamples;
        uint256 currentEpoch;
        bytes32 currentSampleSeed;
        uint256 sampleRound;
        uint256 nextSampleHeight;
        uint256 podasTarget;
        uint256 roundSubmissions;
        uint256 targetRoundSubmissions;
        uint256 currentEpochReward;
        uint256 activedReward;
        uint256 totalBaseReward;
        uint256 serviceFee;
        uint256 targetRoundSubmissionsNext;
        uint256 epochWindowSize;
        uint256 rewardRatio;
        uint256 baseReward;
        uint256 blobPrice;
        uint256 samplePeriod;
        uint256 serviceFeeRateBps;
        address treasury;
    }

    /// @notice The precompiled contract of signers.
    IDASigners public constant DA_SIGNERS = IDASigners(0x0000000000000000000000000000000000001000);
    /// @notice A blob is confirmed when signers of this part of its rows, `SLICE_NUMERATOR / SLICE_DENOMINATOR`, have signed.
    uint256 public constant SLICE_NUMERATOR = 2;
    /// @notice See `SLICE_NUMERATOR`.
    uint256 public constant SLICE_DENOMINATOR = 3;
    /// @notice The highest target of samples: one of 128 is good enough.
    uint256 public constant MAX_PODAS_TARGET = type(uint256).max / 128;

    bytes32 private constant DA_ENTRANCE_SLOT = 0x1f01119f54caddd4b5bcce29799619f00bb427288e5c1c0713537061bd123800;

    /// @notice The epoch of signers as of the latest `sync`.
    function currentEpoch() external view returns (uint256) {
        return _state().currentEpoch;
    }

    /// @notice What samples of the current round are drawn by; zero before the first.
    function currentSampleSeed() external view returns (bytes32) {
        return _state().currentSampleSeed;
    }

    /// @notice Number of the current round; 0 before the first.
    function sampleRound() external view returns (uint256) {
        return _state().sampleRound;
    }

    /// @notice At which block the next round begins.
    function nextSampleHeight() external view returns (uint256) {
        return _state().nextSampleHeight;
    }

    /// @notice The highest quality that is good enough: a lower number is better.
    function podasTarget() external view returns (uint256) {
        return _state().podasTarget;
    }

    /// @notice How many samples the current round has taken.
    function roundSubmissions() external view returns (uint256) {
        return _state().roundSubmissions;
    }

    /// @notice How many the target aims at; twice as many are taken.
    function targetRoundSubmissions() external view returns (uint256) {
        return _state().targetRoundSubmissions;
    }

    /// @notice The same from the next round on.
    function targetRoundSubmissionsNext() external view returns (uint256) {
        return _state().targetRoundSubmissionsNext;
    }

    /// @notice Fees that this epoch has brought, in wei. The next epoch pays them out.
    function currentEpochReward() external view returns (uint256) {
        return _state().currentEpochReward;
    }

    /// @notice Fees of former epochs that samples are paid from, in wei.
    function activedReward() external view returns (uint256) {
        return _state().activedReward;
    }

    /// @notice The pot of base rewards, in wei.
    function totalBaseReward() external view returns (uint256) {
        return _state().totalBaseReward;
    }

    /// @notice Always zero: the treasury's part is credited to it, and told by `payments`.
    function serviceFee() external view returns (uint256) {
        return _state().serviceFee;
    }

    /// @notice For how many epochs a blob can be sampled, and signers keep it.
    function epochWindowSize() external view returns (uint256) {
        return _state().epochWindowSize;
    }

    /// @notice A sample earns this part of `activedReward`.
    function rewardRatio() external view returns (uint256) {
        return _state().rewardRatio;
    }

    /// @notice What a sample earns besides, in wei, while the pot lasts.
    function baseReward() external view returns (uint256) {
        return _state().baseReward;
    }

    /// @notice Fee for a blob, in wei.
    function blobPrice() external view returns (uint256) {
        return _state().blobPrice;
    }

    /// @notice How many blocks lie between two rounds.
    function samplePeriod() external view returns (uint256) {
        return _state().samplePeriod;
    }

    /// @notice The part of fees that goes to the treasury, in units of 1/10,000.
    function serviceFeeRateBps() external view returns (uint256) {
        return _state().serviceFeeRateBps;
    }

    /// @notice Whom the service fee is credited to; zero for no service fee.
    function treasury() external view returns (address) {
        return _state().treasury;
    }

    function _state() internal pure returns (DAEntranceStorage storage $) {
        assembly {
            $.slot := DA_ENTRANCE_SLOT
        }
    }
}
