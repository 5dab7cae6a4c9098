//! What is known of a system contract's code comes out as the code itself says.
use super::*;
use alloy_eips::{
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE},
};
use proptest::prelude::*;

const QUEUES: [Address; 2] = [WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS];

/// A chain with the system contracts, with bytes behind their code that never run but change its hash.
fn chain(behind: &[u8]) -> Ledger {
    let ledger = open(None);
    for (address, code) in [
        (HISTORY_STORAGE_ADDRESS, &HISTORY_STORAGE_CODE),
        (BEACON_ROOTS_ADDRESS, &BEACON_ROOTS_CODE),
        (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &WITHDRAWAL_REQUEST_PREDEPLOY_CODE),
        (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &CONSOLIDATION_REQUEST_PREDEPLOY_CODE),
    ] {
        ledger.edit(Edit::Code(address, [code.as_ref(), behind].concat().into())).unwrap();
        ledger.edit(Edit::Nonce(address, 1)).unwrap();
    }
    ledger
}

#[derive(Clone, Debug)]
struct Step {
    /// Since the block before.
    seconds: u64,
    root: u8,
    /// A slot of one of the queues and its value.
    edit: Option<(usize, u64, u64)>,
    /// A request to one of the queues, with a fee that is enough.
    request: Option<usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let edit = proptest::option::weighted(0.2, (0..2usize, 0..2u64, 0..4u64));
    // Some come round the ring of 8191 seconds.
    let seconds = prop_oneof![Just(1u64), Just(8_190), Just(8_191), 1..20_000u64];
    (seconds, 0..3u8, edit, proptest::option::weighted(0.3, 0..2usize)).prop_map(|(seconds, root, edit, request)| Step {
        seconds,
        root,
        edit,
        request,
    })
}

/// Take the step; returns what the block did to the slots, and its requests.
fn take(ledger: &Ledger, step: &Step) -> (impl PartialEq + std::fmt::Debug, Option<B256>, usize) {
    if let Some((queue, slot, value)) = step.edit {
        ledger.edit(Edit::Slot(QUEUES[queue], U256::from(slot), U256::from(value))).unwrap();
    }
    let nonce = ledger.account(&crypto::address_of(&KEY).unwrap(), &At::Newest).unwrap().unwrap().nonce;
    let request = step.request.map(|queue| sign(nonce, Some(QUEUES[queue]), 1_000, vec![7; [56, 96][queue]].into(), 300_000));
    let wanted = BlockPlan {
        timestamp: ledger.newest().header.timestamp + step.seconds,
        parent_beacon_block_root: B256::repeat_byte(step.root),
        ..plan(ledger)
    };
    let executed = ledger.execute(&wanted, request.as_slice()).unwrap();
    assert_eq!(executed.dropped, []);
    ledger.commit(&executed).unwrap();
    audit(ledger);
    let mut slots = executed.changes.slots.clone();
    // The hash of the parent is another one, because its state holds other code.
    let hashes = slots.remove(&HISTORY_STORAGE_ADDRESS).unwrap();
    assert_eq!(hashes.values().next().unwrap().after, U256::from_be_bytes(executed.block.header.parent_hash.0));
    (slots, executed.block.header.requests_hash, usize::try_from(*hashes.keys().next().unwrap()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_block_does_the_same_whether_system_contracts_are_run_or_known(steps in proptest::collection::vec(step(), 1..12)) {
        let (known, run) = (chain(&[]), chain(&[0x00]));
        for step in &steps {
            prop_assert_eq!(take(&known, step), take(&run, step));
        }
    }
}
