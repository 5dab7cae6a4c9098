// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IMarket} from "./IMarket.sol";
import {IReward} from "./IReward.sol";

/// @title A market with one price for every sector
/// @notice Nothing stays here: what the flow sends is handed to the reward contract in the same transaction.
contract FixedPrice is IMarket, AccessControl, Initializable {
    /// @notice Who holds this role sets the price.
    bytes32 public constant PARAMS_ADMIN_ROLE = keccak256("PARAMS_ADMIN_ROLE");

    /// @inheritdoc IMarket
    uint256 public pricePerSector;
    /// @notice The flow whose submissions are charged.
    address public flow;
    /// @inheritdoc IMarket
    address public reward;

    /// @notice Take a fee. It costs less than the 2,300 units of gas that a bare transfer leaves.
    receive() external payable {}

    /// @notice Set up once; the caller becomes the administrator of roles and of the price. Whoever deploys does it in the
    /// same transaction, or looks afterwards who did.
    /// @param pricePerSector_ Wei for a sector of 256 bytes.
    /// @param flow_ The flow that is charged.
    /// @param reward_ Where fees go.
    function initialize(uint256 pricePerSector_, address flow_, address reward_) external initializer {
        pricePerSector = pricePerSector_;
        flow = flow_;
        reward = reward_;
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(PARAMS_ADMIN_ROLE, msg.sender);
    }

    /// @notice Change the price of submissions to come.
    /// @param pricePerSector_ Wei for a sector of 256 bytes.
    function setPricePerSector(uint256 pricePerSector_) external onlyRole(PARAMS_ADMIN_ROLE) {
        pricePerSector = pricePerSector_;
    }

    /// @inheritdoc IMarket
    /// @dev The price of the upload is spread over its sectors and the padding before them; all else that lies here goes to
    /// the upload.
    function chargeFee(uint256 beforeLength, uint256 uploadSectors, uint256 paddingSectors) external {
        require(msg.sender == flow, "Sender does not have permission");
        uint256 fee = pricePerSector * uploadSectors;
        uint256 balance = address(this).balance;
        require(balance >= fee, "Not enough paid fee");

        uint256 paddingPart;
        if (paddingSectors > 0) {
            paddingPart = fee * paddingSectors / (uploadSectors + paddingSectors);
            IReward(reward).fillReward{value: paddingPart}(beforeLength, paddingSectors);
        }
        IReward(reward).fillReward{value: balance - paddingPart}(beforeLength + paddingSectors, uploadSectors);
    }
}
