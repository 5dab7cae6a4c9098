//! Proofs verify against the header of their block, by an implementation that is not ours, whatever happened to the chain.
use super::*;
use alloy_consensus::constants::KECCAK_EMPTY;
use alloy_primitives::keccak256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof};
use proptest::prelude::*;

/// Writes the second word of its input at the slot that the first one names.
const STORE: Bytes = bytes!("6020355f355500");
const CONTRACTS: u8 = 3;
const SLOTS: u64 = 12;

#[derive(Clone, Debug)]
enum Step {
    /// (contract, slot, value) each, in one block.
    Write(Vec<(u8, u64, u64)>),
    Edit(u8, u64, u64),
    /// Execute a block and let it lie.
    Leave(u8, u64, u64),
    Unwind(u64),
    Checkpoint,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..CONTRACTS, 0..SLOTS, 0..3u64);
    prop_oneof![
        8 => proptest::collection::vec(write.clone(), 0..4).prop_map(Step::Write),
        2 => write.clone().prop_map(|(contract, slot, value)| Step::Edit(contract, slot, value)),
        2 => write.prop_map(|(contract, slot, value)| Step::Leave(contract, slot, value)),
        1 => (1..4u64).prop_map(Step::Unwind),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
    ]
}

fn contract(index: u8) -> Address {
    Address::repeat_byte(0xc0 + index)
}

fn writes(ledger: &Ledger, wanted: &[(u8, u64, u64)]) -> Vec<SignedTransaction> {
    let first = ledger.account(&crypto::address_of(&KEY).unwrap(), &At::Newest).unwrap().unwrap().nonce;
    let transaction = |(nonce, (index, slot, value)): (u64, &(u8, u64, u64))| {
        let input = [B256::from(U256::from(*slot)).0, B256::from(U256::from(*value)).0].concat();
        sign(nonce, Some(contract(*index)), 0, input.into(), 100_000)
    };
    (first..).zip(wanted).map(transaction).collect()
}

/// Check accounts that are there and that are not, with slots that are set and that are not.
fn check(ledger: &Ledger, at: &At, root: B256) {
    let accounts = (0..CONTRACTS).map(contract).chain([Address::repeat_byte(0x55), crypto::address_of(&KEY).unwrap()]);
    let slots: Vec<U256> = (0..SLOTS + 2).map(U256::from).collect();
    for address in accounts {
        let proof = ledger.prove(&address, &slots, at).unwrap();
        let leaf = proof.account.map(|it| TrieAccount {
            nonce: it.nonce,
            balance: it.balance,
            storage_root: it.storage_root,
            code_hash: it.code_hash,
        });
        let nodes: Vec<Bytes> = proof.nodes.iter().cloned().map(Bytes::from).collect();
        verify_proof(root, Nibbles::unpack(keccak256(address)), leaf.map(alloy_rlp::encode), &nodes).unwrap();
        let account = proof.account.unwrap_or_default();
        for (slot, proved) in slots.iter().zip(&proof.slots) {
            let value = (!proved.value.is_zero()).then(|| alloy_rlp::encode(proved.value));
            let nodes: Vec<Bytes> = proved.nodes.iter().cloned().map(Bytes::from).collect();
            verify_proof(account.storage_root, Nibbles::unpack(keccak256(B256::from(*slot))), value, &nodes).unwrap();
            if !matches!(at, At::Newest) {
                let view = ledger.view(at).unwrap().0;
                assert_eq!(proved.value, view.slot(&address, slot).unwrap(), "slot {slot} of {address}");
            }
        }
    }
}

fn run(folder: &Path, steps: &[Step], heights: &[prop::sample::Index]) {
    let mut ledger = open(Some(folder));
    for index in 0..CONTRACTS {
        ledger.edit(Edit::Code(contract(index), STORE)).unwrap();
    }
    mine(&ledger, &[]);
    for (step, height) in steps.iter().zip(heights.iter().cycle()) {
        let newest = ledger.newest().header.number;
        match step {
            Step::Write(wanted) => drop(mine(&ledger, &writes(&ledger, wanted))),
            Step::Edit(index, slot, value) => {
                ledger.edit(Edit::Slot(contract(*index), U256::from(*slot), U256::from(*value))).unwrap();
            }
            Step::Leave(index, slot, value) => {
                let executed = ledger.execute(&plan(&ledger), &writes(&ledger, &[(*index, *slot, *value)])).unwrap();
                let root = executed.block.header.state_root;
                check(&ledger, &At::Executed(Arc::new(executed)), root);
            }
            Step::Unwind(count) => ledger.unwind(newest.saturating_sub(*count).max(1), 0).unwrap(),
            Step::Checkpoint => ledger.checkpoint().unwrap(),
            Step::Reopen => {
                drop(ledger);
                ledger = open(Some(folder));
            }
        }
        let newest = ledger.newest();
        check(&ledger, &At::Newest, newest.header.state_root);
        let number = height.index(newest.header.number as usize + 1) as u64;
        let block = ledger.block(BlockId::Number(number)).unwrap().unwrap();
        if number < newest.header.number {
            check(&ledger, &At::Number(number), block.header.state_root);
        }
        audit(&ledger);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn proofs_verify_at_every_height(steps in proptest::collection::vec(step(), 1..24), heights: [prop::sample::Index; 5]) {
        run(tempfile::tempdir().unwrap().path(), &steps, &heights);
    }
}

#[test]
fn an_account_that_is_not_there_is_proved_absent() {
    let ledger = open(None);
    let proof = ledger.prove(&Address::repeat_byte(0x12), &[U256::ZERO], &At::Newest).unwrap();
    assert_eq!(proof.account, None);
    assert!(!proof.nodes.is_empty());
    assert_eq!((proof.slots[0].value, proof.slots[0].nodes.len()), (U256::ZERO, 0));
    let empty = crate::ledger::Account::default();
    assert_eq!((empty.code_hash, empty.storage_root), (KECCAK_EMPTY, EMPTY_ROOT_HASH));
}

#[test]
fn edits_show_in_the_storage_root_of_an_account_but_not_in_the_newest_proof() {
    let ledger = open(None);
    ledger.edit(Edit::Slot(contract(0), U256::from(1), U256::from(2))).unwrap();
    assert_eq!(ledger.prove(&contract(0), &[], &At::Newest).unwrap().account, None);
    let edited = ledger.storage_root(&contract(0), &At::Newest).unwrap();
    mine(&ledger, &[]);
    assert_eq!(ledger.storage_root(&contract(0), &At::Newest).unwrap(), edited);
    assert_eq!(ledger.prove(&contract(0), &[], &At::Newest).unwrap().account.unwrap().storage_root, edited);
}

#[test]
fn proofs_of_old_blocks_verify_while_blocks_and_checkpoints_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(Some(folder.path()), genesis("").as_bytes(), Options { checkpoint_blocks: 1, ..options() }).unwrap();
    for index in 0..CONTRACTS {
        ledger.edit(Edit::Code(contract(index), STORE)).unwrap();
    }
    mine(&ledger, &[]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for value in 0..40 {
                mine(&ledger, &writes(&ledger, &[(0, value % SLOTS, value), (1, (value + 5) % SLOTS, value / 2)]));
            }
        });
        while !writer.is_finished() {
            let number = ledger.newest().header.number / 2;
            let root = ledger.block(BlockId::Number(number)).unwrap().unwrap().header.state_root;
            if number < ledger.newest().header.number {
                check(&ledger, &At::Number(number), root);
            }
        }
    });
}
