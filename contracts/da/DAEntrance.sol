// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControlEnumerable} from "@openzeppelin/contracts/access/extensions/AccessControlEnumerable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BN254, G1Point, G2Point} from "./BN254.sol";
import {SampleResponse, SampleVerifier} from "./SampleVerifier.sol";
import {SampleRounds} from "./SampleRounds.sol";

/// @notice A quorum's word that its signers hold a blob: bit i of `quorumBitmap`, lowest first, says that the signer of row i has signed.
/// The sum of those signers' public keys in G2 has its imaginary parts first.
struct CommitRootSubmission {
    bytes32 dataRoot;
    uint256 epoch;
    uint256 quorumId;
    G1Point erasureCommitment;
    bytes quorumBitmap;
    G2Point aggPkG2;
    G1Point signature;
}

/// @title The entrance: blobs are announced and paid, confirmed by two thirds of a quorum, and sampled
/// @dev Source of the rules: 0glabs/0g-da-contract, contracts/DAEntrance.sol.
contract DAEntrance is SampleRounds, AccessControlEnumerable, Initializable {
    using BN254 for G1Point;
    using SampleVerifier for SampleResponse;

    /// @notice Who holds this role changes fees, rewards and rounds.
    bytes32 public constant PARAMS_ADMIN_ROLE = keccak256("PARAMS_ADMIN_ROLE");

    uint256 private constant PAIRING_GAS = 120_000;
    /// @dev Bound of what targets are multiplied with, so that a product keeps within a word.
    uint256 private constant ROUND_SUBMISSIONS_MAX = type(uint32).max;
    uint256 private constant FIRST_SAMPLE_PERIOD = 30;
    uint256 private constant FIRST_ROUND_SUBMISSIONS = 20;
    uint256 private constant FIRST_EPOCH_WINDOW = 300;
    uint256 private constant FIRST_REWARD_RATIO = 1_200_000;

    event DataUpload(address sender, bytes32 dataRoot, uint256 epoch, uint256 quorumId, uint256 blobPrice);
    event ErasureCommitmentVerified(bytes32 dataRoot, uint256 epoch, uint256 quorumId);
    event DAReward(
        address indexed beneficiary,
        uint256 indexed sampleRound,
        uint256 indexed epoch,
        uint256 quorumId,
        bytes32 dataRoot,
        uint256 quality,
        uint256 lineIndex,
        uint256 sublineIndex,
        uint256 reward
    );

    /// @dev The commitment of the empty blob, which means that there is none.
    error ZeroCommitment();
    /// @dev A round lasts at least a block.
    error NoSamplePeriod();
    /// @dev The number is above what can be counted with.
    error TooHigh(uint256 value, uint256 highest);

    /// @notice Set up once; the caller becomes the administrator of roles and parameters. Whoever deploys does it in the same transaction,
    /// or looks afterwards who did.
    function initialize() external initializer {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(PARAMS_ADMIN_ROLE, msg.sender);
        DAEntranceStorage storage $ = _state();
        $.currentEpoch = DA_SIGNERS.epochNumber();
        $.podasTarget = MAX_PODAS_TARGET;
        $.targetRoundSubmissionsNext = FIRST_ROUND_SUBMISSIONS;
        $.epochWindowSize = FIRST_EPOCH_WINDOW;
        $.rewardRatio = FIRST_REWARD_RATIO;
        _setSamplePeriod(FIRST_SAMPLE_PERIOD);
    }

    /// @notice Announce blobs and pay for them: `blobPrice` for each. One quorum of the current epoch is drawn for all of them. Nothing of
    /// them is kept here.
    /// @param dataRoots The roots of their encoded rows.
    function submitOriginalData(bytes32[] calldata dataRoots) external payable {
        sync();
        DAEntranceStorage storage $ = _state();
        uint256 price = $.blobPrice;
        require(msg.value >= dataRoots.length * price, "Not enough da blob fee");
        $.currentEpochReward += msg.value;

        uint256 epoch = $.currentEpoch;
        uint256 quorums = DA_SIGNERS.quorumCount(epoch);
        require(quorums > 0, "DAEntrance: No DA Signers");
        uint256 quorumId = ($.quorumIndex + 1) % quorums;
        $.quorumIndex = quorumId;
        for (uint256 index = 0; index < dataRoots.length; index++) {
            emit DataUpload(msg.sender, dataRoots[index], epoch, quorumId, price);
        }
    }

    /// @notice Confirm blobs by what their quorums have signed. Anyone may; those that are confirmed already are passed over.
    /// @param submissions What was signed, and by whom.
    function submitVerifiedCommitRoots(CommitRootSubmission[] calldata submissions) external {
        DAEntranceStorage storage $ = _state();
        for (uint256 index = 0; index < submissions.length; index++) {
            CommitRootSubmission calldata submission = submissions[index];
            bytes32 identifier = _identifier(submission.dataRoot, submission.epoch, submission.quorumId);
            if (!$.verifiedErasureCommitment[identifier].isZero()) continue;

            G1Point memory commitment = submission.erasureCommitment;
            if (commitment.isZero()) revert ZeroCommitment();
            (G1Point memory aggPkG1, uint256 total, uint256 hit) =
                DA_SIGNERS.getAggPkG1(submission.epoch, submission.quorumId, submission.quorumBitmap);
            _checkSignature(submission, aggPkG1);
            require(SLICE_NUMERATOR * total <= SLICE_DENOMINATOR * hit, "DARegistry: insufficient signed slices");

            $.verifiedErasureCommitment[identifier] = commitment;
            emit ErasureCommitmentVerified(submission.dataRoot, submission.epoch, submission.quorumId);
        }
    }

    /// @notice Show a piece of a confirmed blob of a former epoch that the round's seed makes good enough. The signer of its row is
    /// credited, whoever sends it.
    /// @param response The piece.
    function submitSamplingResponse(SampleResponse calldata response) external {
        sync();
        DAEntranceStorage storage $ = _state();
        bytes32 identifier = response.identifier();
        require(!$.submittedSamples[identifier], "Duplicated submission");
        require($.sampleRound > 0, "Sample round 0 cannot be mined");
        require($.roundSubmissions < 2 * $.targetRoundSubmissions, "Too many submissions in one round");
        require(response.sampleSeed == $.currentSampleSeed, "Unmatched sample seed");
        require(response.quality <= $.podasTarget, "Quality not reached");
        require(commitmentExists(response.dataRoot, response.epoch, response.quorumId), "Unrecorded commitment");
        require(response.epoch + $.epochWindowSize >= $.currentEpoch, "Epoch has stopped sampling");
        require(response.epoch < $.currentEpoch, "Cannot sample current epoch");
        response.verify();

        $.submittedSamples[identifier] = true;
        $.roundSubmissions++;
        address beneficiary = DA_SIGNERS.getQuorumRow(response.epoch, response.quorumId, response.lineIndex);
        uint256 reward = _takeReward();
        _credit(beneficiary, reward);
        emit DAReward(
            beneficiary,
            $.sampleRound,
            response.epoch,
            response.quorumId,
            response.dataRoot,
            response.quality,
            response.lineIndex,
            response.sublineIndex,
            reward
        );
    }

    /// @notice Add to the pot of base rewards.
    function donate() external payable {
        sync();
        _state().totalBaseReward += msg.value;
    }

    /// @notice Change how many samples a round should have, from the next on.
    /// @param targetRoundSubmissions_ Not zero, and from a quarter of the current number to four times as many.
    function setRoundSubmissions(uint64 targetRoundSubmissions_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        DAEntranceStorage storage $ = _state();
        uint256 current = $.sampleRound == 0 ? $.targetRoundSubmissionsNext : $.targetRoundSubmissions;
        require(targetRoundSubmissions_ <= 4 * current, "Increase round submissions too large");
        require(targetRoundSubmissions_ >= current / 4, "Decrease round submissions too large");
        require(targetRoundSubmissions_ > 0, "Round submissions cannot be zero");
        if (targetRoundSubmissions_ > ROUND_SUBMISSIONS_MAX) revert TooHigh(targetRoundSubmissions_, ROUND_SUBMISSIONS_MAX);
        $.targetRoundSubmissionsNext = targetRoundSubmissions_;
    }

    /// @notice Change for how many epochs blobs can be sampled, and signers keep them.
    /// @param epochWindowSize_ Not zero.
    function setEpochWindowSize(uint64 epochWindowSize_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        require(epochWindowSize_ > 0, "Epoch window size cannot be zero");
        _state().epochWindowSize = epochWindowSize_;
    }

    /// @notice Change what part of former fees a sample earns.
    /// @param rewardRatio_ One of so many; not zero.
    function setRewardRatio(uint64 rewardRatio_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        require(rewardRatio_ > 0, "Reward ratio must be non-zero");
        _state().rewardRatio = rewardRatio_;
    }

    /// @notice Change what a sample earns besides.
    /// @param baseReward_ In wei.
    function setBaseReward(uint256 baseReward_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        _state().baseReward = baseReward_;
    }

    /// @notice Change how many blocks lie between two rounds, from the next round on.
    /// @param samplePeriod_ Not zero.
    function setSamplePeriod(uint64 samplePeriod_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        _setSamplePeriod(samplePeriod_);
    }

    /// @notice Change the fee for a blob.
    /// @param blobPrice_ In wei.
    function setBlobPrice(uint256 blobPrice_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        _state().blobPrice = blobPrice_;
    }

    /// @notice Change what part of fees goes to the treasury.
    /// @param bps In units of 1/10,000.
    function setServiceFeeRate(uint256 bps) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        if (bps > BPS) revert TooHigh(bps, BPS);
        _state().serviceFeeRateBps = bps;
    }

    /// @notice Change whom the service fee is credited to.
    /// @param treasury_ Zero for no service fee.
    function setTreasury(address treasury_) external onlyRole(PARAMS_ADMIN_ROLE) {
        sync();
        _state().treasury = treasury_;
    }

    /// @notice The commitment that a quorum has signed for a blob; zeros for none.
    /// @param dataRoot Root of its encoded rows.
    /// @param epoch Of the quorum.
    /// @param quorumId Which quorum of the epoch.
    function verifiedErasureCommitment(bytes32 dataRoot, uint256 epoch, uint256 quorumId) public view returns (G1Point memory) {
        return _state().verifiedErasureCommitment[_identifier(dataRoot, epoch, quorumId)];
    }

    /// @notice Whether a blob is confirmed.
    /// @param dataRoot Root of its encoded rows.
    /// @param epoch Of the quorum.
    /// @param quorumId Which quorum of the epoch.
    function commitmentExists(bytes32 dataRoot, uint256 epoch, uint256 quorumId) public view returns (bool) {
        return !verifiedErasureCommitment(dataRoot, epoch, quorumId).isZero();
    }

    function _setSamplePeriod(uint256 samplePeriod_) private {
        if (samplePeriod_ == 0) revert NoSamplePeriod();
        DAEntranceStorage storage $ = _state();
        $.samplePeriod = samplePeriod_;
        if ($.sampleRound == 0) $.nextSampleHeight = (block.number / samplePeriod_ + 1) * samplePeriod_;
    }

    /// @dev One equation for the signature and for both public keys having one secret: a random multiple of the latter is added to each side.
    function _checkSignature(CommitRootSubmission calldata submission, G1Point memory aggPkG1) private view {
        G1Point memory signature = submission.signature;
        G2Point memory aggPkG2 = submission.aggPkG2;
        G1Point memory message = BN254.hashToG1(
            keccak256(
                abi.encode(submission.dataRoot, submission.epoch, submission.quorumId, submission.erasureCommitment)
            )
        );
        uint256 gamma = uint256(keccak256(abi.encode(signature, aggPkG1, aggPkG2, message))) % BN254.FR_MODULUS;
        (bool success, bool valid) = BN254.pairing(
            signature.plus(aggPkG1.times(gamma)),
            BN254.negatedGenerator2(),
            message.plus(BN254.generator().times(gamma)),
            aggPkG2,
            PAIRING_GAS
        );
        require(success, "DARegistry: pairing precompile call failed");
        require(valid, "DARegistry: signature is invalid");
    }

    /// @dev What one sample earns, taken out of the pots.
    function _takeReward() private returns (uint256) {
        DAEntranceStorage storage $ = _state();
        uint256 ofFees = $.activedReward / $.rewardRatio;
        uint256 base = Math.min($.baseReward, $.totalBaseReward);
        $.activedReward -= ofFees;
        $.totalBaseReward -= base;
        return ofFees + base;
    }

    function _identifier(bytes32 dataRoot, uint256 epoch, uint256 quorumId) private pure returns (bytes32) {
        return keccak256(abi.encode(dataRoot, epoch, quorumId));
    }
}
