// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IFlow} from "./IFlow.sol";

/// @notice How mining begins.
struct MineInitParams {
    uint256 difficulty;
    uint256 targetMineBlocks;
    uint256 targetSubmissions;
    uint64 maxShards;
    uint256 nSubtasks;
    uint256 subtaskInterval;
}

/// @title What mining is set to, and how hard it is
/// @notice Each epoch in which something was mined moves the difficulty towards the wanted number of answers.
abstract contract MineSettings is AccessControl, Pausable {
    using SafeCast for uint256;

    /// @notice Who holds this role changes what is set here.
    bytes32 public constant PARAMS_ADMIN_ROLE = keccak256("PARAMS_ADMIN_ROLE");
    /// @notice Who holds this role pauses the contract and lets it go on.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @dev In the beginning an epoch moves the difficulty by a twentieth of what is missing.
    uint64 private constant FIRST_ADJUST_RATIO = 20;
    /// @dev Bound of numbers that are multiplied with a target, which is kept 16 bits below the top for it.
    uint256 private constant FACTOR_MAX = 10_000;
    uint256 private constant TARGET_SHIFT = 16;

    /// @notice Whether the difficulty stays as it began.
    bool public immutable fixedDifficulty;

    /// @notice The flow whose contexts are mined.
    address public flow;
    /// @notice How many shards a miner may divide the flow into.
    uint64 public maxShards;

    /// @notice For how many blocks after its start a window takes answers.
    uint64 public targetMineBlocks;
    /// @notice Answers in an epoch that the difficulty aims at; twice as many are taken.
    uint64 public targetSubmissions;
    /// @notice How many windows an epoch has.
    uint64 public nSubtasks;
    /// @notice Blocks between the starts of two windows.
    uint64 public subtaskInterval;

    /// @notice The same from the next epoch on.
    uint64 public targetSubmissionsNextEpoch;
    /// @notice The same from the next epoch on.
    uint64 public nSubtasksNextEpoch;
    /// @notice The same from the next epoch on.
    uint64 public subtaskIntervalNextEpoch;
    /// @notice An epoch moves the target by this part of what is missing.
    uint64 public difficultyAdjustRatio;

    /// @notice The latest epoch in which something was mined; 0 for none.
    uint128 public lastMinedEpoch;
    /// @notice How many answers it has taken.
    uint128 public currentSubmissions;

    /// @notice The highest quality that is good enough, for the whole flow.
    uint256 public poraTarget;
    /// @notice The target is never above that of this difficulty; 0 for no such bound.
    uint256 public minDifficulty;

    /// @dev The number is above what can be counted with.
    error TooHigh(uint256 value, uint256 highest);

    constructor(bool fixedDifficulty_) {
        fixedDifficulty = fixedDifficulty_;
    }

    function _initializeSettings(address flow_, MineInitParams calldata params) internal {
        flow = flow_;
        poraTarget = type(uint256).max / params.difficulty;
        difficultyAdjustRatio = FIRST_ADJUST_RATIO;
        targetMineBlocks = params.targetMineBlocks.toUint64();
        _setTargetSubmissions(params.targetSubmissions);
        _setMaxShards(params.maxShards);
        require(params.nSubtasks > 0, "Number of subtasks cannot be zero");
        require(params.subtaskInterval > 0, "Subtask interval cannot be zero");
        nSubtasks = nSubtasksNextEpoch = params.nSubtasks.toUint64();
        subtaskInterval = subtaskIntervalNextEpoch = params.subtaskInterval.toUint64();
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(PARAMS_ADMIN_ROLE, msg.sender);
        _grantRole(PAUSER_ROLE, msg.sender);
    }

    /// @notice Take no answers and give out no ids until `unpause`.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Go on after `pause`.
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice Change for how many blocks a window takes answers.
    /// @param targetMineBlocks_ At most 256.
    function setTargetMineBlocks(uint256 targetMineBlocks_) external onlyRole(PARAMS_ADMIN_ROLE) {
        require(targetMineBlocks_ <= 256, "target mine block must <= 256");
        targetMineBlocks = uint64(targetMineBlocks_);
    }

    /// @notice Change how many answers an epoch should have, from the next on.
    /// @param targetSubmissions_ How many.
    function setTargetSubmissions(uint256 targetSubmissions_) external onlyRole(PARAMS_ADMIN_ROLE) {
        _setTargetSubmissions(targetSubmissions_);
    }

    /// @notice Change how fast the difficulty moves.
    /// @param difficultyAdjustRatio_ By what part of the missing in an epoch: 1 is at once.
    function setDifficultyAdjustRatio(uint256 difficultyAdjustRatio_) external onlyRole(PARAMS_ADMIN_ROLE) {
        require(difficultyAdjustRatio_ > 0, "Adjust ratio must be non-zero");
        if (difficultyAdjustRatio_ > FACTOR_MAX) revert TooHigh(difficultyAdjustRatio_, FACTOR_MAX);
        difficultyAdjustRatio = uint64(difficultyAdjustRatio_);
    }

    /// @notice Change how many shards a miner may divide the flow into.
    /// @param maxShards_ A power of two.
    function setMaxShards(uint64 maxShards_) external onlyRole(PARAMS_ADMIN_ROLE) {
        _setMaxShards(maxShards_);
    }

    /// @notice Change the least difficulty, at once.
    /// @param minDifficulty_ 0 for no bound.
    function setMinDifficulty(uint256 minDifficulty_) external onlyRole(PARAMS_ADMIN_ROLE) {
        minDifficulty = minDifficulty_;
        poraTarget = Math.min(poraTarget, _targetMax());
    }

    /// @notice Change how many windows an epoch has, from the next on.
    /// @param nSubtasks_ How many; all must end within the epoch.
    function setNumSubtasks(uint256 nSubtasks_) external onlyRole(PARAMS_ADMIN_ROLE) {
        require(nSubtasks_ > 0, "Number of subtasks cannot be zero");
        require(_fits(nSubtasks_, subtaskIntervalNextEpoch), "Number of subtasks must be less than blocks per epoch");
        nSubtasksNextEpoch = nSubtasks_.toUint64();
        if (lastMinedEpoch == 0) nSubtasks = nSubtasksNextEpoch;
    }

    /// @notice Change how many blocks lie between two windows, from the next epoch on.
    /// @param subtaskInterval_ How many; all windows must end within the epoch.
    function setSubtaskInterval(uint256 subtaskInterval_) external onlyRole(PARAMS_ADMIN_ROLE) {
        require(subtaskInterval_ > 0, "Subtask interval cannot be zero");
        require(_fits(nSubtasksNextEpoch, subtaskInterval_), "Number of subtask intervals must be less than blocks per epoch");
        subtaskIntervalNextEpoch = subtaskInterval_.toUint64();
        if (lastMinedEpoch == 0) subtaskInterval = subtaskIntervalNextEpoch;
    }

    /// @dev Before the first answer in an epoch: what was mined in the one before sets the difficulty, and what was set for this one
    /// begins to hold. Epochs in which nothing was mined do not count.
    function _enterEpoch(uint256 epoch) internal {
        if (epoch <= lastMinedEpoch) return;
        if (lastMinedEpoch > 0) {
            if (!fixedDifficulty) poraTarget = _adjustedTarget();
            currentSubmissions = 0;
            targetSubmissions = targetSubmissionsNextEpoch;
            nSubtasks = nSubtasksNextEpoch;
            subtaskInterval = subtaskIntervalNextEpoch;
        }
        lastMinedEpoch = epoch.toUint128();
    }

    /// @dev Whether the epoch takes no more answers.
    function _isFull() internal view returns (bool) {
        return currentSubmissions >= 2 * uint256(targetSubmissions);
    }

    function _adjustedTarget() private view returns (uint256) {
        uint256 target = poraTarget >> TARGET_SHIFT;
        uint256 highest = type(uint256).max >> TARGET_SHIFT;
        uint256 expected = currentSubmissions == 0 ? highest : target * targetSubmissions / currentSubmissions;
        uint256 adjusted = (target * (difficultyAdjustRatio - 1) + expected) / difficultyAdjustRatio;
        adjusted = Math.min(Math.max(Math.min(adjusted, 2 * target), target / 2), highest);
        return Math.min(adjusted << TARGET_SHIFT, _targetMax());
    }

    function _targetMax() private view returns (uint256) {
        return minDifficulty == 0 ? type(uint256).max : type(uint256).max / minDifficulty;
    }

    function _setTargetSubmissions(uint256 targetSubmissions_) private {
        if (targetSubmissions_ > FACTOR_MAX) revert TooHigh(targetSubmissions_, FACTOR_MAX);
        targetSubmissionsNextEpoch = uint64(targetSubmissions_);
        if (lastMinedEpoch == 0) targetSubmissions = targetSubmissionsNextEpoch;
    }

    function _setMaxShards(uint64 maxShards_) private {
        require(maxShards_ > 0, "Max shard number cannot be zero");
        require(maxShards_ & (maxShards_ - 1) == 0, "Max shard number must be power of 2");
        maxShards = maxShards_;
    }

    /// @dev Whether the last window ends within an epoch.
    function _fits(uint256 windows, uint256 interval) private view returns (bool) {
        uint256 lastStart = Math.saturatingMul(windows - 1, interval);
        return Math.saturatingAdd(lastStart, targetMineBlocks + 1) < IFlow(flow).blocksPerEpoch();
    }
}
