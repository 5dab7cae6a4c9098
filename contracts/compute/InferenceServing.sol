// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {AccountBook, Accounts, PendingRefund, SubAccount} from "./Accounts.sol";
import {ILedger} from "./IServing.sol";
import {PackedList} from "./PackedList.sol";
import {Serving} from "./Serving.sol";

/// @title The market for inference: services of providers, sub-accounts of users, and settlements signed in a provider's enclave
/// @notice A provider offers a service and leaves a stake; a user funds a sub-account through the ledger; the provider collects what its
/// signer signed for, entry by entry. No signature bounds what a provider may take but the balance of the sub-account.
contract InferenceServing is Serving {
    using Accounts for AccountBook;
    using Accounts for SubAccount;

    /// @notice A refund that waits.
    struct Refund {
        uint256 index;
        uint256 amount;
        uint256 createdAt;
        bool processed;
    }

    /// @notice A sub-account, as it is told.
    struct Account {
        address user;
        address provider;
        uint256 nonce;
        uint256 balance;
        uint256 pendingRefund;
        Refund[] refunds;
        string additionalInfo;
        bool acknowledged;
        uint256 validRefundsLength;
        uint256 generation;
        uint256 revokedBitmap;
    }

    /// @notice A service, as it is told.
    struct Service {
        address provider;
        string serviceType;
        string url;
        uint256 inputPrice;
        uint256 outputPrice;
        uint256 updatedAt;
        string model;
        string verifiability;
        string additionalInfo;
        address teeSignerAddress;
        bool teeSignerAcknowledged;
    }

    /// @notice What a provider says of its service.
    struct ServiceParams {
        string serviceType;
        string url;
        string model;
        string verifiability;
        uint256 inputPrice;
        uint256 outputPrice;
        string additionalInfo;
        address teeSignerAddress;
    }

    /// @notice What a user owes a provider, signed by the service's signer.
    struct TEESettlementData {
        address user;
        address provider;
        uint256 totalFee;
        bytes32 requestsHash;
        uint256 nonce;
        bytes signature;
    }

    /// @notice What became of a settlement; all but the first two leave everything as it was.
    enum SettlementStatus {
        SUCCESS,
        PARTIAL,
        PROVIDER_MISMATCH,
        NO_TEE_SIGNER,
        INVALID_NONCE,
        INVALID_SIGNATURE
    }

    /// @dev A service, as it is kept. The numbers first, so that a settlement reads one word.
    struct Offer {
        address signer;
        bool acknowledged;
        bool exists;
        uint32 place;
        uint48 updatedAt;
        uint256 inputPrice;
        uint256 outputPrice;
        string serviceType;
        string url;
        string model;
        string verifiability;
        string additionalInfo;
    }

    uint256 private constant SETTLEMENTS_MAX = 50;
    uint256 private constant BATCH_USERS_MAX = 500;
    bytes32 private constant DOMAIN_NAME_HASH = keccak256("0G Inference Serving");
    bytes32 private constant SETTLEMENT_TYPEHASH =
        keccak256("TEESettlement(bytes32 requestsHash,uint256 nonce,address provider,address user,uint256 totalFee)");

    mapping(address provider => Offer) private _offers;
    address[] private _offering;

    event AllTokensRevoked(address indexed user, address indexed provider, uint256 newGeneration);
    /// @dev Declared for those who decode by this ABI.
    event BatchBalanceUpdated(address[] users, uint256[] balances, uint256[] pendingRefunds);
    event ContractInitialized(address indexed owner, uint256 lockTime, address ledgerAddress);
    event ServiceRemoved(address indexed service);
    event ServiceUpdated(
        address indexed service,
        string serviceType,
        string url,
        uint256 inputPrice,
        uint256 outputPrice,
        uint256 updatedAt,
        string model,
        string verifiability
    );
    event TEESettlementResult(address indexed user, SettlementStatus status, uint256 unsettledAmount);
    event TokenRevoked(address indexed user, address indexed provider, uint8 tokenId);
    event TokensRevoked(address indexed user, address indexed provider, uint8[] tokenIds);

    /// @dev Only the ledger may do this.
    error CallerNotLedger(address caller);
    /// @dev Declared for those who decode by this ABI.
    error InsufficientBalance(address user, address provider);
    /// @dev Zero is nobody's address.
    error InvalidAddress(address account);
    /// @dev Declared for those who decode by this ABI; a bad signature is a status.
    error InvalidTEESignature(string reason);
    /// @dev A page of `limit` entries, where `max` are the most.
    error LimitTooLarge(uint256 limit, uint256 max);
    /// @dev Refunds wait `min` to `max` seconds.
    error LockTimeOutOfRange(uint256 lockTime, uint256 min, uint256 max);
    /// @dev There is nothing to settle.
    error NoSettlementsProvided();
    /// @dev Nobody is their own provider.
    error ProviderCannotBeUser();
    /// @dev `count` settlements in one call, where `max` are the most.
    error TooManySettlements(uint256 count, uint256 max);
    /// @dev The receiver did not take its money.
    error TransferFailed();

    /// @notice Set up once.
    /// @param locktime Seconds that a refund waits.
    /// @param ledger The contract that fills sub-accounts.
    /// @param owner_ Who accepts signers and sets the lock time.
    function initialize(uint256 locktime, address ledger, address owner_) external initializer {
        if (ledger == address(0)) revert InvalidAddress(ledger);
        if (owner_ == address(0)) revert InvalidAddress(owner_);
        _setLockTime(locktime);
        ledgerAddress = ledger;
        _transferOwnership(owner_);
        emit ContractInitialized(owner_, locktime, ledger);
    }

    /// @notice Offer a service, or change what is offered. The first time it takes a stake, later no value.
    /// @dev A change of type, model, verifiability, text or signer needs the owner's acceptance anew; one of price or address does not.
    /// @param params All of the offer, also what stays.
    function addOrUpdateService(ServiceParams calldata params) external payable {
        _takeStake();
        if (bytes(params.additionalInfo).length > Accounts.ADDITIONAL_INFO_BYTES_MAX) revert Accounts.AdditionalInfoTooLong();
        Offer storage offer = _offers[msg.sender];
        if (!offer.exists) {
            offer.exists = true;
            offer.place = uint32(_offering.length);
            _offering.push(msg.sender);
        } else if (offer.acknowledged && _differs(offer, params)) {
            offer.acknowledged = false;
        }
        _write(offer, params);
        emit ServiceUpdated(
            msg.sender,
            params.serviceType,
            params.url,
            params.inputPrice,
            params.outputPrice,
            block.timestamp,
            params.model,
            params.verifiability
        );
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

    /// @notice Collect what users owe the caller. No entry makes the call revert: each has its status.
    /// @param settlements One to fifty, each paid in turn from what the one before left.
    /// @return statuses One for each entry, in order.
    function settleFeesWithTEE(TEESettlementData[] calldata settlements)
        external
        nonReentrant
        returns (SettlementStatus[] memory statuses)
    {
        _checkCount(settlements.length);
        statuses = new SettlementStatus[](settlements.length);
        uint256 earned;
        for (uint256 index; index < settlements.length; ++index) {
            TEESettlementData calldata entry = settlements[index];
            SettlementStatus status = _check(entry);
            uint256 unsettled = entry.totalFee;
            if (status == SettlementStatus.SUCCESS) {
                uint256 paid = _charge(entry);
                earned += paid;
                unsettled -= paid;
                if (unsettled > 0) status = SettlementStatus.PARTIAL;
            }
            statuses[index] = status;
            emit TEESettlementResult(entry.user, status, unsettled);
        }
        if (earned > 0) _pay(earned);
    }

    /// @notice What `settleFeesWithTEE` would say of each entry by itself, if the caller sent it now. Entries of one user are not added up.
    /// @param settlements One to fifty.
    /// @return failedUsers Users of entries that would fail.
    /// @return failureReasons Their statuses.
    /// @return partialUsers Users of entries that would be paid in part.
    /// @return partialAmounts Wei of those entries that would stay unpaid.
    function previewSettlementResults(TEESettlementData[] calldata settlements)
        external
        view
        returns (
            address[] memory failedUsers,
            SettlementStatus[] memory failureReasons,
            address[] memory partialUsers,
            uint256[] memory partialAmounts
        )
    {
        uint256 count = settlements.length;
        _checkCount(count);
        failedUsers = new address[](count);
        failureReasons = new SettlementStatus[](count);
        partialUsers = new address[](count);
        partialAmounts = new uint256[](count);
        uint256 failed;
        uint256 partly;
        for (uint256 index; index < count; ++index) {
            TEESettlementData calldata entry = settlements[index];
            SettlementStatus status = _check(entry);
            uint256 balance = _book.record(entry.user, msg.sender).balance;
            if (status != SettlementStatus.SUCCESS) {
                failedUsers[failed] = entry.user;
                failureReasons[failed++] = status;
            } else if (entry.totalFee > balance) {
                partialUsers[partly] = entry.user;
                partialAmounts[partly++] = entry.totalFee - balance;
            }
        }
        assembly ("memory-safe") {
            mstore(failedUsers, failed)
            mstore(failureReasons, failed)
            mstore(partialUsers, partly)
            mstore(partialAmounts, partly)
        }
    }

    /// @notice Make one session token of the caller worthless.
    /// @param provider For whom the token is.
    /// @param tokenId Its number.
    function revokeToken(address provider, uint8 tokenId) external {
        _book.get(msg.sender, provider).revokedBitmap |= 1 << tokenId;
        emit TokenRevoked(msg.sender, provider, tokenId);
    }

    /// @notice Make several session tokens of the caller worthless.
    /// @param provider For whom the tokens are.
    /// @param tokenIds Their numbers.
    function revokeTokens(address provider, uint8[] calldata tokenIds) external {
        SubAccount storage account = _book.get(msg.sender, provider);
        uint256 bitmap = account.revokedBitmap;
        for (uint256 index; index < tokenIds.length; ++index) {
            bitmap |= 1 << tokenIds[index];
        }
        account.revokedBitmap = bitmap;
        emit TokensRevoked(msg.sender, provider, tokenIds);
    }

    /// @notice Make all session tokens of the caller worthless, and begin a new generation in which all numbers are free.
    /// @param provider For whom the tokens are.
    function revokeAllTokens(address provider) external {
        SubAccount storage account = _book.get(msg.sender, provider);
        uint64 generation = ++account.generation;
        account.revokedBitmap = 0;
        emit AllTokensRevoked(msg.sender, provider, generation);
    }

    /// @notice Whether a token's number is revoked in the present generation. Reverts with `AccountNotExists`.
    function isTokenRevoked(address user, address provider, uint8 tokenId) external view returns (bool) {
        return _book.get(user, provider).revokedBitmap >> tokenId & 1 == 1;
    }

    /// @notice A sub-account. Reverts with `AccountNotExists`.
    function getAccount(address user, address provider) external view returns (Account memory) {
        return _told(_book.get(user, provider));
    }

    /// @notice A part of all sub-accounts; deleting one may move another.
    /// @param offset Where to begin.
    /// @param limit At most 50; 0 means 50.
    /// @return accounts None where `offset` is behind the last.
    /// @return total How many there are.
    function getAllAccounts(uint256 offset, uint256 limit) external view returns (Account[] memory accounts, uint256 total) {
        total = _book.keys.length;
        accounts = new Account[](_page(total, offset, limit));
        for (uint256 index; index < accounts.length; ++index) {
            accounts[index] = _told(_accountAt(offset + index));
        }
    }

    /// @notice A part of a user's sub-accounts, as `getAllAccounts`.
    function getAccountsByUser(address user, uint256 offset, uint256 limit)
        external
        view
        returns (Account[] memory accounts, uint256 total)
    {
        return _listed(_book.ofUser[user], offset, limit);
    }

    /// @notice A part of the sub-accounts with a provider, as `getAllAccounts`.
    function getAccountsByProvider(address provider, uint256 offset, uint256 limit)
        external
        view
        returns (Account[] memory accounts, uint256 total)
    {
        return _listed(_book.ofProvider[provider], offset, limit);
    }

    /// @notice The sub-accounts of up to 500 users with the caller; empty where there is none.
    /// @param users Whose.
    /// @return accounts One for each, in order.
    function getBatchAccountsByUsers(address[] calldata users) external view returns (Account[] memory accounts) {
        if (users.length > BATCH_USERS_MAX) revert BatchSizeTooLarge(users.length, BATCH_USERS_MAX);
        accounts = new Account[](users.length);
        for (uint256 index; index < users.length; ++index) {
            SubAccount storage account = _book.record(users[index], msg.sender);
            if (account.exists) accounts[index] = _told(account);
        }
    }

    /// @notice A service. Reverts with `ServiceNotExist`.
    function getService(address provider) external view returns (Service memory service) {
        return _told(provider, _getOffer(provider));
    }

    /// @notice A part of all services; removing one may move another.
    /// @param offset Where to begin.
    /// @param limit At most 50; 0 means 50.
    /// @return services None where `offset` is behind the last.
    /// @return total How many there are.
    function getAllServices(uint256 offset, uint256 limit) external view returns (Service[] memory services, uint256 total) {
        total = _offering.length;
        services = new Service[](_page(total, offset, limit));
        for (uint256 index; index < services.length; ++index) {
            address provider = _offering[offset + index];
            services[index] = _told(provider, _offers[provider]);
        }
    }

    /// @notice Whether a provider offers a service.
    function serviceExists(address provider) external view returns (bool) {
        return _offers[provider].exists;
    }

    /// @dev Everything that an entry needs to be paid, in the order of the statuses' precedence.
    function _check(TEESettlementData calldata entry) private view returns (SettlementStatus) {
        if (entry.provider != msg.sender) return SettlementStatus.PROVIDER_MISMATCH;
        SubAccount storage account = _book.record(entry.user, msg.sender);
        if (!account.exists) return SettlementStatus.INVALID_SIGNATURE;
        Offer storage offer = _offers[msg.sender];
        if (!offer.exists) return SettlementStatus.PROVIDER_MISMATCH;
        if (!account.acknowledged || !offer.acknowledged || offer.signer == address(0)) return SettlementStatus.NO_TEE_SIGNER;
        if (account.nonce >= entry.nonce) return SettlementStatus.INVALID_NONCE;
        if (!_signed(entry, offer.signer)) return SettlementStatus.INVALID_SIGNATURE;
        return SettlementStatus.SUCCESS;
    }

    function _signed(TEESettlementData calldata entry, address signer) private view returns (bool) {
        bytes32 structHash = keccak256(
            abi.encode(SETTLEMENT_TYPEHASH, entry.requestsHash, entry.nonce, entry.provider, entry.user, entry.totalFee)
        );
        (address found, ECDSA.RecoverError failure,) = ECDSA.tryRecover(_digest(structHash), entry.signature);
        return failure == ECDSA.RecoverError.NoError && found == signer;
    }

    /// @dev Take a checked entry's fee, or all there is, from the sub-account and the ledger.
    function _charge(TEESettlementData calldata entry) private returns (uint256 paid) {
        SubAccount storage account = _book.record(entry.user, msg.sender);
        account.nonce = entry.nonce;
        paid = entry.totalFee < account.balance ? entry.totalFee : account.balance;
        if (paid == 0) return 0;
        account.charge(paid);
        ILedger(ledgerAddress).spendFund(entry.user, paid);
        emit BalanceUpdated(entry.user, msg.sender, account.balance, account.pendingRefund);
    }

    function _differs(Offer storage offer, ServiceParams calldata params) private view returns (bool) {
        return offer.signer != params.teeSignerAddress || !_same(offer.serviceType, params.serviceType)
            || !_same(offer.model, params.model) || !_same(offer.verifiability, params.verifiability)
            || !_same(offer.additionalInfo, params.additionalInfo);
    }

    function _write(Offer storage offer, ServiceParams calldata params) private {
        offer.signer = params.teeSignerAddress;
        offer.updatedAt = uint48(block.timestamp);
        offer.inputPrice = params.inputPrice;
        offer.outputPrice = params.outputPrice;
        offer.serviceType = params.serviceType;
        offer.url = params.url;
        offer.model = params.model;
        offer.verifiability = params.verifiability;
        offer.additionalInfo = params.additionalInfo;
    }

    function _listed(PackedList storage list, uint256 offset, uint256 limit)
        private
        view
        returns (Account[] memory accounts, uint256 total)
    {
        uint256[] memory places;
        (places, total) = _placesOf(list, offset, limit);
        accounts = new Account[](places.length);
        for (uint256 index; index < places.length; ++index) {
            accounts[index] = _told(_accountAt(places[index]));
        }
    }

    function _told(SubAccount storage account) private view returns (Account memory told) {
        uint256 count = account.refundCount;
        told.user = account.user;
        told.provider = account.provider;
        told.nonce = account.nonce;
        told.balance = account.balance;
        told.pendingRefund = account.pendingRefund;
        told.refunds = new Refund[](count);
        for (uint256 index; index < count; ++index) {
            PendingRefund memory pending = account.refunds[index];
            told.refunds[index] = Refund(index, pending.amount, pending.createdAt, false);
        }
        told.additionalInfo = account.additionalInfo;
        told.acknowledged = account.acknowledged;
        told.validRefundsLength = count;
        told.generation = account.generation;
        told.revokedBitmap = account.revokedBitmap;
    }

    function _told(address provider, Offer storage offer) private view returns (Service memory told) {
        told.provider = provider;
        told.serviceType = offer.serviceType;
        told.url = offer.url;
        told.inputPrice = offer.inputPrice;
        told.outputPrice = offer.outputPrice;
        told.updatedAt = offer.updatedAt;
        told.model = offer.model;
        told.verifiability = offer.verifiability;
        told.additionalInfo = offer.additionalInfo;
        told.teeSignerAddress = offer.signer;
        told.teeSignerAcknowledged = offer.acknowledged;
    }

    function _getOffer(address provider) private view returns (Offer storage offer) {
        offer = _offers[provider];
        if (!offer.exists) revert ServiceNotExist(provider);
    }

    function _setSignerAcknowledged(address provider, bool acknowledged) internal override returns (address signer) {
        Offer storage offer = _getOffer(provider);
        offer.acknowledged = acknowledged;
        return offer.signer;
    }

    function _same(string memory kept, string calldata given) private pure returns (bool) {
        return keccak256(bytes(kept)) == keccak256(bytes(given));
    }

    function _checkCount(uint256 count) private pure {
        if (count == 0) revert NoSettlementsProvided();
        if (count > SETTLEMENTS_MAX) revert TooManySettlements(count, SETTLEMENTS_MAX);
    }

    function _checkParties(address user, address provider) internal pure override {
        if (user == address(0)) revert InvalidAddress(user);
        if (provider == address(0)) revert InvalidAddress(provider);
        if (user == provider) revert ProviderCannotBeUser();
    }

    function _domainNameHash() internal pure override returns (bytes32) {
        return DOMAIN_NAME_HASH;
    }

    function _refuseCaller(address caller) internal pure override {
        revert CallerNotLedger(caller);
    }

    function _refuseLimit(uint256 limit) internal pure override {
        revert LimitTooLarge(limit, PAGE_MAX);
    }

    function _refuseLockTime(uint256 locktime) internal pure override {
        revert LockTimeOutOfRange(locktime, MIN_LOCKTIME, MAX_LOCKTIME);
    }

    function _refuseTransfer(address) internal pure override {
        revert TransferFailed();
    }
}
