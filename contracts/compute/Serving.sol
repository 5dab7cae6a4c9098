// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {AccountBook, Accounts, SubAccount} from "./Accounts.sol";
import {ILedger, IServing} from "./IServing.sol";
import {Owned} from "./Owned.sol";
import {PackedList, PackedLists} from "./PackedList.sol";

/// @title What all serving contracts have in common: sub-accounts that the ledger fills, stakes of providers, signed settlements
/// @notice A contract built on this says who may not have a sub-account and by which errors it refuses, since the official contracts
/// name the same refusals differently.
abstract contract Serving is IServing, IERC165, Owned, ReentrancyGuardTransient {
    using Accounts for AccountBook;
    using Accounts for SubAccount;
    using PackedLists for PackedList;

    /// @notice Wei that a provider leaves here while its service is offered.
    uint256 public constant MIN_PROVIDER_STAKE = 100 ether;
    /// @notice Seconds that a refund waits at least.
    uint256 public constant MIN_LOCKTIME = 1 hours;
    /// @notice Seconds that a refund waits at most.
    uint256 public constant MAX_LOCKTIME = 7 days;

    uint256 internal constant PAGE_MAX = 50;
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant DOMAIN_VERSION_HASH = keccak256("1");

    /// @notice The only contract that may open, fill, empty and delete sub-accounts.
    address public ledgerAddress;
    /// @notice Seconds that a refund waits.
    uint256 public lockTime;

    AccountBook internal _book;
    mapping(address provider => uint256 wei_) internal _stakes;

    event AccountDeleted(address indexed user, address indexed provider, uint256 refundedAmount);
    event BalanceUpdated(address indexed user, address indexed provider, uint256 amount, uint256 pendingRefund);
    event LockTimeUpdated(uint256 oldLockTime, uint256 newLockTime);
    event ProviderStaked(address indexed provider, uint256 amount);
    event ProviderStakeReturned(address indexed provider, uint256 amount);
    event ProviderTEESignerAcknowledged(address indexed provider, address indexed teeSignerAddress, bool acknowledged);
    event RefundRequested(address indexed user, address indexed provider, uint256 indexed index, uint256 timestamp);

    /// @dev More users in one call than `max`.
    error BatchSizeTooLarge(uint256 size, uint256 max);
    /// @dev The stake was paid when the service began; an update takes no money.
    error CannotAddStakeWhenUpdating();
    /// @dev Money comes through the ledger only.
    error DirectDepositsDisabled();
    /// @dev A service begins with a stake of `required` wei.
    error InsufficientStake(uint256 provided, uint256 required);
    /// @dev `provider` offers no service here.
    error ServiceNotExist(address provider);

    modifier onlyLedger() {
        if (msg.sender != ledgerAddress) _refuseCaller(msg.sender);
        _;
    }

    /// @notice Refuses: money comes through the ledger only.
    receive() external payable {
        revert DirectDepositsDisabled();
    }

    /// @inheritdoc IServing
    /// @dev The user acknowledges the provider's signer by this.
    function addAccount(address user, address provider, string calldata additionalInfo) external payable onlyLedger {
        _checkParties(user, provider);
        _book.open(user, provider, msg.value, additionalInfo);
        emit BalanceUpdated(user, provider, msg.value, 0);
    }

    /// @inheritdoc IServing
    /// @dev The user acknowledges the provider's signer by this, also with a value of zero.
    function depositFund(address user, address provider, uint256 cancelRetrievingAmount) external payable onlyLedger {
        _checkParties(user, provider);
        SubAccount storage account = _book.get(user, provider);
        account.deposit(cancelRetrievingAmount, msg.value);
        emit BalanceUpdated(user, provider, account.balance, account.pendingRefund);
    }

    /// @inheritdoc IServing
    /// @dev Nothing happens where all money is on its way already. Reverts with `TooManyRefunds` where five refunds wait.
    function requestRefundAll(address user, address provider) external onlyLedger {
        _checkParties(user, provider);
        (bool requested, uint256 index) = _book.get(user, provider).requestRefund();
        if (requested) emit RefundRequested(user, provider, index, block.timestamp);
    }

    /// @inheritdoc IServing
    function processRefund(address user, address provider)
        external
        onlyLedger
        nonReentrant
        returns (uint256 totalAmount, uint256 balance, uint256 pendingRefund)
    {
        _checkParties(user, provider);
        SubAccount storage account = _book.get(user, provider);
        totalAmount = account.takeRefunds(lockTime);
        balance = account.balance;
        pendingRefund = account.pendingRefund;
        if (totalAmount > 0) {
            emit BalanceUpdated(user, provider, balance, pendingRefund);
            _pay(totalAmount);
        }
    }

    /// @inheritdoc IServing
    /// @dev Nonce and generation stay, so that no old settlement and no old token counts again in a later account.
    function deleteAccount(address user, address provider) external onlyLedger {
        _book.close(user, provider);
        _forget(user, provider);
        emit AccountDeleted(user, provider, 0);
    }

    /// @notice Accept the signer of a provider, or take that back; opening and filling a sub-account accept it as well.
    /// @param provider With whom the caller has a sub-account.
    /// @param acknowledged False only while the balance is zero.
    function acknowledgeTEESigner(address provider, bool acknowledged) external {
        _book.get(msg.sender, provider).acknowledge(acknowledged);
    }

    /// @notice The contract's owner accepts the signer of a service, after looking at its attestation.
    /// @param provider Who offers the service.
    function acknowledgeTEESignerByOwner(address provider) external onlyOwner {
        emit ProviderTEESignerAcknowledged(provider, _setSignerAcknowledged(provider, true), true);
    }

    /// @notice The contract's owner takes the acceptance back.
    /// @param provider Who offers the service.
    function revokeTEESignerAcknowledgement(address provider) external onlyOwner {
        emit ProviderTEESignerAcknowledged(provider, _setSignerAcknowledged(provider, false), false);
    }

    /// @notice Change how long refunds wait, also those that wait already.
    /// @param locktime Seconds.
    function updateLockTime(uint256 locktime) public virtual onlyOwner {
        emit LockTimeUpdated(lockTime, locktime);
        _setLockTime(locktime);
    }

    /// @inheritdoc IServing
    function accountExists(address user, address provider) external view returns (bool) {
        return _book.record(user, provider).exists;
    }

    /// @inheritdoc IServing
    function getPendingRefund(address user, address provider) external view returns (uint256) {
        return _book.get(user, provider).pendingRefund;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IServing).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    /// @dev Revert: `caller` is not the ledger.
    function _refuseCaller(address caller) internal pure virtual;

    /// @dev Revert: a page has at most `PAGE_MAX` entries.
    function _refuseLimit(uint256 limit) internal pure virtual;

    /// @dev Revert: `locktime` is out of its range.
    function _refuseLockTime(uint256 locktime) internal pure virtual;

    /// @dev Revert: `to` did not take its money.
    function _refuseTransfer(address to) internal view virtual;

    /// @dev Revert where these two may have no sub-account.
    function _checkParties(address user, address provider) internal pure virtual;

    /// @dev Forget what else is kept for a sub-account that is deleted; nothing here.
    function _forget(address user, address provider) internal virtual {}

    /// @dev Set whether the owner accepts the signer of a service, and return the signer. Reverts with `ServiceNotExist`.
    function _setSignerAcknowledged(address provider, bool acknowledged) internal virtual returns (address signer);

    /// @dev Hash of the name in the domain of what signers sign.
    function _domainNameHash() internal pure virtual returns (bytes32);

    function _setLockTime(uint256 locktime) internal {
        if (locktime < MIN_LOCKTIME || locktime > MAX_LOCKTIME) _refuseLockTime(locktime);
        lockTime = locktime;
    }

    /// @dev Keep the value sent as the caller's stake, if it has none; else there must be no value.
    function _takeStake() internal {
        if (_stakes[msg.sender] > 0) {
            if (msg.value != 0) revert CannotAddStakeWhenUpdating();
            return;
        }
        if (msg.value < MIN_PROVIDER_STAKE) revert InsufficientStake(msg.value, MIN_PROVIDER_STAKE);
        _stakes[msg.sender] = msg.value;
        emit ProviderStaked(msg.sender, msg.value);
    }

    /// @dev Let go of the caller's stake, which is to be paid then.
    function _releaseStake() internal returns (uint256 stake) {
        stake = _stakes[msg.sender];
        delete _stakes[msg.sender];
        emit ProviderStakeReturned(msg.sender, stake);
    }

    /// @dev Send wei to the caller: the last step of a call that is `nonReentrant`.
    function _pay(uint256 amount) internal {
        (bool taken,) = msg.sender.call{value: amount}("");
        if (!taken) _refuseTransfer(msg.sender);
    }

    /// @dev What a signer signs: EIP-712 over a struct's hash, in the domain of this contract on this chain.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN_TYPEHASH, _domainNameHash(), DOMAIN_VERSION_HASH, block.chainid, address(this)));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev Where a page ends, and how many entries it has: none where it would begin behind the last.
    function _page(uint256 total, uint256 offset, uint256 limit) internal pure returns (uint256 count) {
        if (limit > PAGE_MAX) _refuseLimit(limit);
        if (offset >= total) return 0;
        uint256 wanted = limit == 0 ? PAGE_MAX : limit;
        uint256 left = total - offset;
        return wanted < left ? wanted : left;
    }

    /// @dev The sub-account at a place of the list of all.
    function _accountAt(uint256 place) internal view returns (SubAccount storage) {
        return _book.accounts[_book.keys[place]];
    }

    /// @dev A page of a user's or a provider's sub-accounts, as places in the list of all.
    function _placesOf(PackedList storage list, uint256 offset, uint256 limit)
        internal
        view
        returns (uint256[] memory places, uint256 total)
    {
        total = list.length();
        places = new uint256[](_page(total, offset, limit));
        for (uint256 index; index < places.length; ++index) {
            places[index] = list.at(offset + index);
        }
    }
}
