// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {G1Point} from "./BN254.sol";
import {IDASigners, SignerDetail} from "./IDASigners.sol";

/// @title The registry: the only way for a signer into the precompiled contract of signers
/// @notice What an account owns when it registers for an epoch is its weight; nothing is locked or delegated.
/// @dev Source of the rules: 0glabs/0g-da-contract, contracts/DARegistry.sol.
contract DARegistry is Ownable, Initializable {
    /// @notice The precompiled contract.
    IDASigners public constant DA_SIGNERS = IDASigners(0x0000000000000000000000000000000000001000);
    /// @notice What an account has to own for each vote, in wei.
    uint256 public constant TOKENS_PER_VOTE = 30 ether;
    /// @notice More votes than this nobody has.
    uint256 public constant MAX_VOTES = 102_400;

    /// @dev A contract cannot be a signer, nor register one.
    error ErrSenderNotOrigin();
    /// @dev Everybody registers only themselves.
    error ErrSenderNotSigner();
    /// @dev The sender owns less than one vote costs.
    error ErrSenderNotEligibleToVote();

    modifier onlyOrigin() {
        // Nobody is let in by it; it keeps contracts out, as the precompiled contract asks the same of those who change their socket.
        if (msg.sender != tx.origin) revert ErrSenderNotOrigin();
        _;
    }

    constructor() Ownable(msg.sender) {}

    /// @notice Set up once; the caller becomes the owner. Whoever deploys does it in the same transaction, or looks afterwards who did.
    function initialize() external initializer {
        _transferOwnership(msg.sender);
    }

    /// @notice Become a signer.
    /// @param detail Who the sender is, where it answers, and its public keys.
    /// @param signature Proof that the sender has the secret key.
    function registerSigner(SignerDetail calldata detail, G1Point calldata signature) external onlyOrigin {
        if (msg.sender != detail.signer) revert ErrSenderNotSigner();
        _forward(abi.encodeCall(IDASigners.registerSigner, (detail, signature)), "registerSigner call failed: ");
    }

    /// @notice Take part in the next epoch, by as many votes as the sender's balance gives.
    /// @param signature Proof that the sender wants this epoch.
    function registerNextEpoch(G1Point calldata signature) external onlyOrigin {
        uint256 votes = Math.min(msg.sender.balance / TOKENS_PER_VOTE, MAX_VOTES);
        if (votes == 0) revert ErrSenderNotEligibleToVote();
        bytes memory call = abi.encodeCall(IDASigners.registerNextEpoch, (msg.sender, signature, votes));
        _forward(call, "registerNextEpoch call failed: ");
    }

    function _forward(bytes memory call, string memory failure) private {
        (bool success, bytes memory result) = address(DA_SIGNERS).call(call);
        require(success, string.concat(failure, string(result)));
    }
}
