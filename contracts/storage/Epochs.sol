// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {DigestHistory} from "./DigestHistory.sol";
import {FlowTree, FlowTrees} from "./FlowTree.sol";
import {EMPTY_HASH, EpochRange, IFlow, MineContext} from "./IFlow.sol";

/// @notice Positions of the flow, `end` excluded, that an epoch added, with the digest of the epoch's context.
struct EpochRangeWithContextDigest {
    uint128 start;
    uint128 end;
    bytes32 digest;
}

/// @title The flow's clock
/// @notice Time is cut into epochs of as many blocks each. The first transaction after an epoch's end makes the context of the
/// next: it fixes the flow's root and length, and binds them to the hash of the block at the boundary.
abstract contract Epochs is IFlow, AccessControl, Pausable, Initializable {
    using FlowTrees for FlowTree;

    uint256 private constant ROOTS_KEPT = 1000;
    /// @dev Blocks whose hashes the chain still tells. Source: EIP-2935.
    uint256 private constant BLOCK_HASH_WINDOW = 8191;

    /// @notice Who holds this role pauses the contract and lets it go on.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @notice Blocks between the set-up and the first block that takes submissions.
    uint256 public immutable deployDelay;

    /// @notice Length of the flow when the last recorded range ended.
    uint256 public epochStartPosition;
    /// @notice The first block that takes submissions; epoch 0 begins there.
    uint256 public firstBlock;
    /// @notice How many blocks an epoch lasts; 0 until it is set, and then no epoch ends.
    uint256 public blocksPerEpoch;
    /// @notice The roots of the flow at the latest 1,000 boundaries.
    DigestHistory public rootHistory;
    /// @notice How many submissions there have been: the index of the next.
    uint256 public submissionIndex;

    FlowTree internal _tree;
    MineContext private _context;
    mapping(bytes32 digest => EpochRange) private _ranges;
    /// @dev Digests of the ranges, in their order.
    bytes32[] private _history;

    event NewEpoch(
        address indexed sender,
        uint256 indexed index,
        bytes32 startMerkleRoot,
        uint256 submissionIndex,
        uint256 flowLength,
        bytes32 context
    );

    modifier launched() {
        require(block.number >= firstBlock, "Contract has not launched.");
        _;
    }

    constructor(uint256 deployDelay_) {
        deployDelay = deployDelay_;
    }

    function _initializeEpochs(uint256 blocksPerEpoch_) internal {
        _tree.initialize();
        firstBlock = block.number + deployDelay;
        blocksPerEpoch = blocksPerEpoch_;
        rootHistory = new DigestHistory(ROOTS_KEPT);
        _context = MineContext(0, firstBlock, _tree.root(), _tree.length, EMPTY_HASH, EMPTY_HASH);
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(PAUSER_ROLE, msg.sender);
    }

    /// @notice Fill those parameters that are still zero. For the administrator.
    /// @param blocksPerEpoch_ How many blocks an epoch lasts.
    /// @param firstBlock_ The first block that takes submissions.
    /// @param rootHistory_ Where roots are kept; this contract owns it.
    function setParams(uint256 blocksPerEpoch_, uint256 firstBlock_, address rootHistory_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (blocksPerEpoch == 0) blocksPerEpoch = blocksPerEpoch_;
        if (firstBlock == 0) firstBlock = firstBlock_;
        if (address(rootHistory) == address(0)) rootHistory = DigestHistory(rootHistory_);
    }

    /// @notice Take no submissions and make no contexts until `unpause`.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Go on after `pause`.
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice Make the contexts of all epochs that have begun. A submission does it too.
    function makeContext() public launched {
        _makeContexts(type(uint256).max);
    }

    /// @notice Make at most so many contexts.
    /// @param count How many; fewer where no more are due.
    function makeContextFixedTimes(uint256 count) external launched {
        _makeContexts(count);
    }

    /// @notice As `makeContext`, and tell the current one: meant for calls that leave no trace.
    function makeContextWithResult() external returns (MineContext memory) {
        makeContext();
        return _context;
    }

    /// @notice Number of the current epoch, from 0.
    function epoch() external view returns (uint256) {
        return _context.epoch;
    }

    /// @notice The latest context that was made.
    function getContext() external view returns (MineContext memory) {
        return _context;
    }

    /// @notice The positions that an epoch added; zeros where it added none, and for a digest that never was.
    /// @param digest Digest of the epoch's context.
    function getEpochRange(bytes32 digest) external view returns (EpochRange memory) {
        return _ranges[digest];
    }

    /// @notice The recorded ranges in their order. Epochs that added nothing have none, nor those whose boundary was too old when it
    /// was seen: what these added belongs to the next.
    /// @param index Which one, from 0.
    function getEpochRangeHistory(uint256 index) external view returns (EpochRangeWithContextDigest memory) {
        return _rangeOf(_history[index]);
    }

    /// @notice The range that holds a position, after all due contexts are made.
    /// @param targetPosition A position of the flow that an ended epoch added.
    function queryContextAtPosition(uint128 targetPosition) external returns (EpochRangeWithContextDigest memory range) {
        makeContext();
        require(targetPosition < _tree.length, "Queried position exceeds upper bound");
        uint256 low;
        uint256 high = _history.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            range = _rangeOf(_history[middle]);
            if (targetPosition >= range.end) {
                low = middle + 1;
            } else if (targetPosition < range.start) {
                high = middle;
            } else {
                return range;
            }
        }
        revert("Can not find proper context");
    }

    /// @dev Make the contexts that are due, at most `count`. Nothing is submitted in between, so all share root and length. Those whose
    /// boundary is too old leave nothing behind that the next does not replace, so they are passed in one step.
    function _makeContexts(uint256 count) internal whenNotPaused {
        uint256 before = _context.epoch;
        uint256 last = Math.min(_epochAt(block.number), Math.saturatingAdd(before, count));
        if (last <= before) return;

        MineContext memory context = MineContext(before, 0, _tree.root(), _tree.length, 0, 0);
        rootHistory.insertRepeated(context.flowRoot, last - before);
        uint256 unknown = _epochAt(Math.saturatingSub(block.number, BLOCK_HASH_WINDOW));
        if (unknown > before) _begin(context, Math.min(unknown, last));
        while (context.epoch < last) {
            _begin(context, context.epoch + 1);
        }
        _context = context;
    }

    /// @dev The epoch in which a block lies; it began after the block at its boundary.
    function _epochAt(uint256 number) private view returns (uint256) {
        if (blocksPerEpoch == 0 || number <= firstBlock) return 0;
        return (number - firstBlock - 1) / blocksPerEpoch;
    }

    /// @dev Turn the context before into that of `epoch_`.
    function _begin(MineContext memory context, uint256 epoch_) private {
        context.epoch = epoch_;
        context.mineStart = firstBlock + epoch_ * blocksPerEpoch;
        context.blockDigest = _boundaryHash(context.mineStart);
        if (context.blockDigest == EMPTY_HASH) {
            context.digest = EMPTY_HASH;
        } else {
            context.digest = keccak256(abi.encode(context.blockDigest, context.flowRoot, context.flowLength));
            if (context.flowLength > epochStartPosition) _record(context);
        }
        emit NewEpoch(msg.sender, epoch_, context.flowRoot, submissionIndex, context.flowLength, context.digest);
    }

    function _record(MineContext memory context) private {
        uint128 start = SafeCast.toUint128(epochStartPosition);
        uint128 end = SafeCast.toUint128(context.flowLength);
        _ranges[context.digest] = EpochRange(start, end);
        _history.push(context.digest);
        epochStartPosition = end;
    }

    function _rangeOf(bytes32 digest) private view returns (EpochRangeWithContextDigest memory) {
        EpochRange memory range = _ranges[digest];
        return EpochRangeWithContextDigest(range.start, range.end, digest);
    }

    /// @dev `EMPTY_HASH` for a block that is too old, or of which a chain that began later knows nothing.
    function _boundaryHash(uint256 number) private view returns (bytes32) {
        if (number + BLOCK_HASH_WINDOW < block.number) return EMPTY_HASH;
        bytes32 blockHash = Blockhash.blockHash(number);
        return blockHash == 0 ? EMPTY_HASH : blockHash;
    }
}
