// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What market, flow and mine ask of the contract that pays those who store
interface IReward {
    /// @notice Keep the value of this call for the sectors from `beforeLength` on.
    /// @param beforeLength The first position in the flow.
    /// @param sectors How many positions.
    function fillReward(uint256 beforeLength, uint256 sectors) external payable;

    /// @notice Add the value of this call to the pot of base rewards.
    function donate() external payable;

    /// @notice Credit a miner for a proof of storage in a pricing chunk.
    /// @param pricingIndex Number of the chunk.
    /// @param beneficiary Who is credited.
    /// @param minerId The miner, for the event.
    function claimMineReward(uint256 pricingIndex, address payable beneficiary, bytes32 minerId) external;

    /// @notice Over how many seconds the reward of a pricing chunk is released: how long a fee pays for.
    function releaseSeconds() external view returns (uint256);

    /// @notice When the reward of a pricing chunk is wholly released, in seconds since 1970; 0 while the chunk is not full.
    /// @param pricingIndex Number of the chunk.
    function rewardDeadline(uint256 pricingIndex) external view returns (uint256);
}
