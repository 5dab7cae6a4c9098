// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EMPTY_HASH, EpochRange, IFlow, MineContext} from "./IFlow.sol";
import {IReward} from "./IReward.sol";
import {MineInitParams, MineSettings} from "./MineSettings.sol";
import {Pora, PoraAnswer} from "./Pora.sol";
import {RecallRange, RecallRanges} from "./RecallRange.sol";

/// @notice All that a miner needs to begin: a target of zero means that there is nothing to do.
struct WorkerContext {
    MineContext context;
    uint256 poraTarget;
    bytes32 subtaskDigest;
    uint64 maxShards;
}

/// @title The mine: who proves that it stores the flow is credited for it
/// @notice An answer shows a seal of 4,096 bytes, covered in a way of the miner's own, that a nonce drew from the miner's part of the flow.
/// @dev Source of the rules: 0gfoundation/0g-storage-contracts, 0gfoundation/0g-storage-node (`zgs_seal`, `miner`).
contract PoraMine is MineSettings, Initializable {
    using Pora for PoraAnswer;
    using RecallRanges for RecallRange;

    uint256 private constant NO_SEAL = 1;
    uint256 private constant NO_DATA_PROOF = 2;
    uint256 private constant FIXED_DIFFICULTY = 4;
    /// @dev Who only ever asks: nobody can send a transaction from here.
    address private constant CALLER_OF_CALLS = address(0x0A);

    /// @notice Version of the rules, which miners compare with theirs.
    uint64 public constant poraVersion = 1;
    /// @notice Whether data has to be sealed.
    bool public immutable sealDataEnabled;
    /// @notice Whether data has to be that of the flow.
    bool public immutable dataProofEnabled;
    /// @notice Sectors of a pricing chunk. Ranges begin at multiples of it.
    uint256 public immutable pricingChunkSectors;

    /// @notice The contract that credits miners.
    address public reward;
    /// @notice Who is credited for a miner's answers; zero for an id that nobody has.
    mapping(bytes32 minerId => address beneficiary) public beneficiaries;

    mapping(bytes32 quality => bool) private _submitted;

    event NewMinerId(bytes32 indexed minerId, address indexed beneficiary);
    event UpdateMinerId(bytes32 indexed minerId, address indexed from, address indexed to);
    event NewSubmission(uint256 indexed epoch, bytes32 indexed minerId, uint256 epochIndex, uint256 recallPosition);

    /// @dev Nobody would be credited.
    error NoBeneficiary();
    /// @dev A range begins at a multiple of something.
    error NoSectors();

    /// @param settings What is left out, added up: 1 sealing, 2 the proof of data, 4 changes of the difficulty.
    /// @param pricingChunkSectors_ Sectors of a pricing chunk, as flow and reward have it.
    constructor(uint256 settings, uint256 pricingChunkSectors_) MineSettings(settings & FIXED_DIFFICULTY != 0) {
        if (pricingChunkSectors_ == 0) revert NoSectors();
        sealDataEnabled = settings & NO_SEAL == 0;
        dataProofEnabled = settings & NO_DATA_PROOF == 0;
        pricingChunkSectors = pricingChunkSectors_;
    }

    /// @notice Set up once; the caller becomes administrator and pauser. Whoever deploys does it in the same transaction, or
    /// looks afterwards who did.
    /// @param flow_ The flow whose contexts are mined.
    /// @param reward_ The contract that credits miners.
    /// @param params How mining begins.
    function initialize(address flow_, address reward_, MineInitParams calldata params) external initializer {
        reward = reward_;
        _initializeSettings(flow_, params);
    }

    /// @notice Get an id to mine with. Each call makes another.
    /// @param beneficiary Who is credited.
    /// @param seed Tells several apart that one account asks for in one block.
    function requestMinerId(address beneficiary, uint64 seed) external whenNotPaused {
        if (beneficiary == address(0)) revert NoBeneficiary();
        bytes32 minerId = keccak256(abi.encodePacked(blockhash(block.number - 1), msg.sender, seed));
        require(beneficiaries[minerId] == address(0), "MinerId has registered");
        beneficiaries[minerId] = beneficiary;
        emit NewMinerId(minerId, beneficiary);
    }

    /// @notice Credit somebody else for answers to come. For who is credited now.
    /// @param to The next beneficiary.
    /// @param minerId Whose answers.
    function transferBeneficial(address to, bytes32 minerId) external {
        require(beneficiaries[minerId] == msg.sender, "Sender does not own minerId");
        if (to == address(0)) revert NoBeneficiary();
        beneficiaries[minerId] = to;
        emit UpdateMinerId(minerId, msg.sender, to);
    }

    /// @notice Prove that something is stored. Half of what its pricing chunk has released and not paid is credited, and the base reward.
    /// @param answer What a nonce drew.
    function submit(PoraAnswer calldata answer) external whenNotPaused {
        address beneficiary = _beneficiary(answer.minerId);
        MineContext memory context = IFlow(flow).makeContextWithResult();
        _enterEpoch(context.epoch);
        bytes32 subtaskDigest = _openSubtask(context, answer.minerId);
        _checkTask(answer, context);
        _checkData(answer, context.flowRoot);
        bytes32 quality = answer.quality(subtaskDigest);
        require(uint256(quality) <= answer.range.scaled(poraTarget, context.flowLength), "Do not reach target quality");
        require(!_submitted[quality], "Answer has been submitted");

        _submitted[quality] = true;
        emit NewSubmission(context.epoch, answer.minerId, currentSubmissions++, answer.recallPosition);
        IReward(reward).claimMineReward(answer.recallPosition / pricingChunkSectors, payable(beneficiary), answer.minerId);
    }

    /// @notice Whether the epoch still takes answers.
    function canSubmit() external returns (bool) {
        MineContext memory context = IFlow(flow).makeContextWithResult();
        return context.epoch > lastMinedEpoch || !_isFull();
    }

    /// @notice What a miner has to do now. Only for a call from 0x…0A that leaves no trace, since it goes on to the next epoch.
    /// @param minerId Which miner.
    /// @return worker Target and digest are zero outside of the miner's window, the target also where the epoch takes no more.
    function computeWorkerContext(bytes32 minerId) external returns (WorkerContext memory worker) {
        require(msg.sender == CALLER_OF_CALLS, "Only authorized caller can compute worker context");
        _beneficiary(minerId);
        worker.maxShards = maxShards;
        worker.context = IFlow(flow).makeContextWithResult();
        _enterEpoch(worker.context.epoch);
        uint256 start = _subtaskStart(worker.context, minerId);
        if (block.number <= start || block.number > start + targetMineBlocks) return worker;
        worker.subtaskDigest = _subtaskDigest(worker.context, start);
        if (worker.context.digest != EMPTY_HASH && !_isFull()) worker.poraTarget = poraTarget;
    }

    function _beneficiary(bytes32 minerId) private view returns (address beneficiary) {
        require(minerId != 0, "MinerId cannot be zero");
        beneficiary = beneficiaries[minerId];
        require(beneficiary != address(0), "MinerId does not registered");
    }

    /// @dev Digest and miner choose one of the epoch's windows, so that not all answers come at once.
    function _subtaskStart(MineContext memory context, bytes32 minerId) private view returns (uint256) {
        uint256 number = uint256(keccak256(abi.encode(context.digest, minerId))) % nSubtasks;
        return context.mineStart + number * subtaskInterval;
    }

    /// @dev Nobody knows it before the window opens.
    function _subtaskDigest(MineContext memory context, uint256 start) private view returns (bytes32) {
        return keccak256(abi.encode(context.digest, Blockhash.blockHash(start)));
    }

    function _openSubtask(MineContext memory context, bytes32 minerId) private view returns (bytes32) {
        uint256 start = _subtaskStart(context, minerId);
        require(block.number > start, "Earlier than expected subtask start block.");
        require(block.number <= start + targetMineBlocks, "Mine deadline exceed");
        return _subtaskDigest(context, start);
    }

    function _checkTask(PoraAnswer calldata answer, MineContext memory context) private view {
        require(context.digest == answer.contextDigest, "Inconsistent mining digest");
        require(context.digest != EMPTY_HASH, "Empty digest can not mine");
        require(!_isFull(), "Epoch has enough submissions");
        answer.range.check(context.flowLength, pricingChunkSectors);
        EpochRange memory sealedIn = IFlow(flow).getEpochRange(answer.sealedContextDigest);
        uint256 end = Math.saturatingAdd(answer.recallPosition, Pora.SEAL_SECTORS);
        require(sealedIn.start < end && end <= sealedIn.end, "Invalid sealed context digest");
        require(answer.range.shards() <= maxShards, "Exceeding the allowed number of shards");
    }

    function _checkData(PoraAnswer calldata answer, bytes32 flowRoot) private view {
        bytes32[128] memory data;
        if (sealDataEnabled) {
            require(answer.sealedContextDigest != EMPTY_HASH, "Seal digest cannot be empty");
            data = answer.unseal();
        } else {
            data = answer.sealedData;
        }
        if (dataProofEnabled) require(answer.flowRoot(data) == flowRoot, "Inconsistent merkle root");
    }
}
