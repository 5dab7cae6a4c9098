// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What the flow asks of the market that prices it
interface IMarket {
    /// @notice Wei for a sector of 256 bytes.
    function pricePerSector() external view returns (uint256);

    /// @notice The contract that releases what was paid.
    function reward() external view returns (address);

    /// @notice Hand on the fee of a submission, which the flow has sent before, for the positions of the flow that it covers.
    /// @param beforeLength Length of the flow before the submission, in sectors.
    /// @param uploadSectors Sectors of the submission.
    /// @param paddingSectors Sectors between the length before and the submission's first.
    function chargeFee(uint256 beforeLength, uint256 uploadSectors, uint256 paddingSectors) external;
}
