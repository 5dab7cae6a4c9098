// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Many calls in one, at one block
/// @notice Answers the public Multicall3 interface that viem, ethers and indexers expect at
/// 0xcA11bde05977b3631167028862bE2a173976CA11. It keeps nothing: whoever uses it in a transaction must not leave
/// value or allowances behind, since anyone may call through it.
contract Multicall3 {
    /// @dev A call that must succeed, or fails under the rule of the method that takes it.
    struct Call {
        address target;
        bytes callData;
    }

    /// @dev A call that says itself whether it may fail.
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    /// @dev The same, with an amount in wei that goes along.
    struct Call3Value {
        address target;
        bool allowFailure;
        uint256 value;
        bytes callData;
    }

    /// @dev What one call came to: its return data, or its revert data when `success` is false.
    struct Result {
        bool success;
        bytes returnData;
    }

    /// @notice Make all calls; the first that fails reverts everything with "Multicall3: call failed".
    /// @param calls What to call, in order.
    /// @return blockNumber The block in which the calls ran.
    /// @return returnData What each call returned.
    function aggregate(Call[] calldata calls)
        external
        payable
        returns (uint256 blockNumber, bytes[] memory returnData)
    {
        blockNumber = block.number;
        returnData = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            returnData[i] = _call(calls[i].target, 0, calls[i].callData, true).returnData;
        }
    }

    /// @notice Make all calls.
    /// @param requireSuccess Whether a call that fails reverts everything.
    /// @param calls What to call, in order.
    /// @return returnData What each call came to.
    function tryAggregate(bool requireSuccess, Call[] calldata calls)
        external
        payable
        returns (Result[] memory returnData)
    {
        return _callAll(requireSuccess, calls);
    }

    /// @notice Make all calls and say at which block they ran.
    /// @param requireSuccess Whether a call that fails reverts everything.
    /// @param calls What to call, in order.
    /// @return blockNumber The block in which the calls ran.
    /// @return blockHash What BLOCKHASH answers for that block, which is zero while it is being made.
    /// @return returnData What each call came to.
    function tryBlockAndAggregate(bool requireSuccess, Call[] calldata calls)
        external
        payable
        returns (uint256 blockNumber, bytes32 blockHash, Result[] memory returnData)
    {
        return (block.number, blockhash(block.number), _callAll(requireSuccess, calls));
    }

    /// @notice Make all calls, none of which may fail, and say at which block they ran.
    /// @param calls What to call, in order.
    /// @return blockNumber The block in which the calls ran.
    /// @return blockHash What BLOCKHASH answers for that block, which is zero while it is being made.
    /// @return returnData What each call came to.
    function blockAndAggregate(Call[] calldata calls)
        external
        payable
        returns (uint256 blockNumber, bytes32 blockHash, Result[] memory returnData)
    {
        return (block.number, blockhash(block.number), _callAll(true, calls));
    }

    /// @notice Make all calls; each says itself whether it may fail.
    /// @param calls What to call, in order.
    /// @return returnData What each call came to.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData) {
        returnData = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            returnData[i] = _call(calls[i].target, 0, calls[i].callData, !calls[i].allowFailure);
        }
    }

    /// @notice Make all calls and send each its value; their sum must be exactly the value of this call, else it
    /// reverts with "Multicall3: value mismatch". The value of a call that fails stays in this contract.
    /// @param calls What to call and how many wei to send along, in order.
    /// @return returnData What each call came to.
    function aggregate3Value(Call3Value[] calldata calls) external payable returns (Result[] memory returnData) {
        returnData = new Result[](calls.length);
        uint256 spent = 0;
        for (uint256 i = 0; i < calls.length; ++i) {
            // A sum that wraps cannot be paid out: no call can send more than this contract holds.
            unchecked {
                spent += calls[i].value;
            }
            returnData[i] = _call(calls[i].target, calls[i].value, calls[i].callData, !calls[i].allowFailure);
        }
        require(msg.value == spent, "Multicall3: value mismatch");
    }

    /// @notice Hash of one of the last 256 blocks, or zero.
    /// @param blockNumber Which block.
    function getBlockHash(uint256 blockNumber) external view returns (bytes32 blockHash) {
        return blockhash(blockNumber);
    }

    /// @notice Number of this block.
    function getBlockNumber() external view returns (uint256 blockNumber) {
        return block.number;
    }

    /// @notice Address that earns the fees of this block.
    function getCurrentBlockCoinbase() external view returns (address coinbase) {
        return block.coinbase;
    }

    /// @notice Difficulty of this block; since the merge the beacon of randomness under its old name.
    function getCurrentBlockDifficulty() external view returns (uint256 difficulty) {
        return block.prevrandao;
    }

    /// @notice Gas limit of this block.
    function getCurrentBlockGasLimit() external view returns (uint256 gaslimit) {
        return block.gaslimit;
    }

    /// @notice Time of this block in seconds since 1970.
    function getCurrentBlockTimestamp() external view returns (uint256 timestamp) {
        return block.timestamp;
    }

    /// @notice Balance of an account in wei.
    /// @param addr Whose balance.
    function getEthBalance(address addr) external view returns (uint256 balance) {
        return addr.balance;
    }

    /// @notice Hash of the parent of this block.
    function getLastBlockHash() external view returns (bytes32 blockHash) {
        unchecked {
            return blockhash(block.number - 1);
        }
    }

    /// @notice Base fee of this block in wei per gas.
    function getBasefee() external view returns (uint256 basefee) {
        return block.basefee;
    }

    /// @notice Id of this chain.
    function getChainId() external view returns (uint256 chainid) {
        return block.chainid;
    }

    function _callAll(bool requireSuccess, Call[] calldata calls) private returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            results[i] = _call(calls[i].target, 0, calls[i].callData, requireSuccess);
        }
    }

    function _call(address target, uint256 value, bytes calldata callData, bool requireSuccess)
        private
        returns (Result memory result)
    {
        (result.success, result.returnData) = target.call{value: value}(callData);
        require(result.success || !requireSuccess, "Multicall3: call failed");
    }
}
