// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {AccountBook, Accounts, PendingRefund, SubAccount} from "./Accounts.sol";
import {Deliverable, Delivery, Shelf, Shelves} from "./Shelves.sol";
import {ILedger} from "./IServing.sol";
import {PackedList} from "./PackedList.sol";
import {Serving} from "./Serving.sol";

/// @title The market for fine-tuning: providers train models for users, and are paid when they hand over the key
/// @notice A provider announces a trained model by the root of its encrypted bytes; the user fetches it and acknowledges it; the provider
/// settles and leaves the key to it, encrypted for the user. Of a model that its user does not acknowledge the provider gets a part of the
/// fee and the user no key. One model at a time: the next is announced when the last is acknowledged or settled.
contract FineTuningServing is Serving {
    using Accounts for AccountBook;
    using Accounts for SubAccount;
    using Shelves for Delivery;
    using Shelves for Shelf;

    /// @notice A refund that waits.
    struct Refund {
        uint256 index;
        uint256 amount;
        uint256 createdAt;
        bool _deprecated_processed;
    }

    /// @notice What a provider's machine has.
    struct Quota {
        uint256 cpuCount;
        uint256 nodeMemory;
        uint256 gpuCount;
        uint256 nodeStorage;
        string gpuType;
    }

    /// @notice A service, as it is told.
    struct Service {
        address provider;
        string url;
        Quota quota;
        uint256 pricePerToken;
        bool occupied;
        string[] models;
        address teeSignerAddress;
        bool teeSignerAcknowledged;
    }

    /// @notice A sub-account with all that belongs to it.
    struct AccountDetails {
        address user;
        address provider;
        uint256 nonce;
        uint256 balance;
        uint256 pendingRefund;
        Refund[] refunds;
        string additionalInfo;
        Deliverable[] deliverables;
        uint256 validRefundsLength;
        uint256 deliverablesHead;
        uint256 deliverablesCount;
        bool acknowledged;
    }

    /// @notice A sub-account in a list.
    struct AccountSummary {
        address user;
        address provider;
        uint256 nonce;
        uint256 balance;
        uint256 pendingRefund;
        string additionalInfo;
        uint256 validRefundsLength;
        uint256 deliverablesCount;
        bool acknowledged;
    }

    /// @notice What a user owes for a model, signed by the service's signer.
    struct VerifierInput {
        string id;
        bytes encryptedSecret;
        bytes modelRootHash;
        uint256 nonce;
        bytes signature;
        uint256 taskFee;
        address user;
    }

    /// @dev A service, as it is kept. The numbers first, so that a settlement reads one word.
    struct Offer {
        address signer;
        bool acknowledged;
        bool exists;
        bool occupied;
        uint32 place;
        uint256 pricePerToken;
        string url;
        Quota quota;
        string[] models;
    }

    uint256 private constant BATCH_USERS_MAX = 50;
    uint256 private constant PERCENT = 100;
    bytes32 private constant DOMAIN_NAME_HASH = keccak256("0G Fine-Tuning Serving");
    bytes32 private constant MESSAGE_TYPEHASH = keccak256(
        "VerifierMessage(string id,bytes encryptedSecret,bytes modelRootHash,uint256 nonce,uint256 taskFee,address user)"
    );

    /// @notice Part of the fee, in percent, that is paid for a model which its user did not acknowledge.
    uint256 public penaltyPercentage;

    mapping(address provider => Offer) private _offers;
    address[] private _offering;
    mapping(bytes32 key => Shelf) private _shelves;

    event DeliverableAbandoned(address indexed user, address indexed provider, string deliverableId, uint256 timestamp);
    event DeliverableAcknowledged(address indexed user, address indexed provider, string deliverableId, uint256 timestamp);
    event DeliverableAdded(
        address indexed user, address indexed provider, string deliverableId, bytes modelRootHash, uint256 timestamp
    );
    event DeliverableEvicted(
        address indexed provider,
        address indexed user,
        string evictedDeliverableId,
        string newDeliverableId,
        uint256 timestamp
    );
    event FeesSettled(
        address indexed user, address indexed provider, string deliverableId, uint256 fee, bool acknowledged, uint256 nonce
    );
    event ServiceRemoved(address indexed provider);
    event ServiceUpdated(
        address indexed provider, string url, Quota quota, uint256 pricePerToken, address teeSignerAddress, bool occupied
    );

    /// @dev Only the ledger may do this.
    error CallerNotLedger();
    /// @dev What is settled cannot be abandoned.
    error CannotAbandonSettledDeliverable(string id);
    /// @dev It was settled without the acknowledgement.
    error CannotAcknowledgeSettledDeliverable(string id);
    /// @dev It was paid for, or abandoned.
    error DeliverableAlreadySettled(string id);
    /// @dev The provider did not take its money.
    error ETHTransferFailed();
    /// @dev There is no contract.
    error InvalidLedgerAddress();
    /// @dev What a settlement lacks.
    error InvalidVerifierInput(string reason);
    /// @dev A page has at most 50 entries.
    error LimitTooLarge(uint256 limit);
    /// @dev Refunds wait an hour to a week.
    error LockTimeOutOfRange(uint256 lockTime);
    /// @dev No more than the whole fee.
    error PenaltyPercentageTooHigh(uint256 percentage);
    /// @dev No key for a model that its user did not acknowledge.
    error SecretShouldBeEmpty();
    /// @dev The key belongs to a model that its user acknowledged.
    error SecretShouldNotBeEmpty();
    /// @dev The ledger did not take its money.
    error TransferToLedgerFailed();

    /// @notice Set up once.
    /// @param locktime Seconds that a refund waits.
    /// @param ledger The contract that fills sub-accounts.
    /// @param owner_ Who accepts signers, and sets the lock time and the penalty.
    /// @param percentage Of the fee, for a model that its user did not acknowledge.
    function initialize(uint256 locktime, address ledger, address owner_, uint256 percentage) external initializer {
        if (ledger.code.length == 0) revert InvalidLedgerAddress();
        _setPenalty(percentage);
        _transferOwnership(owner_);
        _setLockTime(locktime);
        ledgerAddress = ledger;
    }

    /// @inheritdoc Serving
    /// @dev Of a lock time that stays what it was nothing is told here, as the official contract has it.
    function updateLockTime(uint256 locktime) public override onlyOwner {
        if (locktime != lockTime) super.updateLockTime(locktime);
    }

    /// @notice Change the part of the fee for models that are not acknowledged, also for those that are announced already.
    /// @param percentage 0 to 100.
    function updatePenaltyPercentage(uint256 percentage) external onlyOwner {
        _setPenalty(percentage);
    }

    /// @notice Offer a service, or change what is offered. The first time it takes a stake, later no value.
    /// @dev A change of the signer needs the owner's acceptance anew; nothing else does.
    function addOrUpdateService(
        string calldata url,
        Quota calldata quota,
        uint256 pricePerToken,
        bool occupied,
        string[] memory models,
        address teeSignerAddress
    ) external payable {
        _takeStake();
        Offer storage offer = _offers[msg.sender];
        if (!offer.exists) {
            offer.exists = true;
            offer.place = uint32(_offering.length);
            _offering.push(msg.sender);
        } else if (offer.signer != teeSignerAddress) {
            offer.acknowledged = false;
        }
        offer.signer = teeSignerAddress;
        offer.occupied = occupied;
        offer.pricePerToken = pricePerToken;
        offer.url = url;
        offer.quota = quota;
        offer.models = models;
        emit ServiceUpdated(msg.sender, url, quota, pricePerToken, teeSignerAddress, occupied);
    }

    /// @notice Withdraw the service and take the whole stake back. Sub-accounts of users stay.
    function removeService() external nonReentrant {
        Offer storage offer = _getOffer(msg.sender);
        address last = _offering[_offering.length - 1];
        _offering[offer.place] = last;
        _offers[last].place = offer.place;
        _offering.pop();
        delete _offers[msg.sender];
        uint256 stake = _releaseStake();
        emit ServiceRemoved(msg.sender);
        _pay(stake);
    }

    /// @notice Announce a trained model. Where twenty are kept the oldest gives way, if it is settled.
    /// @param user For whom it was trained.
    /// @param id New to this user, 1 to 256 bytes.
    /// @param modelRootHash Root of the encrypted model.
    function addDeliverable(address user, string calldata id, bytes calldata modelRootHash) external {
        Shelves.checkId(id);
        string memory evicted = _shelfOf(user, msg.sender).add(id, modelRootHash);
        if (bytes(evicted).length > 0) emit DeliverableEvicted(msg.sender, user, evicted, id, block.timestamp);
        emit DeliverableAdded(user, msg.sender, id, modelRootHash, block.timestamp);
    }

    /// @notice Say that the model was received; its provider gets the whole fee then, and the caller the key.
    /// @param provider Who trained it.
    /// @param id Of the model.
    function acknowledgeDeliverable(address provider, string calldata id) external {
        Delivery storage delivery = _shelfOf(msg.sender, provider).find(id);
        if (delivery.settled) revert CannotAcknowledgeSettledDeliverable(id);
        delivery.acknowledged = true;
        emit DeliverableAcknowledged(msg.sender, provider, id, block.timestamp);
    }

    /// @notice Give a model up without a fee, so that the next can be announced.
    /// @param user For whom it was trained.
    /// @param id Of the model.
    function abandonDeliverable(address user, string calldata id) external {
        Delivery storage delivery = _shelfOf(user, msg.sender).find(id);
        if (delivery.settled) revert CannotAbandonSettledDeliverable(id);
        delivery.acknowledged = true;
        delivery.settled = true;
        emit DeliverableAbandoned(user, msg.sender, id, block.timestamp);
    }

    /// @notice Collect the fee of one model: all of it and the key left for the user if that acknowledged it, else the penalty.
    /// @param verifierInput What the service's signer signed, and the signature.
    function settleFees(VerifierInput calldata verifierInput) external nonReentrant {
        SubAccount storage account = _book.get(verifierInput.user, msg.sender);
        Offer storage offer = _getOffer(msg.sender);
        if (!account.acknowledged || !offer.acknowledged || offer.signer == address(0)) {
            revert InvalidVerifierInput("TEE signer not acknowledged");
        }
        if (account.nonce >= verifierInput.nonce) revert InvalidVerifierInput("nonce should larger than the current nonce");
        if (account.balance < verifierInput.taskFee) revert InvalidVerifierInput("insufficient balance");
        Delivery storage delivery = _shelves[Accounts.keyOf(verifierInput.user, msg.sender)].find(verifierInput.id);
        if (delivery.settled) revert DeliverableAlreadySettled(verifierInput.id);
        if (keccak256(delivery.modelRootHash) != keccak256(verifierInput.modelRootHash)) {
            revert InvalidVerifierInput("model root hash mismatch");
        }
        if (!_signed(verifierInput, offer.signer)) revert InvalidVerifierInput("TEE settlement validation failed");

        uint256 fee = _handOver(delivery, verifierInput);
        account.nonce = verifierInput.nonce;
        delivery.settled = true;
        emit FeesSettled(verifierInput.user, msg.sender, verifierInput.id, fee, delivery.acknowledged, verifierInput.nonce);
        account.charge(fee);
        ILedger(ledgerAddress).spendFund(verifierInput.user, fee);
        emit BalanceUpdated(verifierInput.user, msg.sender, account.balance, account.pendingRefund);
        _pay(fee);
    }

    /// @notice A sub-account with its models, the oldest first. Reverts with `AccountNotExists`.
    function getAccount(address user, address provider) external view returns (AccountDetails memory told) {
        SubAccount storage account = _book.get(user, provider);
        Shelf storage shelf = _shelves[Accounts.keyOf(user, provider)];
        uint256 count = account.refundCount;
        told.user = user;
        told.provider = provider;
        told.nonce = account.nonce;
        told.balance = account.balance;
        told.pendingRefund = account.pendingRefund;
        told.refunds = new Refund[](count);
        for (uint256 index; index < count; ++index) {
            PendingRefund memory pending = account.refunds[index];
            told.refunds[index] = Refund(index, pending.amount, pending.createdAt, false);
        }
        told.additionalInfo = account.additionalInfo;
        told.deliverables = shelf.told();
        told.validRefundsLength = count;
        told.deliverablesHead = shelf.head;
        told.deliverablesCount = shelf.count;
        told.acknowledged = account.acknowledged;
    }

    /// @notice A part of all sub-accounts; deleting one may move another.
    /// @param offset Where to begin.
    /// @param limit At most 50; 0 means 50.
    /// @return accounts None where `offset` is behind the last.
    /// @return total How many there are.
    function getAllAccounts(uint256 offset, uint256 limit)
        external
        view
        returns (AccountSummary[] memory accounts, uint256 total)
    {
        total = _book.keys.length;
        accounts = new AccountSummary[](_page(total, offset, limit));
        for (uint256 index; index < accounts.length; ++index) {
            accounts[index] = _told(_accountAt(offset + index));
        }
    }

    /// @notice A part of a user's sub-accounts, as `getAllAccounts`.
    function getAccountsByUser(address user, uint256 offset, uint256 limit)
        external
        view
        returns (AccountSummary[] memory accounts, uint256 total)
    {
        return _listed(_book.ofUser[user], offset, limit);
    }

    /// @notice A part of the sub-accounts with a provider, as `getAllAccounts`.
    function getAccountsByProvider(address provider, uint256 offset, uint256 limit)
        external
        view
        returns (AccountSummary[] memory accounts, uint256 total)
    {
        return _listed(_book.ofProvider[provider], offset, limit);
    }

    /// @notice The sub-accounts of up to 50 users with the caller; empty where there is none.
    /// @param users Whose.
    /// @return accounts One for each, in order.
    function getBatchAccountsByUsers(address[] calldata users) external view returns (AccountSummary[] memory accounts) {
        if (users.length > BATCH_USERS_MAX) revert BatchSizeTooLarge(users.length, BATCH_USERS_MAX);
        accounts = new AccountSummary[](users.length);
        for (uint256 index; index < users.length; ++index) {
            SubAccount storage account = _book.record(users[index], msg.sender);
            if (account.exists) accounts[index] = _told(account);
        }
    }

    /// @notice A model. Reverts with `AccountNotExists` or `DeliverableNotExists`.
    function getDeliverable(address user, address provider, string calldata id) external view returns (Deliverable memory) {
        return _shelfOf(user, provider).find(id).told();
    }

    /// @notice Models of a sub-account that are kept, the oldest first. Reverts with `AccountNotExists`.
    function getDeliverables(address user, address provider) external view returns (Deliverable[] memory) {
        return _shelfOf(user, provider).told();
    }

    /// @notice A service. Reverts with `ServiceNotExist`.
    function getService(address provider) external view returns (Service memory service) {
        return _told(provider, _getOffer(provider));
    }

    /// @notice All services.
    function getAllServices() external view returns (Service[] memory services) {
        services = new Service[](_offering.length);
        for (uint256 index; index < services.length; ++index) {
            address provider = _offering[index];
            services[index] = _told(provider, _offers[provider]);
        }
    }

    /// @dev Leave the key for the user, or keep it back; returns what is to be paid.
    function _handOver(Delivery storage delivery, VerifierInput calldata input) private returns (uint256 fee) {
        if (delivery.acknowledged) {
            if (input.encryptedSecret.length == 0) revert SecretShouldNotBeEmpty();
            delivery.encryptedSecret = input.encryptedSecret;
            return input.taskFee;
        }
        if (input.encryptedSecret.length != 0) revert SecretShouldBeEmpty();
        return input.taskFee * penaltyPercentage / PERCENT;
    }

    function _signed(VerifierInput calldata input, address signer) private view returns (bool) {
        bytes32 structHash = keccak256(
            abi.encode(
                MESSAGE_TYPEHASH,
                keccak256(bytes(input.id)),
                keccak256(input.encryptedSecret),
                keccak256(input.modelRootHash),
                input.nonce,
                input.taskFee,
                input.user
            )
        );
        (address found, ECDSA.RecoverError failure,) = ECDSA.tryRecover(_digest(structHash), input.signature);
        return failure == ECDSA.RecoverError.NoError && found == signer;
    }

    /// @dev The models of a sub-account. Reverts with `AccountNotExists`.
    function _shelfOf(address user, address provider) private view returns (Shelf storage) {
        _book.get(user, provider);
        return _shelves[Accounts.keyOf(user, provider)];
    }

    function _listed(PackedList storage list, uint256 offset, uint256 limit)
        private
        view
        returns (AccountSummary[] memory accounts, uint256 total)
    {
        uint256[] memory places;
        (places, total) = _placesOf(list, offset, limit);
        accounts = new AccountSummary[](places.length);
        for (uint256 index; index < places.length; ++index) {
            accounts[index] = _told(_accountAt(places[index]));
        }
    }

    function _told(SubAccount storage account) private view returns (AccountSummary memory told) {
        told.user = account.user;
        told.provider = account.provider;
        told.nonce = account.nonce;
        told.balance = account.balance;
        told.pendingRefund = account.pendingRefund;
        told.additionalInfo = account.additionalInfo;
        told.validRefundsLength = account.refundCount;
        told.deliverablesCount = _shelves[Accounts.keyOf(account.user, account.provider)].count;
        told.acknowledged = account.acknowledged;
    }

    function _told(address provider, Offer storage offer) private view returns (Service memory told) {
        told.provider = provider;
        told.url = offer.url;
        told.quota = offer.quota;
        told.pricePerToken = offer.pricePerToken;
        told.occupied = offer.occupied;
        told.models = offer.models;
        told.teeSignerAddress = offer.signer;
        told.teeSignerAcknowledged = offer.acknowledged;
    }

    function _getOffer(address provider) private view returns (Offer storage offer) {
        offer = _offers[provider];
        if (!offer.exists) revert ServiceNotExist(provider);
    }

    function _setPenalty(uint256 percentage) private {
        if (percentage > PERCENT) revert PenaltyPercentageTooHigh(percentage);
        penaltyPercentage = percentage;
    }

    function _setSignerAcknowledged(address provider, bool acknowledged) internal override returns (address signer) {
        Offer storage offer = _getOffer(provider);
        offer.acknowledged = acknowledged;
        return offer.signer;
    }

    function _forget(address user, address provider) internal override {
        _shelves[Accounts.keyOf(user, provider)].clear();
    }

    function _domainNameHash() internal pure override returns (bytes32) {
        return DOMAIN_NAME_HASH;
    }

    /// @dev Anybody may have a sub-account with anybody, also with themselves.
    function _checkParties(address, address) internal pure override {}

    function _refuseCaller(address) internal pure override {
        revert CallerNotLedger();
    }

    function _refuseLimit(uint256 limit) internal pure override {
        revert LimitTooLarge(limit);
    }

    function _refuseLockTime(uint256 locktime) internal pure override {
        revert LockTimeOutOfRange(locktime);
    }

    function _refuseTransfer(address to) internal view override {
        if (to == ledgerAddress) revert TransferToLedgerFailed();
        revert ETHTransferFailed();
    }
}
