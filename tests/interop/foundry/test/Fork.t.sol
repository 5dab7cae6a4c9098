// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Piggy} from "../src/Piggy.sol";
import {Vm, vm} from "../src/Vm.sol";

interface IMulticall3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory);
}

interface IWrapped {
    function balanceOf(address account) external view returns (uint256);
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

/// @title A chain seen from a fork of it
/// @notice Whoever runs this has put a coin into the box in each of the blocks `BLOCK - 2` to `BLOCK + 2`, from `BLOCK` on by `GIVER`,
/// and in `BLOCK + 1` one more before that. It forks at `BLOCK`; what must be found there is in the environment.
contract ForkTest {
    address private constant CREATE2_DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    IMulticall3 private constant MULTICALL3 = IMulticall3(0xcA11bde05977b3631167028862bE2a173976CA11);
    IWrapped private constant W0G = IWrapped(0x1Cd0690fF9a693f5EF2dD976660a8dAFc81A109c);
    address private constant SOMEONE = address(0xC0FFEE);
    uint256 private constant KEY = 0xA11CE;

    Piggy private piggy;
    address private giver;
    address private owner;
    uint256 private pinned;
    uint256 private coins;
    string private url;

    function setUp() external {
        piggy = Piggy(vm.envAddress("PIGGY"));
        giver = vm.envAddress("GIVER");
        owner = vm.envAddress("OWNER");
        pinned = vm.envUint("BLOCK");
        coins = vm.envUint("COINS");
        url = vm.envString("ZEROG_CHAIN_HTTP");
    }

    function test_block_is_the_pinned_one() external view {
        vm.assertEq(block.chainid, 31337);
        vm.assertEq(block.number, pinned);
        vm.assertEq(block.timestamp, vm.envUint("TIMESTAMP"));
        vm.assertEq(block.basefee, vm.envUint("BASE_FEE"));
        vm.assertEq(block.prevrandao, uint256(vm.envBytes32("RANDAO")));
        vm.assertEq(block.gaslimit, vm.envUint("GAS_LIMIT"));
        vm.assertEq(block.coinbase, vm.envAddress("COINBASE"));
    }

    function test_hash_of_the_parent() external view {
        vm.assertEq(blockhash(pinned - 1), vm.envBytes32("PARENT_HASH"));
    }

    function test_accounts() external view {
        vm.assertEq(giver.balance, vm.envUint("GIVER_BALANCE"));
        vm.assertEq(vm.getNonce(giver), vm.envUint("GIVER_NONCE"));
        vm.assertEq(address(uint160(uint256(keccak256("nobody")))).balance, 0);
    }

    function test_code() external view {
        vm.assertEq(address(piggy).codehash, vm.envBytes32("CODE_HASH"));
        vm.assertTrue(CREATE2_DEPLOYER.code.length > 0);
    }

    function test_storage() external view {
        vm.assertEq(uint256(vm.load(address(piggy), bytes32(0))), coins);
        vm.assertEq(vm.load(address(piggy), bytes32(uint256(99))), bytes32(0));
    }

    function test_calls_at_the_pinned_block() external view {
        vm.assertEq(piggy.coins(), coins);
        vm.assertEq(piggy.owner(), owner);
        vm.assertEq(piggy.givenBy(giver), 1);
    }

    function test_rollFork_goes_on_and_back() external {
        vm.rollFork(pinned + 1);
        vm.assertEq(piggy.coins(), coins + 2);
        vm.rollFork(pinned - 2);
        vm.assertEq(piggy.coins(), coins - 2);
        vm.assertEq(block.number, pinned - 2);
    }

    function test_rollFork_to_a_transaction_stops_before_it() external {
        vm.rollFork(vm.envBytes32("NEXT_TRANSACTION"));
        vm.assertEq(block.number, pinned + 1);
        vm.assertEq(piggy.coins(), coins + 1);
        vm.assertEq(piggy.givenBy(giver), 1);
    }

    function test_rollFork_stays_within_the_chain() external {
        (bool done,) = address(vm).call(abi.encodeWithSignature("rollFork(uint256)", pinned + 1_000_000));
        vm.assertTrue(!done);
    }

    function test_createSelectFork_at_the_newest_block() external {
        vm.createSelectFork(url);
        vm.assertEq(block.number, pinned + 2);
        vm.assertEq(piggy.coins(), coins + 3);
    }

    function test_createSelectFork_at_a_block() external {
        vm.createSelectFork(url, pinned - 1);
        vm.assertEq(piggy.coins(), coins - 1);
    }

    function test_createSelectFork_at_a_transaction() external {
        vm.createSelectFork(url, vm.envBytes32("NEXT_TRANSACTION"));
        vm.assertEq(piggy.coins(), coins + 1);
    }

    function test_two_forks_keep_apart() external {
        uint256 first = vm.activeFork();
        uint256 second = vm.createFork(url, pinned + 2);
        vm.deal(address(this), 5);
        piggy.give{value: 1}();
        vm.selectFork(second);
        vm.assertEq(piggy.coins(), coins + 3);
        vm.selectFork(first);
        vm.assertEq(piggy.coins(), coins + 1);
    }

    function test_transact_replays_a_transaction() external {
        vm.transact(vm.envBytes32("NEXT_TRANSACTION"));
        vm.assertEq(piggy.coins(), coins + 1);
        vm.assertEq(piggy.givenBy(giver), 2);
    }

    function test_logs_of_the_chain() external {
        bytes32[] memory topics = new bytes32[](2);
        topics[0] = Piggy.Given.selector;
        topics[1] = bytes32(uint256(uint160(giver)));
        Vm.EthGetLogs[] memory logs = vm.eth_getLogs(0, pinned + 1, address(piggy), topics);
        vm.assertEq(logs.length, 2);
        vm.assertEq(logs[1].transactionHash, vm.envBytes32("NEXT_TRANSACTION"));
        vm.assertEq(logs[1].blockNumber, pinned + 1);
        vm.assertEq(logs[1].data, abi.encode(uint256(1), coins + 2));
    }

    function test_rpc_of_the_chain() external {
        vm.assertEq(vm.rpc("eth_chainId", "[]"), hex"7a69");
    }

    event Given(address indexed by, uint256 amount, uint256 coins);

    function test_writes_stay_on_the_fork() external {
        vm.recordLogs();
        vm.expectEmit(true, true, true, true, address(piggy));
        emit Given(giver, 3, coins + 1);
        vm.prank(giver);
        piggy.give{value: 3}();
        vm.assertEq(piggy.givenBy(giver), 4);
        vm.assertEq(vm.getRecordedLogs().length, 2);
    }

    function test_the_owner_is_paid() external {
        uint256 before = owner.balance;
        vm.deal(address(piggy), 5 ether);
        vm.prank(owner);
        piggy.smash();
        vm.assertEq(owner.balance, before + 5 ether);
    }

    function test_custom_errors() external {
        vm.expectRevert(abi.encodeWithSelector(Piggy.NotOwner.selector, SOMEONE, owner));
        vm.prank(SOMEONE);
        piggy.smash();
        vm.expectRevert(Piggy.Nothing.selector);
        piggy.give();
    }

    function test_the_deployer_puts_a_contract_where_it_must() external {
        bytes memory code = abi.encodePacked(type(Piggy).creationCode, abi.encode(SOMEONE));
        bytes32 salt = keccak256("a salt that nobody took");
        address expected = address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", CREATE2_DEPLOYER, salt, keccak256(code))))));
        (bool done, bytes memory found) = CREATE2_DEPLOYER.call(abi.encodePacked(salt, code));
        vm.assertTrue(done);
        vm.assertEq(address(bytes20(found)), expected);
        vm.assertEq(Piggy(expected).owner(), SOMEONE);
    }

    function test_multicall() external {
        IMulticall3.Call3[] memory calls = new IMulticall3.Call3[](2);
        calls[0] = IMulticall3.Call3(address(piggy), false, abi.encodeCall(piggy.coins, ()));
        calls[1] = IMulticall3.Call3(address(piggy), true, abi.encodeCall(Piggy.smash, ()));
        IMulticall3.Result[] memory results = MULTICALL3.aggregate3(calls);
        vm.assertEq(abi.decode(results[0].returnData, (uint256)), coins);
        vm.assertTrue(!results[1].success);
    }

    function test_wrapped_coins() external {
        vm.deal(address(this), 9);
        W0G.deposit{value: 9}();
        vm.assertEq(W0G.balanceOf(address(this)), 9);
        W0G.withdraw(4);
        vm.assertEq(address(this).balance, 4);
    }

    receive() external payable {}

    function test_persistent_contracts_go_along() external {
        Piggy own = new Piggy(SOMEONE);
        vm.makePersistent(address(own));
        vm.createSelectFork(url, pinned - 1);
        vm.assertEq(own.owner(), SOMEONE);
    }

    function test_time_and_height_can_be_set() external {
        vm.warp(block.timestamp + 1 weeks);
        vm.roll(pinned + 100);
        vm.assertEq(block.timestamp, vm.envUint("TIMESTAMP") + 1 weeks);
        vm.assertEq(block.number, pinned + 100);
    }

    function test_edits_lie_over_the_chain() external {
        vm.store(address(piggy), bytes32(0), bytes32(uint256(500)));
        vm.etch(SOMEONE, address(piggy).code);
        vm.assertEq(piggy.coins(), 500);
        vm.assertEq(Piggy(SOMEONE).owner(), owner);
    }

    function test_delegation() external {
        vm.signAndAttachDelegation(address(piggy), KEY);
        (bool done,) = vm.addr(KEY).call{value: 1}(abi.encodeCall(Piggy.give, ()));
        vm.assertTrue(done);
        vm.assertEq(Piggy(vm.addr(KEY)).coins(), 1);
    }

    function testFuzz_any_coin_counts(uint96 amount) external {
        if (amount == 0) vm.expectRevert(Piggy.Nothing.selector);
        vm.deal(address(this), amount);
        piggy.give{value: amount}();
        vm.assertEq(piggy.givenBy(address(this)), amount);
    }
}
