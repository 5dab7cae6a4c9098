// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A trained model, as it is told.
struct Deliverable {
    string id;
    bytes modelRootHash;
    bytes encryptedSecret;
    bool acknowledged;
    uint248 timestamp;
    bool settled;
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

/// @title Shelves of trained models: twenty places, of which the oldest is given to the next once its model is settled
library Shelves {
    uint256 private constant PLACES = 20;
    uint256 private constant ID_BYTES_MAX = 256;

    /// @dev All places are taken, and the oldest model is not settled.
    error CannotEvictUnsettledDeliverable(string id);
    /// @dev There is a model of this id.
    error DeliverableAlreadyExists(string id);
    /// @dev An id has 1 to 256 bytes.
    error DeliverableIdInvalidLength(uint256 length);
    /// @dev There is no model of this id.
    error DeliverableNotExists(string id);
    /// @dev The newest model is neither acknowledged nor settled.
    error PreviousDeliverableNotAcknowledged(string id);

    /// @dev Reverts with `DeliverableIdInvalidLength`.
    function checkId(string calldata id) internal pure {
        uint256 length = bytes(id).length;
        if (length == 0 || length > ID_BYTES_MAX) revert DeliverableIdInvalidLength(length);
    }

    /// @dev Put a model there, and return the id of the one that gave way to it, which is empty if none did.
    function add(Shelf storage shelf, string calldata id, bytes calldata modelRootHash) internal returns (string memory evicted) {
        bytes32 idHash = keccak256(bytes(id));
        if (shelf.places[idHash] != 0) revert DeliverableAlreadyExists(id);
        uint256 place;
        (place, evicted) = _freePlace(shelf);
        shelf.places[idHash] = place + 1;
        Delivery storage delivery = shelf.deliveries[place];
        delivery.timestamp = uint64(block.timestamp);
        delivery.id = id;
        delivery.modelRootHash = modelRootHash;
    }

    /// @dev Reverts with `DeliverableNotExists`.
    function find(Shelf storage shelf, string calldata id) internal view returns (Delivery storage) {
        uint256 placeAndOne = shelf.places[keccak256(bytes(id))];
        if (placeAndOne == 0) revert DeliverableNotExists(id);
        return shelf.deliveries[placeAndOne - 1];
    }

    function clear(Shelf storage shelf) internal {
        uint256 count = shelf.count;
        for (uint256 place; place < count; ++place) {
            delete shelf.places[keccak256(bytes(shelf.deliveries[place].id))];
            delete shelf.deliveries[place];
        }
        shelf.head = 0;
        shelf.count = 0;
    }

    /// @dev All models, the oldest first.
    function told(Shelf storage shelf) internal view returns (Deliverable[] memory all) {
        all = new Deliverable[](shelf.count);
        uint256 head = shelf.head;
        for (uint256 index; index < all.length; ++index) {
            all[index] = told(shelf.deliveries[(head + index) % PLACES]);
        }
    }

    function told(Delivery storage delivery) internal view returns (Deliverable memory one) {
        one.id = delivery.id;
        one.modelRootHash = delivery.modelRootHash;
        one.encryptedSecret = delivery.encryptedSecret;
        one.acknowledged = delivery.acknowledged;
        one.timestamp = delivery.timestamp;
        one.settled = delivery.settled;
    }

    function _freePlace(Shelf storage shelf) private returns (uint256 place, string memory evicted) {
        uint256 count = shelf.count;
        if (count > 0) {
            Delivery storage newest = shelf.deliveries[(shelf.head + count - 1) % PLACES];
            // The official contract asks for the acknowledgement, which nobody can give once the penalty is settled.
            if (!newest.acknowledged && !newest.settled) revert PreviousDeliverableNotAcknowledged(newest.id);
        }
        if (count < PLACES) {
            shelf.count = uint8(count + 1);
            return (count, "");
        }
        place = shelf.head;
        Delivery storage oldest = shelf.deliveries[place];
        evicted = oldest.id;
        if (!oldest.settled) revert CannotEvictUnsettledDeliverable(evicted);
        delete shelf.places[keccak256(bytes(evicted))];
        delete shelf.deliveries[place];
        shelf.head = uint8((place + 1) % PLACES);
    }
}
