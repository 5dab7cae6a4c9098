// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IReward} from "./IReward.sol";

/// @notice What is kept for those who store a pricing chunk, in wei: not yet released, released, paid out; and when the release
/// began (0 while the chunk is not full) and was last counted, in seconds since 1970.
struct Reward {
    uint128 lockedReward;
    uint128 claimableReward;
    uint128 distributedReward;
    uint40 startTime;
    uint40 lastUpdate;
}

/// @dev Pricing chunks from `first` to before `end` that one fill covered wholly: each has the same reward, released from the same time.
struct Span {
    uint64 first;
    uint64 end;
    uint40 startTime;
    uint128 lockedReward;
}

/// @title Rewards that are released evenly over time
/// @notice Fees are kept by pricing chunks of as many sectors each. Once the flow has filled a chunk, its reward is released
/// evenly; each proof of storage takes half of what is released and not yet paid. Nobody is sent money: it is credited, and
/// fetched by `withdrawPayments`.
contract ChunkLinearReward is IReward, AccessControl, Initializable {
    using SafeCast for uint256;

    /// @notice Who holds this role sets the base reward.
    bytes32 public constant PARAMS_ADMIN_ROLE = keccak256("PARAMS_ADMIN_ROLE");

    uint256 private constant BPS = 10000;

    /// @inheritdoc IReward
    uint256 public immutable releaseSeconds;
    /// @notice Sectors of a pricing chunk.
    uint256 public immutable pricingChunkSectors;

    /// @notice The market whose fees are kept.
    address public market;
    /// @notice The contract that checks proofs of storage.
    address public mine;
    /// @notice Who sets the service fee, the treasury, and its own successor.
    address public foundationAdmin;
    /// @notice Where the service fee goes; zero for no service fee.
    address public treasury;
    /// @notice The part of fees that goes to the treasury, in units of 1/10,000.
    uint256 public serviceFeeRateBps;
    /// @notice What each proof earns beside the chunk's reward while that is being released, in wei.
    uint256 public baseReward;
    /// @notice The pot of base rewards, in wei.
    uint256 public totalBaseReward;
    /// @notice What an account may withdraw, in wei.
    mapping(address payee => uint256 amount) public payments;

    /// @dev Of chunks that were filled in parts, and of all that were ever claimed.
    mapping(uint256 pricingIndex => Reward) private _rewards;
    /// @dev Of all other chunks that are full, in their order.
    Span[] private _spans;

    event DistributeReward(uint256 indexed pricingIndex, address indexed beneficiary, bytes32 indexed minerId, uint256 amount);

    /// @dev A release that takes no time cannot be even.
    error NoReleaseTime();
    /// @dev A reward is kept for sectors, and there are none.
    error NoSectors();
    /// @dev More than the whole fee.
    error ServiceFeeTooHigh(uint256 bps);

    modifier onlyFoundationAdmin() {
        require(msg.sender == foundationAdmin, "Sender does not have permission");
        _;
    }

    /// @param releaseSeconds_ Over how long the reward of a chunk is released.
    /// @param pricingChunkSectors_ Sectors of a pricing chunk.
    constructor(uint256 releaseSeconds_, uint256 pricingChunkSectors_) {
        if (releaseSeconds_ == 0) revert NoReleaseTime();
        if (pricingChunkSectors_ == 0) revert NoSectors();
        releaseSeconds = releaseSeconds_;
        pricingChunkSectors = pricingChunkSectors_;
    }

    /// @notice Set up once; the caller becomes the administrator of roles and of the base reward. Whoever deploys does it in
    /// the same transaction, or looks afterwards who did.
    /// @param market_ The market whose fees are kept.
    /// @param mine_ The contract that checks proofs of storage.
    /// @param foundationAdmin_ Who sets service fee and treasury.
    function initialize(address market_, address mine_, address foundationAdmin_) external initializer {
        market = market_;
        mine = mine_;
        foundationAdmin = foundationAdmin_;
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(PARAMS_ADMIN_ROLE, msg.sender);
    }

    /// @inheritdoc IReward
    /// @dev For the market alone. Each chunk gets the part of the value that its sectors are of all; not a wei is lost to
    /// rounding. A chunk whose last sector is reached is closed: its release begins, and it takes no more. However many chunks are
    /// covered, the call costs the same: those between the first and the last are kept together.
    function fillReward(uint256 beforeLength, uint256 sectors) external payable {
        require(msg.sender == market, "Sender does not have permission");
        if (sectors == 0) revert NoSectors();
        uint256 fee = treasury == address(0) ? 0 : msg.value * serviceFeeRateBps / BPS;
        payments[treasury] += fee;

        uint256 value = msg.value - fee;
        uint256 pricingIndex = beforeLength / pricingChunkSectors;
        uint256 room = pricingChunkSectors - beforeLength % pricingChunkSectors;
        if (sectors < room) {
            _fill(pricingIndex, value, false);
            return;
        }
        uint256 rest = sectors - room;
        uint256 whole = rest / pricingChunkSectors;
        uint256 each = value * pricingChunkSectors / sectors;
        uint256 last = value * (rest % pricingChunkSectors) / sectors;
        _fill(pricingIndex, value - whole * each - last, true);
        if (whole > 0) _fillWhole(pricingIndex + 1, whole, each);
        if (rest % pricingChunkSectors > 0) _fill(pricingIndex + 1 + whole, last, false);
    }

    /// @inheritdoc IReward
    /// @dev For the mine alone. Nothing while the chunk is not full.
    function claimMineReward(uint256 pricingIndex, address payable beneficiary, bytes32 minerId) external {
        require(msg.sender == mine, "Sender does not have permission");
        Reward memory reward = _reward(pricingIndex);
        if (reward.startTime == 0) return;

        uint256 amount = _release(reward);
        _rewards[pricingIndex] = reward;
        if (reward.startTime + releaseSeconds > block.timestamp) {
            uint256 base = Math.min(baseReward, totalBaseReward);
            totalBaseReward -= base;
            amount += base;
        }
        if (amount == 0) return;
        payments[beneficiary] += amount;
        emit DistributeReward(pricingIndex, beneficiary, minerId, amount);
    }

    /// @inheritdoc IReward
    function donate() external payable {
        totalBaseReward += msg.value;
    }

    /// @notice Send an account what is credited to it. Anyone may ask; the money goes to the account.
    /// @param payee Whose.
    function withdrawPayments(address payable payee) external {
        uint256 amount = payments[payee];
        payments[payee] = 0;
        Address.sendValue(payee, amount);
    }

    /// @notice Change what each proof earns beside the chunk's reward.
    /// @param baseReward_ In wei.
    function setBaseReward(uint256 baseReward_) external onlyRole(PARAMS_ADMIN_ROLE) {
        baseReward = baseReward_;
    }

    /// @notice Change the part of fees that goes to the treasury.
    /// @param bps In units of 1/10,000.
    function setServiceFeeRate(uint256 bps) external onlyFoundationAdmin {
        if (bps > BPS) revert ServiceFeeTooHigh(bps);
        serviceFeeRateBps = bps;
    }

    /// @notice Change where the service fee goes; what is credited already stays where it is.
    /// @param treasury_ Zero for no service fee.
    function setTreasury(address treasury_) external onlyFoundationAdmin {
        treasury = treasury_;
    }

    /// @notice Hand the foundation's part over.
    /// @param foundationAdmin_ The successor.
    function setFoundationAdmin(address foundationAdmin_) external onlyFoundationAdmin {
        foundationAdmin = foundationAdmin_;
    }

    /// @notice The reward of a pricing chunk, in wei and in seconds since 1970.
    /// @param pricingIndex Number of the chunk.
    function rewards(uint256 pricingIndex)
        external
        view
        returns (uint128 lockedReward, uint128 claimableReward, uint128 distributedReward, uint40 startTime, uint40 lastUpdate)
    {
        Reward memory reward = _reward(pricingIndex);
        return (reward.lockedReward, reward.claimableReward, reward.distributedReward, reward.startTime, reward.lastUpdate);
    }

    /// @inheritdoc IReward
    function rewardDeadline(uint256 pricingIndex) public view returns (uint256) {
        uint256 start = _reward(pricingIndex).startTime;
        return start == 0 ? 0 : start + releaseSeconds;
    }

    /// @notice The first pricing chunk whose reward is not wholly released: nodes may forget those before it. Chunks are filled
    /// in their order, so the answer is found by halving.
    /// @return index Number of the chunk.
    /// @return blockTimestamp The time for which this holds, in seconds since 1970.
    function firstRewardableChunk() external view returns (uint64 index, uint256 blockTimestamp) {
        uint64 high = 1024;
        while (_released(high)) {
            index = high;
            high *= 2;
        }
        while (index < high) {
            uint64 middle = index + (high - index) / 2;
            if (_released(middle)) index = middle + 1;
            else high = middle;
        }
        return (index, block.timestamp);
    }

    function _released(uint256 pricingIndex) private view returns (bool) {
        uint256 deadline = rewardDeadline(pricingIndex);
        return deadline != 0 && deadline < block.timestamp;
    }

    function _reward(uint256 pricingIndex) private view returns (Reward memory reward) {
        reward = _rewards[pricingIndex];
        if (reward.startTime != 0) return reward;
        uint256 low;
        uint256 high = _spans.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_spans[middle].end <= pricingIndex) low = middle + 1;
            else high = middle;
        }
        if (low == _spans.length || pricingIndex < _spans[low].first) return reward;
        Span memory span = _spans[low];
        return Reward(span.lockedReward, 0, 0, span.startTime, span.startTime);
    }

    function _fill(uint256 pricingIndex, uint256 amount, bool full) private {
        Reward storage reward = _rewards[pricingIndex];
        require(reward.startTime == 0 && pricingIndex >= _spansEnd(), "Reward has been finalized");
        reward.lockedReward += amount.toUint128();
        if (full) (reward.startTime, reward.lastUpdate) = (block.timestamp.toUint40(), block.timestamp.toUint40());
    }

    /// @dev The first chunk after all spans.
    function _spansEnd() private view returns (uint256) {
        uint256 count = _spans.length;
        return count == 0 ? 0 : _spans[count - 1].end;
    }

    function _fillWhole(uint256 first, uint256 count, uint256 amount) private {
        _spans.push(Span(first.toUint64(), (first + count).toUint64(), block.timestamp.toUint40(), amount.toUint128()));
    }

    /// @dev Count what is released by now, and take half of what is not yet paid.
    function _release(Reward memory reward) private view returns (uint256 paid) {
        uint256 total = uint256(reward.lockedReward) + reward.claimableReward + reward.distributedReward;
        uint256 elapsed = Math.min(block.timestamp - reward.startTime, releaseSeconds);
        uint256 released = total * elapsed / releaseSeconds;
        paid = (released - reward.distributedReward) / 2;

        reward.lockedReward = (total - released).toUint128();
        reward.distributedReward += paid.toUint128();
        reward.claimableReward = (released - reward.distributedReward).toUint128();
        reward.lastUpdate = block.timestamp.toUint40();
    }
}
