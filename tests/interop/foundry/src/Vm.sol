// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

// Where forge answers. Source: getfoundry.sh, Cheatcodes Reference.
Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @title What the scripts and tests here ask of forge; a project of yours would take forge-std
interface Vm {
    struct EthGetLogs {
        address emitter;
        bytes32[] topics;
        bytes data;
        bytes32 blockHash;
        uint64 blockNumber;
        bytes32 transactionHash;
        uint64 transactionIndex;
        uint256 logIndex;
        bool removed;
    }

    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function envUint(string calldata name) external view returns (uint256);
    function envOr(string calldata name, uint256 otherwise) external view returns (uint256);
    function envAddress(string calldata name) external view returns (address);
    function envBytes32(string calldata name) external view returns (bytes32);
    function envString(string calldata name) external view returns (string memory);

    function startBroadcast() external;
    function stopBroadcast() external;

    function createFork(string calldata url, uint256 blockNumber) external returns (uint256);
    function createSelectFork(string calldata url) external returns (uint256);
    function createSelectFork(string calldata url, uint256 blockNumber) external returns (uint256);
    function createSelectFork(string calldata url, bytes32 transactionHash) external returns (uint256);
    function selectFork(uint256 fork) external;
    function activeFork() external view returns (uint256);
    function rollFork(uint256 blockNumber) external;
    function rollFork(bytes32 transactionHash) external;
    function makePersistent(address account) external;
    function transact(bytes32 transactionHash) external;
    function rpc(string calldata method, string calldata parameters) external returns (bytes memory);
    function eth_getLogs(uint256 from, uint256 to, address emitter, bytes32[] calldata topics)
        external
        returns (EthGetLogs[] memory);

    function addr(uint256 key) external pure returns (address);
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 blockNumber) external;
    function getNonce(address account) external view returns (uint64);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function signAndAttachDelegation(address implementation, uint256 key) external;

    function assertEq(uint256 found, uint256 expected) external pure;
    function assertEq(bytes32 found, bytes32 expected) external pure;
    function assertEq(address found, address expected) external pure;
    function assertEq(bytes calldata found, bytes calldata expected) external pure;
    function assertTrue(bool condition) external pure;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
}
