// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {PackedList, PackedLists} from "./PackedList.sol";

/// @dev Money of a sub-account that leaves it once it has waited.
struct PendingRefund {
    uint128 amount;
    uint128 createdAt;
}

/// @dev What a user has with one provider. A deleted one keeps `nonce` and `generation`, so that nothing signed before counts again.
struct SubAccount {
    address user;
    uint32 place;
    uint32 placeOfUser;
    uint32 placeOfProvider;
    address provider;
    uint64 generation;
    bool exists;
    bool acknowledged;
    uint8 refundCount;
    uint128 balance;
    uint128 pendingRefund;
    uint256 nonce;
    uint256 revokedBitmap;
    /// @dev Oldest first; only the first `refundCount` count.
    PendingRefund[5] refunds;
    string additionalInfo;
}

/// @dev All sub-accounts of a contract, with the lists by which they are found.
struct AccountBook {
    mapping(bytes32 key => SubAccount) accounts;
    bytes32[] keys;
    mapping(address user => PackedList) ofUser;
    mapping(address provider => PackedList) ofProvider;
}

/// @title Sub-accounts: opened, filled, emptied after a waiting time, forgotten
/// @notice The rules that all serving contracts share. Nothing here sends money: callers do, after the books are right.
library Accounts {
    using PackedLists for PackedList;

    uint256 internal constant REFUNDS_MAX = 5;
    uint256 internal constant ADDITIONAL_INFO_BYTES_MAX = 4096;

    /// @dev `user` has a sub-account with `provider` already.
    error AccountExists(address user, address provider);
    /// @dev `user` has no sub-account with `provider`.
    error AccountNotExists(address user, address provider);
    /// @dev The text has more than 4,096 bytes.
    error AdditionalInfoTooLong();
    /// @dev `balance` wei are still there.
    error CannotRevokeWithNonZeroBalance(address user, address provider, uint256 balance);
    /// @dev Five refunds wait: take back what has waited long enough first.
    error TooManyRefunds(address user, address provider);

    function keyOf(address user, address provider) internal pure returns (bytes32) {
        return keccak256(abi.encode(user, provider));
    }

    /// @dev The record, whether the sub-account exists or not.
    function record(AccountBook storage book, address user, address provider) internal view returns (SubAccount storage) {
        return book.accounts[keyOf(user, provider)];
    }

    /// @dev The sub-account. Reverts with `AccountNotExists`.
    function get(AccountBook storage book, address user, address provider) internal view returns (SubAccount storage account) {
        account = record(book, user, provider);
        if (!account.exists) revert AccountNotExists(user, provider);
    }

    /// @dev Open a sub-account, acknowledged. Reverts with `AdditionalInfoTooLong` or `AccountExists`.
    function open(AccountBook storage book, address user, address provider, uint256 value, string calldata additionalInfo)
        internal
        returns (SubAccount storage account)
    {
        if (bytes(additionalInfo).length > ADDITIONAL_INFO_BYTES_MAX) revert AdditionalInfoTooLong();
        bytes32 key = keyOf(user, provider);
        account = book.accounts[key];
        if (account.exists) revert AccountExists(user, provider);

        uint256 place = book.keys.length;
        book.keys.push(key);
        account.user = user;
        account.place = uint32(place);
        account.placeOfUser = uint32(book.ofUser[user].push(place));
        account.placeOfProvider = uint32(book.ofProvider[provider].push(place));
        account.provider = provider;
        account.exists = true;
        account.acknowledged = true;
        account.balance = narrow(value);
        if (bytes(additionalInfo).length > 0) account.additionalInfo = additionalInfo;
    }

    /// @dev Cancel up to `cancelled` wei of refunds, the newest first, and add `value`.
    function deposit(SubAccount storage account, uint256 cancelled, uint256 value) internal {
        _cancelRefunds(account, cancelled);
        if (value > 0) account.balance = narrow(account.balance + value);
        if (!account.acknowledged) account.acknowledged = true;
    }

    /// @dev Take what a provider earned, at most the balance. Refunds that wait are no protection: the newest go first.
    function charge(SubAccount storage account, uint256 amount) internal {
        uint256 free = account.balance - account.pendingRefund;
        if (amount > free) _cancelRefunds(account, amount - free);
        account.balance -= uint128(amount);
    }

    /// @dev Let all free money wait for its way back.
    /// @return requested Whether there was any.
    /// @return index Place of the new refund.
    function requestRefund(SubAccount storage account) internal returns (bool requested, uint256 index) {
        uint128 free = account.balance - account.pendingRefund;
        if (free == 0) return (false, 0);
        index = account.refundCount;
        if (index >= REFUNDS_MAX) revert TooManyRefunds(account.user, account.provider);
        account.refunds[index] = PendingRefund(free, uint128(block.timestamp));
        account.refundCount = uint8(index + 1);
        account.pendingRefund += free;
        return (true, index);
    }

    /// @dev Take out what has waited `lockTime` seconds; the others move up and keep their order.
    function takeRefunds(SubAccount storage account, uint256 lockTime) internal returns (uint256 taken) {
        uint256 count = account.refundCount;
        uint256 kept;
        for (uint256 index; index < count; ++index) {
            PendingRefund memory pending = account.refunds[index];
            if (block.timestamp >= pending.createdAt + lockTime) {
                taken += pending.amount;
            } else {
                if (kept != index) account.refunds[kept] = pending;
                ++kept;
            }
        }
        if (taken == 0) return 0;
        account.refundCount = uint8(kept);
        account.pendingRefund -= uint128(taken);
        account.balance -= uint128(taken);
    }

    /// @dev The user accepts the provider's signer or not. Only who has no money there may take it back.
    function acknowledge(SubAccount storage account, bool acknowledged) internal {
        if (account.acknowledged && !acknowledged && account.balance != 0) {
            revert CannotRevokeWithNonZeroBalance(account.user, account.provider, account.balance);
        }
        account.acknowledged = acknowledged;
    }

    /// @dev Forget an empty sub-account, but for its nonce and generation.
    function close(AccountBook storage book, address user, address provider) internal {
        SubAccount storage account = get(book, user, provider);
        if (account.balance != 0) revert CannotRevokeWithNonZeroBalance(user, provider, account.balance);

        _removeFrom(book, book.ofUser[user], account.placeOfUser, true);
        _removeFrom(book, book.ofProvider[provider], account.placeOfProvider, false);
        _removeKey(book, account.place);
        account.exists = false;
        account.acknowledged = false;
        account.refundCount = 0;
        account.revokedBitmap = 0;
        delete account.additionalInfo;
    }

    /// @dev Balances share a word, which has room for 2^128 wei each: more than any supply, and still checked.
    function narrow(uint256 amount) internal pure returns (uint128) {
        require(amount <= type(uint128).max, "amount has more than 128 bits");
        return uint128(amount);
    }

    function _cancelRefunds(SubAccount storage account, uint256 amount) private {
        uint256 left = amount;
        uint256 count = account.refundCount;
        while (left > 0 && count > 0) {
            PendingRefund storage newest = account.refunds[count - 1];
            if (newest.amount > left) {
                newest.amount -= uint128(left);
                left = 0;
            } else {
                left -= newest.amount;
                --count;
            }
        }
        if (left == amount) return;
        account.refundCount = uint8(count);
        account.pendingRefund -= uint128(amount - left);
    }

    /// @dev Take `place` out of a user's or a provider's list; the last one moves there.
    function _removeFrom(AccountBook storage book, PackedList storage list, uint256 place, bool ofUser) private {
        uint256 lastPlace = list.length() - 1;
        if (place != lastPlace) {
            uint256 moved = list.at(lastPlace);
            list.set(place, moved);
            SubAccount storage account = book.accounts[book.keys[moved]];
            if (ofUser) account.placeOfUser = uint32(place);
            else account.placeOfProvider = uint32(place);
        }
        list.pop();
    }

    /// @dev Take `place` out of the list of all; the last one moves there and its user's and provider's lists follow.
    function _removeKey(AccountBook storage book, uint256 place) private {
        uint256 lastPlace = book.keys.length - 1;
        if (place != lastPlace) {
            bytes32 key = book.keys[lastPlace];
            book.keys[place] = key;
            SubAccount storage moved = book.accounts[key];
            moved.place = uint32(place);
            book.ofUser[moved.user].set(moved.placeOfUser, place);
            book.ofProvider[moved.provider].set(moved.placeOfProvider, place);
        }
        book.keys.pop();
    }
}
