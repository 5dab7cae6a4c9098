// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title A number behind a proxy
contract Box is OwnableUpgradeable, UUPSUpgradeable {
    uint256 public value;

    event Stored(address indexed by, uint256 value);

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    function initialize(address owner, uint256 start) external initializer {
        __Ownable_init(owner);
        value = start;
    }

    function store(uint256 next) external {
        value = next;
        emit Stored(msg.sender, next);
    }

    function version() external pure virtual returns (string memory) {
        return "1";
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}

/// @title The same number, which can now also count
/// @custom:oz-upgrades-unsafe-allow missing-initializer
contract BoxV2 is Box {
    uint256 public step;

    function initializeV2(uint256 firstStep) external reinitializer(2) {
        step = firstStep;
    }

    function count() external {
        value += step;
        emit Stored(msg.sender, value);
    }

    function version() external pure override returns (string memory) {
        return "2";
    }
}

/// @title An upgrade that must not be: its first slot means something else
contract BoxBroken is OwnableUpgradeable, UUPSUpgradeable {
    address public value;

    function initialize(address owner) external initializer {
        __Ownable_init(owner);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}
