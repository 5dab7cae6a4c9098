// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Epochs} from "./Epochs.sol";
import {FlowTree, FlowTrees} from "./FlowTree.sol";
import {IMarket} from "./IMarket.sol";
import {IReward} from "./IReward.sol";
import {Submission, SubmissionData, Submissions} from "./Submission.sol";

/// @title The flow: one endless array of sectors in which every stored file has its place
/// @notice Files are announced here and paid for; their bytes go to storage nodes, which check them against the roots. What is
/// paid beyond the fee comes back in the same transaction. The sender in the event is who sent the call, whatever the submission says.
contract Flow is Epochs {
    using FlowTrees for FlowTree;
    using Submissions for SubmissionData;

    /// @dev What a call costs at most beside its files: the end of an epoch, also of the first of all, with a few more that added nothing;
    /// and what its first file pays for those after it.
    uint256 private constant GAS_OF_A_CALL = 440_000;
    /// @dev What a file costs at most, wherever it comes to lie, up to 2^10 sectors: see `_begin`.
    uint256 private constant GAS_OF_A_FILE = 140_000;
    uint256 private constant LOW_LEVELS = 10;
    uint256 private constant GAS_OF_A_LEVEL = 8_000;
    /// @dev More where file and padding may each cover whole pricing chunks.
    uint256 private constant GAS_OF_CHUNKS = 110_000;

    /// @dev What a submission returns.
    struct Place {
        uint256 index;
        bytes32 identity;
        uint256 start;
        uint256 sectors;
    }

    /// @dev Where a file lies and how often its life was extended.
    struct Life {
        uint64 start;
        uint64 sectors;
        uint64 extensions;
    }

    /// @notice Sectors of a pricing chunk, the unit in which rewards are kept.
    uint256 public immutable pricingChunkSectors;
    /// @notice The market that prices submissions.
    address public market;

    mapping(uint256 txSeq => bytes32 root) private _roots;
    mapping(uint256 txSeq => Life) private _lives;

    event Submit(
        address indexed sender,
        bytes32 indexed identity,
        uint256 submissionIndex,
        uint256 startPos,
        uint256 length,
        SubmissionData submission
    );
    /// @notice `sender` paid `fee` for one more release period of a file; `extensions` counts them all.
    event Extend(address indexed sender, uint256 indexed submissionIndex, uint256 extensions, uint256 fee);

    /// @dev `amount` sectors at `price` wei each cost more than the `paid` wei.
    error NotEnoughFee(uint256 price, uint256 amount, uint256 paid);
    /// @dev Declared for those who decode by this ABI; an invalid submission reverts with the text "Invalid submission".
    error InvalidSubmission();
    /// @dev A submission needs `needed` gas at its beginning, and `left` were left.
    error NotEnoughGas(uint256 needed, uint256 left);
    /// @dev `payer` paid too much and did not take `amount` wei back: pay exactly, or take them.
    error RefundRefused(address payer, uint256 amount);
    /// @dev There is no submission of this index.
    error UnknownSubmission(uint256 txSeq);
    /// @dev The file's life ended at `expiry`, and the network may have forgotten it: submit it again.
    error SubmissionExpired(uint256 txSeq, uint256 expiry);

    /// @param deployDelay_ Blocks between `initialize` and the first that takes submissions.
    /// @param pricingChunkSectors_ Sectors of a pricing chunk, as the reward contract has it.
    constructor(uint256 deployDelay_, uint256 pricingChunkSectors_) Epochs(deployDelay_) {
        pricingChunkSectors = pricingChunkSectors_;
    }

    /// @notice Set up once; the caller becomes administrator and pauser. Whoever deploys does it in the same transaction, or
    /// looks afterwards who did.
    /// @param market_ The market that prices submissions.
    /// @param blocksPerEpoch_ How many blocks an epoch lasts.
    function initialize(address market_, uint256 blocksPerEpoch_) external initializer {
        market = market_;
        _initializeEpochs(blocksPerEpoch_);
    }

    /// @notice Announce a file and pay for it.
    /// @param submission The file. Its `submitter` must not be zero and has no other meaning.
    /// @return index Number of the submission, also called txSeq.
    /// @return digest Hash over all node roots.
    /// @return startIndex Position of its first sector.
    /// @return length How many sectors it covers.
    function submit(Submission calldata submission)
        external
        payable
        whenNotPaused
        launched
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length)
    {
        require(submission.submitter != address(0), "Invalid submission");
        return _submitOne(submission.data);
    }

    /// @notice As the other `submit`, in the form of clients before 2026.
    /// @param submission The file.
    /// @return index Number of the submission.
    /// @return digest Hash over all node roots.
    /// @return startIndex Position of its first sector.
    /// @return length How many sectors it covers.
    function submit(SubmissionData calldata submission)
        external
        payable
        whenNotPaused
        launched
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length)
    {
        return _submitOne(submission);
    }

    /// @notice Announce several files in their order and pay for all; one that is invalid refuses all.
    /// @param submissions The files.
    /// @return indexes As of `submit`, one for each file, like the other arrays.
    function batchSubmit(Submission[] calldata submissions)
        external
        payable
        whenNotPaused
        launched
        returns (uint256[] memory indexes, bytes32[] memory digests, uint256[] memory startIndexes, uint256[] memory lengths)
    {
        uint256 gasOfFiles;
        for (uint256 i; i < submissions.length; ++i) {
            require(submissions[i].submitter != address(0), "Invalid submission");
            gasOfFiles += _gasOf(submissions[i].data);
        }
        (Place[] memory places, uint256 price) = _begin(submissions.length, gasOfFiles);
        uint256 paid = msg.value;
        for (uint256 i; i < submissions.length; ++i) {
            (places[i], paid) = _submit(submissions[i].data, price, paid);
        }
        _refund(paid);
        return _columns(places);
    }

    /// @notice As the other `batchSubmit`, in the form of clients before 2026.
    /// @param submissions The files.
    /// @return indexes As of `submit`, one for each file, like the other arrays.
    function batchSubmit(SubmissionData[] calldata submissions)
        external
        payable
        whenNotPaused
        launched
        returns (uint256[] memory indexes, bytes32[] memory digests, uint256[] memory startIndexes, uint256[] memory lengths)
    {
        uint256 gasOfFiles;
        for (uint256 i; i < submissions.length; ++i) {
            gasOfFiles += _gasOf(submissions[i]);
        }
        (Place[] memory places, uint256 price) = _begin(submissions.length, gasOfFiles);
        uint256 paid = msg.value;
        for (uint256 i; i < submissions.length; ++i) {
            (places[i], paid) = _submit(submissions[i], price, paid);
        }
        _refund(paid);
        return _columns(places);
    }

    /// @notice Pay for one more release period of a file, before its life ends. Anyone may, for any file, at the price of today.
    /// @dev A file lives until the reward of the pricing chunk it begins in is wholly released, and one release period longer for
    /// each extension. That reward may be closed by now, so the fee goes to the pot of base rewards, for all who mine.
    /// @param txSeq Number of the submission.
    /// @return extensions How often it was extended, this time included.
    function extend(uint256 txSeq) external payable whenNotPaused launched returns (uint256 extensions) {
        Life storage life = _lives[txSeq];
        uint256 end = expiry(txSeq);
        if (end != 0 && end < block.timestamp) revert SubmissionExpired(txSeq, end);
        uint256 price = IMarket(market).pricePerSector();
        uint256 fee = price * life.sectors;
        if (msg.value < fee) revert NotEnoughFee(price, life.sectors, msg.value);

        extensions = ++life.extensions;
        emit Extend(msg.sender, txSeq, extensions, fee);
        IReward(IMarket(market).reward()).donate{value: fee}();
        _refund(msg.value - fee);
    }

    /// @notice When the network may forget a file, in seconds since 1970: the end of its pricing chunk's release and of all
    /// extensions. 0 while the chunk is not full, since its release has not begun.
    /// @param txSeq Number of the submission.
    function expiry(uint256 txSeq) public view returns (uint256) {
        Life memory life = _lives[txSeq];
        if (life.sectors == 0) revert UnknownSubmission(txSeq);
        IReward reward = IReward(IMarket(market).reward());
        uint256 deadline = reward.rewardDeadline(life.start / pricingChunkSectors);
        return deadline == 0 ? 0 : deadline + life.extensions * reward.releaseSeconds();
    }

    /// @notice How many submissions there have been.
    function numSubmissions() external view returns (uint256) {
        return submissionIndex;
    }

    /// @notice Root of the flow right after a submission; zero for one that has not come.
    /// @param txSeq Number of the submission.
    function getFlowRootByTxSeq(uint256 txSeq) external view returns (bytes32) {
        return _roots[txSeq];
    }

    /// @notice Root of the flow now.
    function computeFlowRoot() external view returns (bytes32) {
        return _tree.root();
    }

    /// @notice Size of the flow's tree.
    /// @return currentLength Length of the flow in sectors, the sentinel at 0 included.
    /// @return unstagedHeight Levels of the tree, leaves and root included: all are always up to date.
    function tree() external view returns (uint256 currentLength, uint256 unstagedHeight) {
        currentLength = _tree.length;
        unstagedHeight = Math.log2(currentLength, Math.Rounding.Ceil) + 1;
    }

    function _submitOne(SubmissionData calldata data) private returns (uint256, bytes32, uint256, uint256) {
        (, uint256 price) = _begin(0, _gasOf(data));
        (Place memory place, uint256 left) = _submit(data, price, msg.value);
        _refund(left);
        return (place.index, place.identity, place.start, place.sectors);
    }

    /// @dev What comes once in a call, before all files: others may submit between an estimate and the block, or an epoch may end, and
    /// then the same call costs up to three times as much. Clients add nothing to an estimate, so it has to contain the dearest of
    /// all; what is not used is not paid. How much that is follows from the files alone, so it is the same in the block.
    function _begin(uint256 count, uint256 gasOfFiles) private returns (Place[] memory places, uint256 price) {
        uint256 needed = GAS_OF_A_CALL + gasOfFiles;
        uint256 left = gasleft();
        if (left < needed) revert NotEnoughGas(needed, left);
        _makeContexts(type(uint256).max);
        return (new Place[](count), IMarket(market).pricePerSector());
    }

    /// @dev What a file may cost; nothing where it is invalid, which is told later.
    function _gasOf(SubmissionData calldata data) private view returns (uint256 gas) {
        if (!data.valid()) return 0;
        uint256 height = data.nodes[0].height;
        gas = GAS_OF_A_FILE + GAS_OF_A_LEVEL * Math.saturatingSub(height, LOW_LEVELS);
        if (2 << height > pricingChunkSectors) gas += GAS_OF_CHUNKS;
    }

    /// @dev Place a file at the end of the flow and pay for it. Returns what is left of `paid`.
    function _submit(SubmissionData calldata data, uint256 price, uint256 paid) private returns (Place memory place, uint256 left) {
        require(data.valid(), "Invalid submission");
        place.sectors = data.sectors();
        uint256 fee = price * place.sectors;
        if (paid < fee) revert NotEnoughFee(price, place.sectors, paid);

        uint256 before = _tree.length;
        place.start = FlowTrees.startOf(before, data.nodes[0].height, place.sectors);
        place.index = submissionIndex++;
        place.identity = data.identity();
        _append(data, place);
        emit Submit(msg.sender, place.identity, place.index, place.start, place.sectors, data);

        Address.sendValue(payable(market), fee);
        IMarket(market).chargeFee(before, place.sectors, place.start - before);
        return (place, paid - fee);
    }

    function _append(SubmissionData calldata data, Place memory place) private {
        _tree.pad(place.start);
        for (uint256 i; i < data.nodes.length; ++i) {
            _tree.append(data.nodes[i].root, data.nodes[i].height);
        }
        _roots[place.index] = _tree.root();
        _lives[place.index] = Life(SafeCast.toUint64(place.start), SafeCast.toUint64(place.sectors), 0);
    }

    /// @dev The last step of a call, so that whoever takes the money finds everything done.
    function _refund(uint256 amount) private {
        if (amount == 0) return;
        (bool taken,) = msg.sender.call{value: amount}("");
        if (!taken) revert RefundRefused(msg.sender, amount);
    }

    function _columns(Place[] memory places)
        private
        pure
        returns (uint256[] memory indexes, bytes32[] memory identities, uint256[] memory starts, uint256[] memory lengths)
    {
        indexes = new uint256[](places.length);
        identities = new bytes32[](places.length);
        starts = new uint256[](places.length);
        lengths = new uint256[](places.length);
        for (uint256 i; i < places.length; ++i) {
            (indexes[i], identities[i]) = (places[i].index, places[i].identity);
            (starts[i], lengths[i]) = (places[i].start, places[i].sectors);
        }
    }
}
