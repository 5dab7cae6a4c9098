// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {IServing} from "./IServing.sol";
import {Owned} from "./Owned.sol";

/// @title The ledger: what a user has deposited, and how much of it lies in sub-accounts
/// @notice A user deposits here, moves parts into sub-accounts with providers, which serving contracts keep, and takes back what was
/// not spent. `totalBalance` counts all of it; what is not available is locked in sub-accounts. Registered services are trusted: each
/// may spend any user's locked money.
contract LedgerManager is Owned {
    using ERC165Checker for address;
    using SlotDerivation for bytes32;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.BooleanSlot;

    /// @notice A user's ledger, as it is told.
    struct Ledger {
        address user;
        uint256 availableBalance;
        uint256 totalBalance;
        string additionalInfo;
    }

    /// @notice A registered serving contract.
    struct ServiceInfo {
        address serviceAddress;
        IServing serviceContract;
        string serviceType;
        string version;
        string fullName;
        string description;
        bool isRecommended;
        uint256 registeredAt;
    }

    /// @dev A user's ledger, as it is kept. `user` is zero where there is none.
    struct Entry {
        address user;
        uint96 place;
        uint128 available;
        uint128 total;
        string additionalInfo;
    }

    /// @notice Providers that one `retrieveFund` takes.
    uint256 public constant MAX_PROVIDERS_PER_BATCH = 20;
    /// @notice Services that can be registered.
    uint256 public constant MAX_SERVICES = 500;
    /// @notice Sub-accounts that a user can have in one service.
    uint256 public constant MAX_PROVIDERS_PER_USER_PER_SERVICE = 50;
    /// @notice Bytes of a ledger's text.
    uint256 public constant MAX_ADDITIONAL_INFO_LENGTH = 4096;
    /// @notice Wei that a ledger begins with, and that stay available unless all are taken.
    uint256 public immutable MIN_ACCOUNT_BALANCE;
    /// @notice Wei that a sub-account begins with.
    uint256 public immutable MIN_TRANSFER_AMOUNT;

    /// @dev What deleting one account may take: more than any honest one needs, and few enough that no provider can make it too dear to leave.
    uint256 private constant DELETION_GAS = 2_000_000;
    bytes32 private constant LOCKS = keccak256("zerog.compute.ledger.locks");
    uint256 private constant PAGE = 50;

    mapping(address user => Entry) private _ledgers;
    address[] private _users;
    mapping(address user => mapping(address service => address[])) private _providers;
    mapping(address service => ServiceInfo) private _services;
    address[] private _serviceAddresses;
    mapping(string fullName => address) private _serviceByName;
    mapping(string serviceType => address) private _recommended;

    event FundSpent(address indexed user, address indexed service, uint256 amount);
    event LedgerInfoUpdated(address indexed user, string additionalInfo);
    event RecommendedServiceUpdated(string serviceType, string version, address serviceAddress);
    event ServiceRegistered(address indexed serviceAddress, string serviceName);

    /// @dev A text of `length` bytes, where `max` are the most.
    error AdditionalInfoTooLong(uint256 length, uint256 max);
    /// @dev Only registered services may do this.
    error CallerNotRegisteredService(address caller);
    /// @dev The service refused. Behind the selector stands what it answered, as `abi.encode(bytes)`: decoders that follow the ABI see an
    /// error without arguments, and those who know of it see why.
    error CallFailed();
    /// @dev Money comes by `addLedger`, `depositFund` and `depositFundFor`, or from services.
    error DirectDepositsDisabled();
    /// @dev `available` wei are there, `required` are needed.
    error InsufficientAvailableBalance(uint256 available, uint256 required);
    /// @dev Less is available than was asked for.
    error InsufficientBalance(address user);
    /// @dev No contract can be there.
    error InvalidServiceAddress(address serviceAddress);
    /// @dev Declared for those who decode by this ABI.
    error InvalidServiceType(string serviceType);
    /// @dev `user` has a ledger.
    error LedgerExists(address user);
    /// @dev Another call for this user is under way.
    error LedgerLocked();
    /// @dev `user` has no ledger.
    error LedgerNotExists(address user);
    /// @dev `provided` wei, where `required` are the least.
    error MinimumDepositRequired(uint256 provided, uint256 required);
    /// @dev Wei are still there, available or locked.
    error MustWithdrawAllFundsFirst(uint256 remainingBalance);
    /// @dev No service of this type is recommended.
    error NoRecommendedService(string serviceType);
    /// @dev The address is registered already.
    error ServiceAlreadyRegistered(address serviceAddress);
    /// @dev The contract does not say by ERC-165 that it is an `IServing`.
    error ServiceMustImplementIServing(address serviceAddress);
    /// @dev Another address has this name.
    error ServiceNameExists(string serviceName);
    /// @dev No service has this name; the address is always zero.
    error ServiceNotFound(address serviceAddress);
    /// @dev Declared for those who decode by this ABI.
    error ServiceNotRegistered(address serviceAddress);
    /// @dev No more services can be registered.
    error ServiceRegistryLimitReached(uint256 limit);
    /// @dev A service has a type.
    error ServiceTypeRequired();
    /// @dev `requested` providers in one call, where `maximum` are the most.
    error TooManyProviders(uint256 requested, uint256 maximum);
    /// @dev The user has `current` sub-accounts in this service, and `maximum` are the most.
    error TooManyProvidersForService(uint256 current, uint256 maximum);
    /// @dev The user did not take its money.
    error TransferFailed();
    /// @dev A service has a version.
    error VersionRequired();
    /// @dev Zero is nobody's address.
    error ZeroAddressNotAllowed();
    /// @dev Nothing was sent.
    error ZeroAmountNotAllowed();

    /// @dev One state-changing call at a time for each user. The lock lasts as long as the transaction at most.
    modifier locked(address user) {
        TransientSlot.BooleanSlot lock = LOCKS.deriveMapping(user).asBoolean();
        if (lock.tload()) revert LedgerLocked();
        lock.tstore(true);
        _;
        lock.tstore(false);
    }

    modifier onlyService() {
        if (_services[msg.sender].serviceAddress == address(0)) revert CallerNotRegisteredService(msg.sender);
        _;
    }

    /// @notice Takes what services send back in `retrieveFund`; refuses all others.
    receive() external payable {
        if (_services[msg.sender].serviceAddress == address(0)) revert DirectDepositsDisabled();
    }

    /// @param minAccountBalance 3 0G on the public main network, 0.1 0G on its test network.
    /// @param minTransferAmount 1 0G on the public main network, 0.01 0G on its test network.
    constructor(uint256 minAccountBalance, uint256 minTransferAmount) {
        MIN_ACCOUNT_BALANCE = minAccountBalance;
        MIN_TRANSFER_AMOUNT = minTransferAmount;
    }

    /// @notice Set up once.
    /// @param owner_ Who registers and recommends services.
    function initialize(address owner_) external initializer {
        if (owner_ == address(0)) revert ZeroAddressNotAllowed();
        _transferOwnership(owner_);
    }

    /// @notice Open a ledger with the value sent.
    /// @param additionalInfo A text of the user's choice, which every new sub-account gets.
    /// @return Wei available.
    /// @return Wei locked, none in the beginning.
    function addLedger(string calldata additionalInfo) external payable locked(msg.sender) returns (uint256, uint256) {
        if (msg.value < MIN_ACCOUNT_BALANCE) revert MinimumDepositRequired(msg.value, MIN_ACCOUNT_BALANCE);
        _checkLength(additionalInfo);
        if (_exists(msg.sender)) revert LedgerExists(msg.sender);
        _open(msg.sender);
        if (bytes(additionalInfo).length > 0) _ledgers[msg.sender].additionalInfo = additionalInfo;
        return (msg.value, 0);
    }

    /// @notice Add to the caller's ledger, or open it.
    function depositFund() external payable locked(msg.sender) {
        _deposit(msg.sender);
    }

    /// @notice Add to another's ledger, or open it for them.
    /// @param recipient Whose money it is from now on.
    function depositFundFor(address recipient) external payable locked(recipient) {
        if (recipient == address(0)) revert ZeroAddressNotAllowed();
        _deposit(recipient);
    }

    /// @notice Change the text of the caller's ledger; sub-accounts keep theirs.
    /// @param additionalInfo The new text.
    function updateAdditionalInfo(string calldata additionalInfo) external locked(msg.sender) {
        _checkLength(additionalInfo);
        _get(msg.sender).additionalInfo = additionalInfo;
        emit LedgerInfoUpdated(msg.sender, additionalInfo);
    }

    /// @notice Take available money out. Whoever takes all there is, has no ledger and no sub-accounts any more.
    /// @param amount Wei.
    function refund(uint256 amount) external locked(msg.sender) {
        Entry storage ledger = _get(msg.sender);
        uint256 available = ledger.available;
        if (available < amount) revert InsufficientBalance(msg.sender);
        uint256 remaining = available - amount;
        if (remaining != 0 && remaining < MIN_ACCOUNT_BALANCE) revert MinimumDepositRequired(remaining, MIN_ACCOUNT_BALANCE);

        ledger.available = uint128(remaining);
        ledger.total -= uint128(amount);
        if (ledger.total == 0) _close(msg.sender);
        (bool taken,) = msg.sender.call{value: amount}("");
        if (!taken) revert TransferFailed();
    }

    /// @notice Close a ledger in which nothing is left.
    function deleteLedger() external locked(msg.sender) {
        uint256 total = _get(msg.sender).total;
        if (total != 0) revert MustWithdrawAllFundsFirst(total);
        _close(msg.sender);
    }

    /// @notice Move available money into a sub-account, or cancel refunds that wait there.
    /// @param provider Whose sub-account; it need not offer anything.
    /// @param serviceName Which serving contract keeps it, such as "inference-v1.0".
    /// @param amount Wei, taken from waiting refunds first. Zero only acknowledges the provider's signer again.
    function transferFund(address provider, string calldata serviceName, uint256 amount) external locked(msg.sender) {
        Entry storage ledger = _get(msg.sender);
        IServing serving = IServing(_serviceNamed(serviceName));

        uint256 value = amount;
        bytes memory data;
        if (serving.accountExists(msg.sender, provider)) {
            uint256 pending = serving.getPendingRefund(msg.sender, provider);
            uint256 cancelled = amount < pending ? amount : pending;
            value -= cancelled;
            data = abi.encodeCall(IServing.depositFund, (msg.sender, provider, cancelled));
        } else {
            if (amount < MIN_TRANSFER_AMOUNT) revert MinimumDepositRequired(amount, MIN_TRANSFER_AMOUNT);
            _addProvider(address(serving), provider);
            data = abi.encodeCall(IServing.addAccount, (msg.sender, provider, ledger.additionalInfo));
        }
        if (ledger.available < value) revert InsufficientAvailableBalance(ledger.available, value);
        ledger.available -= uint128(value);

        (bool done, bytes memory reason) = address(serving).call{value: value}(data);
        if (!done) _callFailed(reason);
    }

    /// @notice Take back what has waited long enough in sub-accounts, and let the rest begin to wait. So money comes back by two calls
    /// with the service's lock time between them.
    /// @param providers Whose sub-accounts; those that the caller does not have are passed over.
    /// @param serviceName Which serving contract keeps them.
    function retrieveFund(address[] calldata providers, string calldata serviceName) external locked(msg.sender) {
        if (providers.length > MAX_PROVIDERS_PER_BATCH) revert TooManyProviders(providers.length, MAX_PROVIDERS_PER_BATCH);
        IServing serving = IServing(_serviceNamed(serviceName));
        Entry storage ledger = _get(msg.sender);

        uint256 returned;
        for (uint256 index; index < providers.length; ++index) {
            address provider = providers[index];
            if (!serving.accountExists(msg.sender, provider)) continue;
            (uint256 amount,,) = serving.processRefund(msg.sender, provider);
            returned += amount;
            serving.requestRefundAll(msg.sender, provider);
        }
        if (returned > 0) ledger.available += _narrow(returned);
    }

    /// @notice A service pays a provider out of a sub-account, and says so.
    /// @param user Whose money it was.
    /// @param amount Wei, at most what the user has locked.
    function spendFund(address user, uint256 amount) external onlyService locked(user) {
        Entry storage ledger = _get(user);
        uint256 lockedBalance = ledger.total - ledger.available;
        if (lockedBalance < amount) revert InsufficientAvailableBalance(lockedBalance, amount);
        ledger.total -= uint128(amount);
        emit FundSpent(user, msg.sender, amount);
    }

    /// @notice Let a serving contract keep sub-accounts of this ledger's users.
    /// @param serviceType Such as "inference".
    /// @param version Such as "v1.0"; type, "-" and version are the name.
    /// @param serviceAddress A contract that tells by ERC-165 that it is an `IServing`.
    /// @param description For people.
    function registerService(
        string calldata serviceType,
        string calldata version,
        address serviceAddress,
        string calldata description
    ) external onlyOwner {
        if (serviceAddress == address(0)) revert InvalidServiceAddress(serviceAddress);
        if (bytes(serviceType).length == 0) revert ServiceTypeRequired();
        if (bytes(version).length == 0) revert VersionRequired();
        if (_services[serviceAddress].serviceAddress != address(0)) revert ServiceAlreadyRegistered(serviceAddress);
        string memory fullName = string.concat(serviceType, "-", version);
        if (_serviceByName[fullName] != address(0)) revert ServiceNameExists(fullName);
        if (!serviceAddress.supportsInterface(type(IServing).interfaceId)) revert ServiceMustImplementIServing(serviceAddress);
        if (_serviceAddresses.length >= MAX_SERVICES) revert ServiceRegistryLimitReached(MAX_SERVICES);

        _services[serviceAddress] = ServiceInfo({
            serviceAddress: serviceAddress,
            serviceContract: IServing(serviceAddress),
            serviceType: serviceType,
            version: version,
            fullName: fullName,
            description: description,
            isRecommended: false,
            registeredAt: block.timestamp
        });
        _serviceByName[fullName] = serviceAddress;
        _serviceAddresses.push(serviceAddress);
        emit ServiceRegistered(serviceAddress, fullName);
    }

    /// @notice Recommend one version of a type; the one before it no longer is.
    /// @param serviceType Such as "inference".
    /// @param version Of a registered service.
    function setRecommendedService(string calldata serviceType, string calldata version) external onlyOwner {
        address serviceAddress = _serviceNamed(string.concat(serviceType, "-", version));
        address before = _recommended[serviceType];
        if (before != address(0)) _services[before].isRecommended = false;
        _services[serviceAddress].isRecommended = true;
        _recommended[serviceType] = serviceAddress;
        emit RecommendedServiceUpdated(serviceType, version, serviceAddress);
    }

    /// @notice The ledger of a user. Reverts with `LedgerNotExists`.
    function getLedger(address user) external view returns (Ledger memory) {
        return _told(_get(user));
    }

    /// @notice A part of all ledgers; closing one may move another.
    /// @param offset Where to begin.
    /// @param limit How many at most; 0 means 50.
    /// @return ledgers None where `offset` is behind the last.
    /// @return total How many there are.
    function getAllLedgers(uint256 offset, uint256 limit) external view returns (Ledger[] memory ledgers, uint256 total) {
        total = _users.length;
        if (offset >= total) return (new Ledger[](0), total);
        uint256 count = limit == 0 ? PAGE : limit;
        if (count > total - offset) count = total - offset;
        ledgers = new Ledger[](count);
        for (uint256 index; index < count; ++index) {
            ledgers[index] = _told(_ledgers[_users[offset + index]]);
        }
    }

    /// @notice The providers with whom a user has sub-accounts, in no order. Reverts with `ServiceNotFound`.
    /// @param user Whose sub-accounts.
    /// @param serviceName Which serving contract keeps them.
    function getLedgerProviders(address user, string calldata serviceName) external view returns (address[] memory) {
        return _providers[user][_serviceNamed(serviceName)];
    }

    /// @notice What is known of a service; all is empty where nothing is.
    function getServiceInfo(address serviceAddress) external view returns (ServiceInfo memory) {
        return _services[serviceAddress];
    }

    /// @notice The address of a name such as "inference-v1.0", or zero.
    function getServiceAddressByName(string calldata serviceName) external view returns (address) {
        return _serviceByName[serviceName];
    }

    /// @notice All registered services, in the order of their registration.
    function getAllActiveServices() external view returns (ServiceInfo[] memory services) {
        uint256 count = _serviceAddresses.length;
        services = new ServiceInfo[](count);
        for (uint256 index; index < count; ++index) {
            services[index] = _services[_serviceAddresses[index]];
        }
    }

    /// @notice The recommended service of a type. Reverts with `NoRecommendedService`.
    function getRecommendedService(string calldata serviceType)
        external
        view
        returns (string memory version, address serviceAddress)
    {
        serviceAddress = _recommended[serviceType];
        if (serviceAddress == address(0)) revert NoRecommendedService(serviceType);
        version = _services[serviceAddress].version;
    }

    /// @notice Whether a version is the recommended one of its type.
    function isRecommendedVersion(string calldata serviceType, string calldata version) external view returns (bool) {
        address serviceAddress = _serviceByName[string.concat(serviceType, "-", version)];
        return serviceAddress != address(0) && serviceAddress == _recommended[serviceType];
    }

    /// @notice All versions of a type, in the order of their registration; three lists of one length.
    function getAllVersions(string calldata serviceType)
        external
        view
        returns (string[] memory versions, address[] memory addresses, bool[] memory isRecommendedFlags)
    {
        addresses = _servicesOf(serviceType);
        versions = new string[](addresses.length);
        isRecommendedFlags = new bool[](addresses.length);
        for (uint256 index; index < addresses.length; ++index) {
            versions[index] = _services[addresses[index]].version;
            isRecommendedFlags[index] = _services[addresses[index]].isRecommended;
        }
    }

    function _servicesOf(string calldata serviceType) private view returns (address[] memory addresses) {
        bytes32 wanted = keccak256(bytes(serviceType));
        address[] memory all = _serviceAddresses;
        uint256 count;
        for (uint256 index; index < all.length; ++index) {
            if (keccak256(bytes(_services[all[index]].serviceType)) == wanted) all[count++] = all[index];
        }
        addresses = new address[](count);
        for (uint256 index; index < count; ++index) {
            addresses[index] = all[index];
        }
    }

    function _deposit(address user) private {
        if (msg.value == 0) revert ZeroAmountNotAllowed();
        if (_exists(user)) {
            Entry storage ledger = _ledgers[user];
            ledger.available = _narrow(ledger.available + msg.value);
            ledger.total = _narrow(ledger.total + msg.value);
        } else {
            if (msg.value < MIN_ACCOUNT_BALANCE) revert MinimumDepositRequired(msg.value, MIN_ACCOUNT_BALANCE);
            _open(user);
        }
    }

    function _open(address user) private {
        Entry storage ledger = _ledgers[user];
        ledger.user = user;
        ledger.place = uint96(_users.length);
        ledger.available = ledger.total = _narrow(msg.value);
        _users.push(user);
    }

    /// @dev Remove an empty ledger, and the sub-accounts behind it where their contract agrees. Those that stay, stay listed.
    function _close(address user) private {
        uint256 place = _ledgers[user].place;
        address last = _users[_users.length - 1];
        _users[place] = last;
        _ledgers[last].place = uint96(place);
        _users.pop();
        delete _ledgers[user];

        uint256 count = _serviceAddresses.length;
        for (uint256 index; index < count; ++index) {
            _deleteAccounts(user, _serviceAddresses[index]);
        }
    }

    /// @dev An account that its service does not delete stays listed. It holds no money: the ledger's total was zero.
    function _deleteAccounts(address user, address service) private {
        address[] storage listed = _providers[user][service];
        address[] memory providers = listed;
        uint256 kept;
        for (uint256 index; index < providers.length; ++index) {
            uint256 gasBefore = gasleft();
            try IServing(service).deleteAccount{gas: DELETION_GAS}(user, providers[index]) {}
            catch (bytes memory reason) {
                // Without a word means without gas. If it had less than it may take, the transaction is to bring more: else estimates,
                // which look for the least gas with which a call succeeds, would leave accounts behind.
                if (reason.length == 0 && gasBefore < DELETION_GAS + DELETION_GAS / 32) _callFailed(reason);
                listed[kept++] = providers[index];
            }
        }
        for (uint256 left = providers.length; left > kept; --left) {
            listed.pop();
        }
    }

    /// @dev Note that the caller will have a sub-account. One whose account could not be deleted is listed already.
    function _addProvider(address service, address provider) private {
        address[] storage providers = _providers[msg.sender][service];
        if (providers.length >= MAX_PROVIDERS_PER_USER_PER_SERVICE) {
            revert TooManyProvidersForService(providers.length, MAX_PROVIDERS_PER_USER_PER_SERVICE);
        }
        providers.push(provider);
    }

    function _exists(address user) private view returns (bool) {
        return _ledgers[user].user != address(0);
    }

    function _get(address user) private view returns (Entry storage ledger) {
        ledger = _ledgers[user];
        if (ledger.user == address(0)) revert LedgerNotExists(user);
    }

    function _serviceNamed(string memory serviceName) private view returns (address serviceAddress) {
        serviceAddress = _serviceByName[serviceName];
        if (serviceAddress == address(0)) revert ServiceNotFound(address(0));
    }

    function _told(Entry storage ledger) private view returns (Ledger memory) {
        return Ledger(ledger.user, ledger.available, ledger.total, ledger.additionalInfo);
    }

    function _checkLength(string calldata additionalInfo) private pure {
        uint256 length = bytes(additionalInfo).length;
        if (length > MAX_ADDITIONAL_INFO_LENGTH) revert AdditionalInfoTooLong(length, MAX_ADDITIONAL_INFO_LENGTH);
    }

    /// @dev Both balances share a word, which has room for 2^128 wei each: more than any supply, and still checked.
    function _narrow(uint256 amount) private pure returns (uint128) {
        require(amount <= type(uint128).max, "amount has more than 128 bits");
        return uint128(amount);
    }

    /// @dev Revert with the selector of `CallFailed`, then `reason` as an ABI-encoded `bytes`: 4 bytes more than whole words, which is
    /// what clients expect of an error.
    function _callFailed(bytes memory reason) private pure {
        bytes memory data = abi.encodeWithSelector(CallFailed.selector, reason);
        assembly ("memory-safe") {
            revert(add(data, 32), mload(data))
        }
    }
}
