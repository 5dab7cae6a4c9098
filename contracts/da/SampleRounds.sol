// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDASigners} from "./IDASigners.sol";
import {EntranceState} from "./EntranceState.sol";
import {PullPayment} from "./PullPayment.sol";

/// @notice What a miner of samples has to do now.
struct SampleTask {
    bytes32 sampleHash;
    uint256 podasTarget;
    uint64 restSubmissions;
}

/// @notice The epochs whose blobs can be sampled, both included.
struct SampleRange {
    uint64 startEpoch;
    uint64 endEpoch;
}

/// @title Epochs and rounds of sampling, as the chain's height makes them
/// @notice However long nothing happened, going on costs no more than a few hundred thousand gas.
abstract contract SampleRounds is EntranceState, PullPayment {
    uint256 internal constant BPS = 10_000;
    /// @dev A target is kept without its lowest bits while it is counted with.
    uint256 private constant TARGET_SHIFT = 32;
    /// @dev A round moves the target by this part of what is missing.
    uint256 private constant ADJUST_DIVISOR = 8;
    /// @dev Rounds of which contracts could learn the seed in time for them are told in events.
    uint256 private constant BLOCK_HASH_WINDOW = 256;

    /// @dev All of a round that goes on to the next, away from storage.
    struct Rounds {
        uint256 number;
        uint256 height;
        uint256 target;
        uint256 goal;
        uint256 period;
    }

    event NewSampleRound(uint256 indexed sampleRound, uint256 sampleHeight, bytes32 sampleSeed, uint256 podasTarget);

    /// @notice Go on to the epoch and the round that the chain's height says.
    function sync() public {
        _sync(type(uint256).max);
    }

    /// @notice The same, by at most so many rounds.
    /// @param times How many; fewer where no more are due.
    function syncFixedTimes(uint256 times) external {
        _sync(times);
    }

    /// @notice The current round, after `sync`: meant for calls that leave no trace.
    function sampleTask() external returns (SampleTask memory) {
        sync();
        DAEntranceStorage storage $ = _state();
        return SampleTask($.currentSampleSeed, $.podasTarget, uint64(2 * $.targetRoundSubmissions - $.roundSubmissions));
    }

    /// @notice The epochs that can be sampled, after `sync`: meant for calls that leave no trace.
    function sampleRange() external returns (SampleRange memory) {
        sync();
        DAEntranceStorage storage $ = _state();
        uint256 end = Math.saturatingSub($.currentEpoch, 1);
        uint256 start = end >= $.epochWindowSize ? end - ($.epochWindowSize - 1) : 0;
        return SampleRange(uint64(start), uint64(end));
    }

    function _sync(uint256 times) private {
        _syncEpoch();
        _syncRounds(times);
    }

    function _syncEpoch() private {
        (bool success,) = address(DA_SIGNERS).call(abi.encodeCall(IDASigners.makeEpoch, ()));
        require(success, "DAEntrance: make epoch failed");
        DAEntranceStorage storage $ = _state();
        uint256 epoch = DA_SIGNERS.epochNumber();
        if (epoch == $.currentEpoch) return;

        $.currentEpoch = epoch;
        uint256 fee = $.treasury == address(0) ? 0 : $.currentEpochReward * $.serviceFeeRateBps / BPS;
        $.activedReward += $.currentEpochReward - fee;
        $.currentEpochReward = 0;
        _credit($.treasury, fee);
    }

    /// @dev What is left behind is as if all rounds had been made one by one. Of those that were over before their seed could be used
    /// nothing is told, so the work has a bound: at most 256 blocks' rounds are told, and an empty round either raises the target by an
    /// eighth, which the highest ends, or leaves it.
    function _syncRounds(uint256 times) private {
        DAEntranceStorage storage $ = _state();
        Rounds memory rounds =
            Rounds($.sampleRound, $.nextSampleHeight, $.podasTarget, $.targetRoundSubmissionsNext, $.samplePeriod);
        if (block.number < rounds.height || times == 0) return;

        uint256 count = Math.min((block.number - rounds.height) / rounds.period + 1, times);
        if (rounds.number > 0) rounds.target = _adjusted(rounds.target, $.roundSubmissions, $.targetRoundSubmissions);
        uint256 silent = Math.min(count - 1, _passedRounds(rounds));
        rounds.target = _afterEmptyRounds(rounds.target, silent);
        rounds.number += silent;
        rounds.height += silent * rounds.period;
        bytes32 seed;
        for (uint256 told = silent; told < count; told++) {
            if (told > silent) rounds.target = _afterEmptyRounds(rounds.target, 1);
            seed = Blockhash.blockHash(rounds.height - 1);
            rounds.number++;
            emit NewSampleRound(rounds.number, rounds.height, seed, rounds.target);
            rounds.height += rounds.period;
        }

        $.sampleRound = rounds.number;
        $.nextSampleHeight = rounds.height;
        $.podasTarget = rounds.target;
        $.currentSampleSeed = seed;
        $.roundSubmissions = 0;
        $.targetRoundSubmissions = rounds.goal;
    }

    /// @dev How many of the due rounds began so long ago that no contract would still be told the hash of the block before.
    function _passedRounds(Rounds memory rounds) private view returns (uint256) {
        uint256 oldest = Math.saturatingSub(block.number, BLOCK_HASH_WINDOW) + 1;
        return Math.ceilDiv(Math.saturatingSub(oldest, rounds.height), rounds.period);
    }

    /// @dev The target after so many rounds without any sample.
    function _afterEmptyRounds(uint256 target, uint256 count) private pure returns (uint256) {
        if (count == 0) return target;
        uint256 scaled = target >> TARGET_SHIFT;
        uint256 highest = MAX_PODAS_TARGET >> TARGET_SHIFT;
        for (uint256 done = 0; done < count && scaled < highest; done++) {
            uint256 raise = scaled / ADJUST_DIVISOR;
            if (raise == 0) break;
            scaled += raise;
        }
        return _unscaled(scaled);
    }

    /// @dev The target after a round that had so many samples and should have had `goal`.
    function _adjusted(uint256 target, uint256 actual, uint256 goal) private pure returns (uint256) {
        uint256 scaled = target >> TARGET_SHIFT;
        if (actual > goal) {
            scaled -= scaled * (actual - goal) / goal / ADJUST_DIVISOR;
        } else {
            scaled += scaled * (goal - actual) / goal / ADJUST_DIVISOR;
        }
        return _unscaled(scaled);
    }

    function _unscaled(uint256 scaled) private pure returns (uint256) {
        return scaled >= MAX_PODAS_TARGET >> TARGET_SHIFT ? MAX_PODAS_TARGET : scaled << TARGET_SHIFT;
    }
}
