// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {AccountBook, Accounts, PendingRefund, SubAccount} from "./Accounts.sol";
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

    /// @notice A trained model, as it is told.
    struct Deliverable {
        string id;
        bytes modelRootHash;
        bytes encryptedSecret;
        bool acknowledged;
        uint248 timestamp;
        bool settled;
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

    /// @dev A trained model, as it is kept: its time and both marks share a word.
    struct Delivery {
        uint64 timestamp;
        bool acknowledged;
        bool settled;
        string id;
        bytes modelRootHash;
        bytes encryptedSecret;
    }

    /// @dev Models of one sub-account, in a ring. `head` is the oldest and stays 0 until all places are taken.
    struct Shelf {
        uint8 head;
        uint8 count;
        /// @dev By the hash of the id, one more than the place: zero where there is none.
        mapping(bytes32 idHash => uint256 placeAndOne) places;
        Delivery[20] deliveries;
    }

    uint256 private constant DELIVERABLES_MAX = 20;
    uint256 private constant ID_BYTES_MAX = 256;
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
    /// @dev All places are taken, and the oldest model is not settled.
    error CannotEvictUnsettledDeliverable(string id);
    /// @dev There is a model of this id.
    error DeliverableAlreadyExists(string id);
    /// @dev It was paid for, or abandoned.
    error DeliverableAlreadySettled(string id);
    /// @dev An id has 1 to 256 bytes.
    error DeliverableIdInvalidLength(uint256 length);
    /// @dev There is no model of this id.
    error DeliverableNotExists(string id);
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
    /// @dev The newest model is neither acknowledged nor settled.
    error PreviousDeliverableNotAcknowledged(string id);
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
        emit ServiceRemoved(msg.sender);
        _returnStake();
    }

    /// @notice Announce a trained model. Where twenty are kept the oldest gives way, if it is settled.
    /// @param user For whom it was trained.
    /// @param id New to this user, 1 to 256 bytes.
    /// @param modelRootHash Root of the encrypted model.
    function addDeliverable(address user, string calldata id, bytes calldata modelRootHash) external {
        uint256 length = bytes(id).length;
        if (length == 0 || length > ID_BYTES_MAX) revert DeliverableIdInvalidLength(length);
        Shelf storage shelf = _shelfOf(user, msg.sender);
        bytes32 idHash = keccak256(bytes(id));
        if (shelf.places[idHash] != 0) revert DeliverableAlreadyExists(id);
        uint256 place = _freePlace(shelf, user, id);
        shelf.places[idHash] = place + 1;
        Delivery storage delivery = shelf.deliveries[place];
        delivery.timestamp = uint64(block.timestamp);
        delivery.id = id;
        delivery.modelRootHash = modelRootHash;
        emit DeliverableAdded(user, msg.sender, id, modelRootHash, block.timestamp);
    }

    /// @notice Say that the model was received; its provider gets the whole fee then, and the caller the key.
    /// @param provider Who trained it.
    /// @param id Of the model.
    function acknowledgeDeliverable(address provider, string calldata id) external {
        Delivery storage delivery = _find(_shelfOf(msg.sender, provider), id);
        if (delivery.settled) revert CannotAcknowledgeSettledDeliverable(id);
        delivery.acknowledged = true;
        emit DeliverableAcknowledged(msg.sender, provider, id, block.timestamp);
    }

    /// @notice Give a model up without a fee, so that the next can be announced.
    /// @param user For whom it was trained.
    /// @param id Of the model.
    function abandonDeliverable(address user, string calldata id) external {
        Delivery storage delivery = _find(_shelfOf(user, msg.sender), id);
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
        Delivery storage delivery = _find(_shelves[Accounts.keyOf(verifierInput.user, msg.sender)], verifierInput.id);
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
        if (!_send(msg.sender, fee)) revert ETHTransferFailed();
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
        told.deliverables = _told(shelf);
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
        return _told(_find(_shelfOf(user, provider), id));
    }

    /// @notice Models of a sub-account that are kept, the oldest first. Reverts with `AccountNotExists`.
    function getDeliverables(address user, address provider) external view returns (Deliverable[] memory) {
        return _told(_shelfOf(user, provider));
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

    /// @dev Where the next model goes; evicts the oldest from a full shelf.
    function _freePlace(Shelf storage shelf, address user, string calldata id) private returns (uint256 place) {
        uint256 count = shelf.count;
        if (count > 0) {
            Delivery storage newest = shelf.deliveries[(shelf.head + count - 1) % DELIVERABLES_MAX];
            // The official contract asks for the acknowledgement, which nobody can give once the penalty is settled.
            if (!newest.acknowledged && !newest.settled) revert PreviousDeliverableNotAcknowledged(newest.id);
        }
        if (count < DELIVERABLES_MAX) {
            shelf.count = uint8(count + 1);
            return count;
        }
        place = shelf.head;
        Delivery storage oldest = shelf.deliveries[place];
        string memory evicted = oldest.id;
        if (!oldest.settled) revert CannotEvictUnsettledDeliverable(evicted);
        delete shelf.places[keccak256(bytes(evicted))];
        delete shelf.deliveries[place];
        shelf.head = uint8((place + 1) % DELIVERABLES_MAX);
        emit DeliverableEvicted(msg.sender, user, evicted, id, block.timestamp);
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

    function _find(Shelf storage shelf, string calldata id) private view returns (Delivery storage) {
        uint256 placeAndOne = shelf.places[keccak256(bytes(id))];
        if (placeAndOne == 0) revert DeliverableNotExists(id);
        return shelf.deliveries[placeAndOne - 1];
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

    function _told(Shelf storage shelf) private view returns (Deliverable[] memory told) {
        told = new Deliverable[](shelf.count);
        uint256 head = shelf.head;
        for (uint256 index; index < told.length; ++index) {
            told[index] = _told(shelf.deliveries[(head + index) % DELIVERABLES_MAX]);
        }
    }

    function _told(Delivery storage delivery) private view returns (Deliverable memory told) {
        told.id = delivery.id;
        told.modelRootHash = delivery.modelRootHash;
        told.encryptedSecret = delivery.encryptedSecret;
        told.acknowledged = delivery.acknowledged;
        told.timestamp = delivery.timestamp;
        told.settled = delivery.settled;
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
        Shelf storage shelf = _shelves[Accounts.keyOf(user, provider)];
        uint256 count = shelf.count;
        for (uint256 place; place < count; ++place) {
            delete shelf.places[keccak256(bytes(shelf.deliveries[place].id))];
            delete shelf.deliveries[place];
        }
        shelf.head = 0;
        shelf.count = 0;
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
