//! The ledger as a whole: what is executed, kept, read back and taken back.
#![allow(clippy::unwrap_used)]
use super::{At, BlockId, BlockPlan, Call, CallStatus, Edit, EmptyBlocks, Executed, Ledger, LedgerError, LogQuery, Options};
use crate::{
    crypto,
    transaction::{SignedTransaction, TransactionFields, UnsignedTransaction},
};
use alloy_primitives::{Address, B256, Bytes, U256, bytes};
use std::{path::Path, sync::Arc, time::Duration};

mod da_signers;
mod log_search;
mod observers;
mod proofs;
mod system_contracts;

const KEY: [u8; 32] = [7; 32];
const GWEI: u64 = 1_000_000_000;

fn genesis(extra: &str) -> String {
    let sender = crypto::address_of(&KEY).unwrap();
    format!(
        r#"{{"config": {{"chainId": 31337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
        "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "mergeNetsplitBlock": 0,
        "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0 {extra}}},
        "nonce": "0x0", "timestamp": "0x1", "extraData": "0x", "gasLimit": "0x7270e00", "difficulty": "0x0", "baseFeePerGas": "0x3b9aca00",
        "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
        "coinbase": "0x0000000000000000000000000000000000000000",
        "alloc": {{"{sender}": {{"balance": "0x3635c9adc5dea00000"}}}}}}"#
    )
}

fn options() -> Options {
    Options { checkpoint_blocks: 3, checkpoint_interval: Duration::from_secs(3600), history_blocks: None, threads: 2 }
}

fn open(folder: Option<&Path>) -> Ledger {
    Ledger::open(folder, genesis("").as_bytes(), options()).unwrap()
}

fn plan(ledger: &Ledger) -> BlockPlan {
    let header = &ledger.newest().header;
    BlockPlan { timestamp: header.timestamp + 1, gas_limit: header.gas_limit, base_fee_per_gas: GWEI, ..Default::default() }
}

fn sign(nonce: u64, to: Option<Address>, value: u64, input: Bytes, gas_limit: u64) -> SignedTransaction {
    let fields = TransactionFields {
        kind: 2,
        chain_id: Some(31337),
        nonce,
        gas_limit,
        max_fee_per_gas: 2 * u128::from(GWEI),
        max_priority_fee_per_gas: Some(1),
        to,
        value: U256::from(value),
        input,
        ..Default::default()
    };
    SignedTransaction::decode(&UnsignedTransaction::new(fields).unwrap().sign(&KEY).unwrap()).unwrap()
}

/// Execute and commit a block; every transaction must be in it.
fn mine(ledger: &Ledger, transactions: &[SignedTransaction]) -> Executed {
    let executed = ledger.execute(&plan(ledger), transactions).unwrap();
    assert_eq!(executed.dropped, []);
    ledger.commit(&executed).unwrap();
    audit(ledger);
    executed
}

/// The newest state, computed anew from flat values by another trie, has the root that the header says.
fn audit(ledger: &Ledger) {
    assert_eq!(ledger.recompute_root().unwrap(), ledger.newest().header.state_root);
}

fn transfers(ledger: &Ledger, count: u64) {
    for _ in 0..count {
        let number = ledger.newest().header.number;
        mine(ledger, &[sign(number, Some(Address::with_last_byte(number as u8 + 0x50)), 5, Bytes::new(), 21_000)]);
    }
}

fn empty_blocks(ledger: &Ledger, count: u64) {
    let header = ledger.newest().header.clone();
    let (beneficiary, extra_data) = (Address::ZERO, Bytes::new());
    let timestamp = header.timestamp + 1;
    let wanted = EmptyBlocks { count, timestamp, interval: 1, gas_limit: header.gas_limit, beneficiary, extra_data };
    ledger.make_empty(&wanted).unwrap();
}

fn balance(ledger: &Ledger, address: Address, at: &At) -> U256 {
    ledger.account(&address, at).unwrap().unwrap_or_default().balance
}

#[test]
fn every_block_is_there_after_opening_again_and_every_state_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(Some(folder.path()));
    transfers(&ledger, 8);
    let hashes: Vec<B256> = (0..=8).map(|number| ledger.block(BlockId::Number(number)).unwrap().unwrap().hash).collect();
    drop(ledger);
    let ledger = open(Some(folder.path()));
    audit(&ledger);
    for (number, hash) in (0u64..).zip(&hashes) {
        assert_eq!(ledger.block(BlockId::Hash(*hash)).unwrap().unwrap().header.number, number);
        for receiver in 0..8u64 {
            let expected = if receiver < number { 5 } else { 0 };
            let address = Address::with_last_byte(receiver as u8 + 0x50);
            assert_eq!(balance(&ledger, address, &At::Number(number)), U256::from(expected), "receiver {receiver} at block {number}");
        }
    }
    transfers(&ledger, 2);
}

#[test]
fn unwinding_to_every_block_restores_it_also_across_checkpoints_and_a_restart() {
    for target in (0..8).rev() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(Some(folder.path()));
        transfers(&ledger, 8);
        let expected = ledger.block(BlockId::Number(target)).unwrap().unwrap().hash;
        assert_eq!(ledger.transactions_after(target).unwrap().len() as u64, 8 - target);
        ledger.unwind(target, 0).unwrap();
        assert_eq!(ledger.newest().hash, expected);
        audit(&ledger);
        drop(ledger);
        let ledger = open(Some(folder.path()));
        assert_eq!(ledger.newest().hash, expected);
        transfers(&ledger, 5);
        assert_eq!(balance(&ledger, Address::with_last_byte(target as u8 + 0x50), &At::Number(target)), U256::ZERO);
        assert_eq!(balance(&ledger, Address::with_last_byte(target as u8 + 0x50), &At::Number(target + 1)), U256::from(5));
    }
}

#[test]
fn empty_blocks_hurry_no_checkpoint_and_are_there_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(Some(folder.path()));
    let checkpoints = || ledger.statistics().unwrap().checkpoints;
    let newest = |ledger: &Ledger| (ledger.newest().header.number, ledger.newest().hash);
    empty_blocks(&ledger, 20);
    assert_eq!(checkpoints(), 0);
    let before = newest(&ledger);
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(newest(&open(Some(copy.path()))), before);
    empty_blocks(&ledger, 40);
    assert_eq!(checkpoints(), 1);
}

#[test]
fn many_blocks_taken_back_at_once_leave_what_taking_them_back_one_by_one_leaves() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // One without checkpoints in between, which is rewound, and one with them.
    let [together, singly] = [(0, 1_000), (1, 10)].map(|(index, checkpoint_blocks)| {
        let options = Options { checkpoint_blocks, ..options() };
        let ledger = Ledger::open(Some(folders[index].path()), genesis("").as_bytes(), options).unwrap();
        transfers(&ledger, 12);
        ledger.checkpoint().unwrap();
        ledger
    });
    for (first, target) in [(39, 14), (50, 20), (45, 3)] {
        for ledger in [&together, &singly] {
            transfers(ledger, first - ledger.newest().header.number);
        }
        together.unwind(target, 0).unwrap();
        for number in (target..first).rev() {
            singly.unwind(number, 0).unwrap();
        }
        assert_eq!(together.newest().hash, singly.newest().hash);
        for ledger in [&together, &singly] {
            audit(ledger);
            for number in 0..=target {
                let receiver = Address::with_last_byte(number as u8 + 0x50);
                assert_eq!(balance(ledger, receiver, &At::Number(number)), U256::ZERO, "block {number}");
                assert_eq!(balance(ledger, receiver, &At::Newest), U256::from(if number < target { 5 } else { 0 }), "block {number}");
            }
        }
    }
}

#[test]
fn edits_show_at_once_and_are_in_the_next_root_and_go_with_an_unwind() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(Some(folder.path()));
    let address = Address::repeat_byte(9);
    ledger.edit(Edit::Balance(address, U256::from(77))).unwrap();
    ledger.edit(Edit::Slot(address, U256::from(1), U256::from(2))).unwrap();
    assert_eq!(balance(&ledger, address, &At::Newest), U256::from(77));
    drop(ledger);
    let ledger = open(Some(folder.path()));
    assert_eq!(ledger.edit_count(), 2);
    mine(&ledger, &[]);
    assert_eq!(balance(&ledger, address, &At::Number(1)), U256::from(77));
    assert_eq!(balance(&ledger, address, &At::Number(0)), U256::from(77), "as it was seen then");
    assert_eq!(ledger.view(&At::Number(0)).unwrap().0.account(&address).unwrap(), None, "as the root of block 0 says");
    assert_eq!(ledger.slot(&address, &U256::from(1), &At::Newest).unwrap(), U256::from(2));
    ledger.unwind(0, 1).unwrap();
    assert_eq!(balance(&ledger, address, &At::Newest), U256::from(77));
    assert_eq!(ledger.slot(&address, &U256::from(1), &At::Newest).unwrap(), U256::ZERO);
    drop(ledger);
    let ledger = open(Some(folder.path()));
    assert_eq!((ledger.edit_count(), balance(&ledger, address, &At::Newest)), (1, U256::from(77)));
    mine(&ledger, &[]);
}

/// Stores its input's first word at slot 0, then reverts if the second word is not zero.
fn slot_writer() -> Bytes {
    // PUSH0 CALLDATALOAD PUSH0 SSTORE  PUSH1 32 CALLDATALOAD PUSH1 11 JUMPI STOP  JUMPDEST PUSH0 PUSH0 REVERT
    bytes!("5f355f55602035600b5700 5b5f5ffd")
}

#[test]
fn a_slot_written_twice_and_reverted_once_in_one_block_keeps_the_second_value() {
    let ledger = open(None);
    let contract = Address::repeat_byte(0xc0);
    ledger.edit(Edit::Code(contract, slot_writer())).unwrap();
    mine(&ledger, &[]);
    let word =
        |value: u64, reverts: u64| Bytes::from([U256::from(value).to_be_bytes::<32>(), U256::from(reverts).to_be_bytes::<32>()].concat());
    let transactions: Vec<SignedTransaction> = [(1, 0), (2, 0), (3, 1)]
        .into_iter()
        .zip(0..)
        .map(|((value, reverts), nonce)| sign(nonce, Some(contract), 0, word(value, reverts), 100_000))
        .collect();
    let executed = mine(&ledger, &transactions);
    let succeeded: Vec<bool> = executed.block.receipts.iter().map(|receipt| receipt.succeeded).collect();
    assert_eq!(succeeded, [true, true, false]);
    assert_eq!(ledger.slot(&contract, &U256::ZERO, &At::Newest).unwrap(), U256::from(2));
}

#[test]
fn a_block_executed_on_a_chain_that_moved_on_cannot_be_committed() {
    let ledger = open(None);
    let late = ledger.execute(&plan(&ledger), &[]).unwrap();
    mine(&ledger, &[]);
    assert!(matches!(ledger.commit(&late), Err(LedgerError::Stale)));
    ledger.edit(Edit::Nonce(Address::ZERO, 3)).unwrap();
    assert_eq!(ledger.newest().header.number, 1);
}

#[test]
fn an_executed_block_can_be_read_without_being_committed() {
    let ledger = open(None);
    let receiver = Address::repeat_byte(0x44);
    let executed = Arc::new(ledger.execute(&plan(&ledger), &[sign(0, Some(receiver), 9, Bytes::new(), 21_000)]).unwrap());
    assert_eq!(balance(&ledger, receiver, &At::Executed(executed)), U256::from(9));
    assert_eq!(balance(&ledger, receiver, &At::Newest), U256::ZERO);
}

#[test]
fn what_cannot_run_is_dropped_with_the_reason_and_the_rest_goes_in() {
    let ledger = open(None);
    let transactions = [sign(1, Some(Address::ZERO), 0, Bytes::new(), 21_000), sign(0, Some(Address::ZERO), 0, Bytes::new(), 21_000)];
    let executed = ledger.execute(&plan(&ledger), &transactions).unwrap();
    let dropped: Vec<&str> = executed.dropped.iter().map(|(_, rejection)| rejection.kind()).collect();
    assert_eq!((dropped, executed.block.transactions.len()), (vec!["nonce_too_high"], 1));
}

#[test]
fn history_that_is_not_kept_is_refused_and_says_from_where_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limited = Options { history_blocks: Some(2), checkpoint_blocks: 1, ..options() };
    let ledger = Ledger::open(Some(folder.path()), genesis("").as_bytes(), limited).unwrap();
    transfers(&ledger, 6);
    assert!(matches!(ledger.account(&Address::ZERO, &At::Number(3)), Err(LedgerError::StateNotKept { block: 3, oldest: 4 })));
    assert_eq!(balance(&ledger, Address::with_last_byte(0x53), &At::Number(4)), U256::from(5));
    assert_eq!(balance(&ledger, Address::with_last_byte(0x54), &At::Number(4)), U256::ZERO);
}

#[test]
fn another_genesis_or_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(Some(folder.path())));
    let other = genesis(r#", "osakaTime": 0"#);
    assert!(matches!(Ledger::open(Some(folder.path()), other.as_bytes(), options()), Err(LedgerError::GenesisMismatch { .. })));
}

#[test]
fn a_second_opening_is_refused_while_the_first_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(Some(folder.path()));
    assert!(matches!(Ledger::open(Some(folder.path()), genesis("").as_bytes(), options()), Err(LedgerError::Busy(_))));
    drop(first);
    drop(open(Some(folder.path())));
}

#[test]
fn damaged_tables_are_made_anew_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(Some(folder.path()));
    transfers(&ledger, 4);
    let newest = ledger.newest().hash;
    ledger.close().unwrap();
    drop(ledger);
    std::fs::write(folder.path().join("tables.redb"), b"not a database").unwrap();
    let ledger = open(Some(folder.path()));
    assert_eq!(ledger.newest().hash, newest);
    audit(&ledger);
}

#[test]
fn logs_are_found_by_address_and_topic_before_and_after_a_checkpoint() {
    let ledger = open(None);
    let contract = Address::repeat_byte(0xee);
    // CALLDATALOAD(0) as the only topic: PUSH0 CALLDATALOAD PUSH0 PUSH0 LOG1
    ledger.edit(Edit::Code(contract, bytes!("5f355f5fa1"))).unwrap();
    for nonce in 0..5u64 {
        mine(&ledger, &[sign(nonce, Some(contract), 0, B256::with_last_byte(nonce as u8 % 2).into(), 50_000)]);
    }
    let found = |query: LogQuery| String::from_utf8(ledger.logs_json(&query, false).unwrap()).unwrap().matches("\"address\"").count();
    let all = LogQuery { first: 0, last: 10, ..Default::default() };
    assert_eq!(found(all.clone()), 5);
    assert_eq!(found(LogQuery { addresses: vec![contract], ..all.clone() }), 5);
    assert_eq!(found(LogQuery { addresses: vec![Address::ZERO], ..all.clone() }), 0);
    assert_eq!(found(LogQuery { topics: vec![vec![B256::with_last_byte(1)]], ..all.clone() }), 2);
    assert_eq!(found(LogQuery { topics: vec![vec![], vec![B256::ZERO]], ..all.clone() }), 0);
    assert_eq!(found(LogQuery { first: 2, last: 3, ..all.clone() }), 2);
    assert_eq!(found(LogQuery { first: 9, last: 20, addresses: vec![contract], ..all }), 0);
}

#[test]
fn a_call_reverts_halts_and_times_out_in_words() {
    let ledger = open(None);
    let contract = Address::repeat_byte(0xcc);
    let call = |code: Bytes, time_limit: Duration| {
        ledger.edit(Edit::Code(contract, code)).unwrap();
        let call = Call { to: Some(contract), gas_cap: 50_000_000, time_limit, ..Default::default() };
        ledger.call(&call, &At::Newest).unwrap().unwrap()
    };
    let long = Duration::from_secs(60);
    assert_eq!(call(bytes!("5f5ffd"), long).status, CallStatus::Revert);
    assert_eq!(call(bytes!("01"), long).halt, "stack underflow");
    // JUMPDEST PUSH0 JUMP: for ever.
    assert_eq!(call(bytes!("5b5f56"), long).halt, "out of gas");
    assert!(call(bytes!("5b5f56"), Duration::ZERO).halt.starts_with("execution aborted (timeout"));
}

#[test]
fn an_estimate_is_enough_and_one_less_is_not() {
    let ledger = open(None);
    let contract = Address::repeat_byte(0xc0);
    ledger.edit(Edit::Code(contract, slot_writer())).unwrap();
    mine(&ledger, &[]);
    let input = Bytes::from(B256::with_last_byte(1).0.to_vec());
    let call = Call { to: Some(contract), input, gas_cap: 50_000_000, time_limit: Duration::from_secs(9), ..Default::default() };
    let estimate = ledger.estimate(&call, &At::Newest).unwrap().unwrap().gas_used;
    let with_limit = |gas_limit| ledger.call(&Call { gas_limit: Some(gas_limit), ..call.clone() }, &At::Newest).unwrap().unwrap().status;
    assert_eq!(with_limit(estimate), CallStatus::Success);
    assert_eq!(with_limit(estimate - 1), CallStatus::Halt);
}

#[test]
fn the_gas_floor_charges_its_share_of_the_limit_only_where_it_is_switched_on() {
    for (extra, expected) in [("", 21_000), (r#", "zeroGravity": {"minGasUsedPercent": 80}"#, 80_000)] {
        let ledger = Ledger::open(None, genesis(extra).as_bytes(), options()).unwrap();
        let executed = mine(&ledger, &[sign(0, Some(Address::ZERO), 0, Bytes::new(), 100_000)]);
        assert_eq!(executed.block.receipts[0].gas_used, expected);
    }
}

#[test]
fn equal_timestamps_are_for_chains_that_allow_them() {
    for (extra, allowed) in [("", false), (r#", "zeroGravity": {"equalTimestamps": true}"#, true)] {
        let ledger = Ledger::open(None, genesis(extra).as_bytes(), options()).unwrap();
        let same = BlockPlan { timestamp: ledger.newest().header.timestamp, ..plan(&ledger) };
        assert_eq!(ledger.execute(&same, &[]).is_ok(), allowed);
    }
}
