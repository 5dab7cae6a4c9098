//! The pool: every rejection, order, replacement, eviction and snapshots.

mod model;

use std::collections::BTreeMap;
use std::convert::Infallible;

use alloy_consensus::{SignableTransaction, TxEip4844, TxEnvelope, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Bytes, address};
use revm::primitives::hardfork::SpecId;

use super::*;
use crate::crypto;
use crate::transaction::{TransactionFields, UnsignedTransaction};

const CHAIN_ID: u64 = 31337;
const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = 1_000_000_000 * GWEI;

/// A chain of facts.
#[derive(Clone)]
struct Chain {
    accounts: BTreeMap<Address, AccountFacts>,
    rules: ChainRules,
}

impl Chain {
    fn new(spec: SpecId) -> Self {
        Self { accounts: BTreeMap::new(), rules: ChainRules::new(CHAIN_ID, spec, 30_000_000) }
    }

    fn fund(&mut self, sender: Address, balance: u128) -> &mut AccountFacts {
        let facts = self.accounts.entry(sender).or_default();
        facts.balance = U256::from(balance);
        facts
    }
}

impl ChainView for Chain {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<AccountFacts, Infallible> {
        Ok(self.accounts.get(&address).copied().unwrap_or_default())
    }

    fn rules(&self) -> ChainRules {
        self.rules.clone()
    }
}

fn key(number: u8) -> [u8; 32] {
    [number; 32]
}

fn sender(number: u8) -> Address {
    crypto::address_of(&key(number)).unwrap()
}

/// A transfer that any rule accepts.
fn transfer(nonce: u64) -> TransactionFields {
    TransactionFields {
        kind: 2,
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: Some(GWEI),
        to: Some(address!("00000000000000000000000000000000000000aa")),
        value: U256::from(1),
        ..TransactionFields::default()
    }
}

fn signed(number: u8, fields: TransactionFields) -> Vec<u8> {
    UnsignedTransaction::new(fields).unwrap().sign(&key(number)).unwrap()
}

/// A pool beside its chain, on which key 1 has 10 ether.
struct Bench {
    pool: Pool,
    chain: Chain,
}

impl Bench {
    fn new() -> Self {
        Self::with(PoolSettings::default(), SpecId::PRAGUE)
    }

    fn with(settings: PoolSettings, spec: SpecId) -> Self {
        let mut chain = Chain::new(spec);
        for number in 1..10 {
            chain.fund(sender(number), 10 * ETHER);
        }
        Self { pool: Pool::new(settings), chain }
    }

    fn add_raw(&mut self, raw: &[u8]) -> Result<B256, Rejection> {
        let Ok(mut added) = self.pool.add(&self.chain, [SignedTransaction::decode(raw)]);
        added.remove(0)
    }

    fn add(&mut self, number: u8, fields: TransactionFields) -> Result<B256, Rejection> {
        self.add_raw(&signed(number, fields))
    }

    fn best(&self, base_fee: u128) -> Vec<(Address, u64)> {
        self.pool.best(base_fee as u64, None).map(|entry| (entry.transaction.sender, entry.transaction.nonce())).collect()
    }
}

// ---- rejections: what needs no state -----------------------------------------------------------------------------

#[test]
fn the_same_transaction_again_is_known() {
    let mut bench = Bench::new();
    let hash = bench.add(1, transfer(0)).unwrap();
    assert_eq!(bench.add(1, transfer(0)), Err(Rejection::AlreadyKnown));
    assert_eq!(bench.pool.get(&hash).unwrap().hash, hash);
    assert_eq!(bench.pool.counts(), (1, 0));
}

#[test]
fn bytes_that_are_no_transaction_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.add_raw(&[]), Err(Rejection::BadEncoding { detail: "typed transaction too short".into() }));
    assert_eq!(bench.add_raw(&[5, 0xc0]), Err(Rejection::UnsupportedType { kind: 5 }));
    let mut raw = signed(1, transfer(0));
    raw.push(0);
    assert_eq!(bench.add_raw(&raw), Err(Rejection::BadEncoding { detail: "rlp: input contains more than one value".into() }));
}

#[test]
fn a_pretended_signature_is_refused() {
    let raw = UnsignedTransaction::new(transfer(0)).unwrap().impersonate(sender(1));
    assert_eq!(Bench::new().add_raw(&raw).unwrap_err().kind(), "bad_signature");
}

#[test]
fn a_blob_transaction_is_not_supported() {
    let blob = TxEip4844 { chain_id: CHAIN_ID, gas_limit: 21_000, max_fee_per_gas: GWEI, ..TxEip4844::default() };
    let signature = crypto::sign(&blob.signature_hash(), &key(1)).unwrap();
    let raw = TxEnvelope::from(TypedTransaction::from(blob).into_envelope(signature)).encoded_2718();
    assert_eq!(Bench::new().add_raw(&raw), Err(Rejection::UnsupportedType { kind: 3 }));
}

#[test]
fn a_type_waits_for_its_hardfork() {
    for (kind, before, since) in
        [(1, SpecId::ISTANBUL, SpecId::BERLIN), (2, SpecId::BERLIN, SpecId::LONDON), (4, SpecId::CANCUN, SpecId::PRAGUE)]
    {
        let fields = TransactionFields {
            kind,
            gas_limit: 100_000,
            max_priority_fee_per_gas: (kind != 1).then_some(0),
            authorization_list: if kind == 4 { vec![authorization()] } else { vec![] },
            ..transfer(0)
        };
        let add = |spec| Bench::with(PoolSettings::default(), spec).add(1, fields.clone());
        assert_eq!(add(before), Err(Rejection::UnsupportedType { kind }));
        assert!(add(since).is_ok());
    }
}

#[test]
fn the_chain_id_must_be_ours_for_every_type() {
    for kind in [0, 1, 2] {
        let fields = TransactionFields { kind, chain_id: Some(1), max_priority_fee_per_gas: (kind == 2).then_some(0), ..transfer(0) };
        assert_eq!(Bench::new().add(1, fields), Err(Rejection::WrongChainId { have: 1, want: CHAIN_ID }));
    }
}

#[test]
fn unprotected_transactions_need_a_setting() {
    let fields = || TransactionFields { kind: 0, chain_id: None, max_priority_fee_per_gas: None, ..transfer(0) };
    assert_eq!(Bench::new().add(1, fields()), Err(Rejection::Unprotected));
    let allowing = PoolSettings { allow_unprotected: true, ..PoolSettings::default() };
    assert!(Bench::with(allowing, SpecId::PRAGUE).add(1, fields()).is_ok());
}

#[test]
fn too_many_bytes_are_refused() {
    let raw = signed(1, transfer(0));
    let (size, maximum) = (raw.len(), raw.len() - 1);
    let settings = PoolSettings { maximum_bytes: maximum, ..PoolSettings::default() };
    assert_eq!(Bench::with(settings, SpecId::PRAGUE).add_raw(&raw), Err(Rejection::Oversized { size, maximum }));
    let settings = PoolSettings { maximum_bytes: size, ..PoolSettings::default() };
    assert!(Bench::with(settings, SpecId::PRAGUE).add_raw(&raw).is_ok());
}

#[test]
fn initcode_is_limited() {
    let creation = |size: usize| TransactionFields { to: None, input: vec![0; size].into(), gas_limit: 10_000_000, ..transfer(0) };
    assert!(Bench::new().add(1, creation(49_152)).is_ok());
    assert_eq!(Bench::new().add(1, creation(49_153)), Err(Rejection::InitcodeTooLarge { size: 49_153, maximum: 49_152 }));
    let call = TransactionFields { to: Some(Address::ZERO), ..creation(49_153) };
    assert!(Bench::new().add(1, call).is_ok());
}

#[test]
fn gas_limits_are_capped_by_block_and_by_osaka() {
    let fields = |gas_limit| TransactionFields { gas_limit, ..transfer(0) };
    let osaka = || Bench::with(PoolSettings::default(), SpecId::OSAKA);
    assert!(osaka().add(1, fields(16_777_216)).is_ok());
    let expected = Rejection::ExceedsTransactionGasLimit { gas_limit: 16_777_217, maximum: 16_777_216 };
    assert_eq!(osaka().add(1, fields(16_777_217)), Err(expected));
    assert!(Bench::new().add(1, fields(30_000_000)).is_ok());
    let expected = Rejection::ExceedsBlockGasLimit { gas_limit: 30_000_001, block_gas_limit: 30_000_000 };
    assert_eq!(Bench::new().add(1, fields(30_000_001)), Err(expected));
}

#[test]
fn a_tip_is_within_its_fee_cap() {
    let fields = TransactionFields { max_fee_per_gas: 1, max_priority_fee_per_gas: Some(2), ..transfer(0) };
    assert_eq!(Bench::new().add(1, fields), Err(Rejection::TipAboveFeeCap { tip: 2, max_fee: 1 }));
}

#[test]
fn the_greatest_nonce_is_refused() {
    assert_eq!(Bench::new().add(1, transfer(u64::MAX)), Err(Rejection::NonceMaximum));
    assert!(Bench::new().add(1, transfer(u64::MAX - 1)).is_ok());
}

fn authorization() -> SignedAuthorization {
    let inner = Authorization { chain_id: U256::ZERO, address: Address::ZERO, nonce: 0 };
    let signature = crypto::sign(&inner.signature_hash(), &key(2)).unwrap();
    inner.into_signed(signature)
}

/// The exact need of each shape. Sources: EIP-2028, 2930, 3860, 7702.
#[test]
fn intrinsic_gas_counts_data_lists_initcode_and_authorizations() {
    let list = AccessList(vec![AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO; 3] }; 2]);
    let shapes = [
        (transfer(0), 21_000),
        (TransactionFields { to: None, input: vec![1; 33].into(), ..transfer(0) }, 53_000 + 33 * 16 + 2 * 2),
        (TransactionFields { access_list: list, ..transfer(0) }, 21_000 + 2 * 2_400 + 6 * 1_900),
        (TransactionFields { kind: 4, authorization_list: vec![authorization(); 2], ..transfer(0) }, 21_000 + 2 * 25_000),
    ];
    for (fields, needed) in shapes {
        assert!(Bench::new().add(1, TransactionFields { gas_limit: needed, ..fields.clone() }).is_ok());
        let gas_limit = needed - 1;
        assert_eq!(Bench::new().add(1, TransactionFields { gas_limit, ..fields }), Err(Rejection::IntrinsicGas { gas_limit, needed }));
    }
}

/// Source: EIP-7623: 10 gas a token, a byte other than zero has 4.
#[test]
fn data_has_a_floor_from_prague_on() {
    let fields = |gas_limit| TransactionFields { gas_limit, input: [[0; 10], [1; 10]].concat().into(), ..transfer(0) };
    let (needed, intrinsic) = (21_000 + 10 * 10 + 10 * 40, 21_000 + 10 * 4 + 10 * 16);
    assert!(Bench::new().add(1, fields(needed)).is_ok());
    assert_eq!(Bench::new().add(1, fields(needed - 1)), Err(Rejection::FloorGas { gas_limit: needed - 1, needed }));
    assert!(Bench::with(PoolSettings::default(), SpecId::CANCUN).add(1, fields(intrinsic)).is_ok());
}

#[test]
fn a_tip_below_the_minimum_is_underpriced() {
    let mut bench = Bench::new();
    bench.pool.settings.minimum_tip = GWEI + 1;
    assert_eq!(bench.add(1, transfer(0)), Err(Rejection::Underpriced { tip_needed: GWEI + 1, tip: GWEI }));
    bench.pool.settings.minimum_tip = GWEI;
    assert!(bench.add(1, transfer(0)).is_ok());
}

#[test]
fn a_set_code_transaction_needs_an_authorization() {
    let fields = TransactionFields { kind: 4, ..transfer(0) };
    assert_eq!(Bench::new().add(1, fields), Err(Rejection::EmptyAuthorizationList));
}

// ---- rejections: what needs the sender ---------------------------------------------------------------------------

#[test]
fn a_used_nonce_is_too_low() {
    let mut bench = Bench::new();
    bench.chain.accounts.get_mut(&sender(1)).unwrap().nonce = 5;
    assert_eq!(bench.add(1, transfer(4)), Err(Rejection::NonceTooLow { next_nonce: 5, tx_nonce: 4 }));
    assert!(bench.add(1, transfer(5)).is_ok());
}

#[test]
fn a_sender_with_code_is_refused_unless_it_is_impersonated() {
    let mut bench = Bench::new();
    bench.chain.accounts.get_mut(&sender(1)).unwrap().has_code = true;
    assert_eq!(bench.add(1, transfer(0)), Err(Rejection::SenderHasCode { sender: sender(1) }));
    let raw = UnsignedTransaction::new(transfer(0)).unwrap().impersonate(sender(1));
    let Ok(added) = bench.pool.add(&bench.chain, [SignedTransaction::decode_trusted(&raw)]);
    assert!(added[0].is_ok());
}

#[test]
fn the_balance_covers_gas_and_value() {
    let mut bench = Bench::new();
    let cost = 21_000 * 100 * GWEI + 1;
    bench.chain.fund(sender(1), cost - 1);
    let (balance, queued_cost) = (U256::from(cost - 1), U256::ZERO);
    let expected = Rejection::InsufficientFunds { balance, cost: U256::from(cost), queued_cost };
    assert_eq!(bench.add(1, transfer(0)), Err(expected));
    bench.chain.fund(sender(1), cost);
    assert!(bench.add(1, transfer(0)).is_ok());
}

#[test]
fn the_balance_covers_all_that_waits() {
    let mut bench = Bench::new();
    let cost = 21_000 * 100 * GWEI + 1;
    bench.chain.fund(sender(1), 2 * cost);
    bench.add(1, transfer(0)).unwrap();
    bench.add(1, transfer(1)).unwrap();
    let (balance, queued_cost) = (U256::from(2 * cost), U256::from(2 * cost));
    let expected = Rejection::InsufficientFunds { balance, cost: U256::from(cost), queued_cost };
    assert_eq!(bench.add(1, transfer(2)), Err(expected));
    // In a replacement only the difference counts.
    bench.chain.fund(sender(1), 2 * cost + 21_000 * 10 * GWEI);
    let dearer = |more| TransactionFields {
        max_fee_per_gas: 110 * GWEI,
        max_priority_fee_per_gas: Some(2 * GWEI),
        value: U256::from(1 + more),
        ..transfer(1)
    };
    assert_eq!(bench.add(1, dearer(1)).unwrap_err().kind(), "insufficient_funds");
    assert!(bench.add(1, dearer(0)).is_ok());
}

#[test]
fn a_cost_above_256_bits_overflows() {
    let fields = TransactionFields { value: U256::MAX, ..transfer(0) };
    assert_eq!(Bench::new().add(1, fields), Err(Rejection::GasOverflow));
}

#[test]
fn a_sender_has_a_limit() {
    let mut bench = Bench::with(PoolSettings { per_account: 2, ..PoolSettings::default() }, SpecId::PRAGUE);
    bench.add(1, transfer(0)).unwrap();
    bench.add(1, transfer(7)).unwrap();
    assert_eq!(bench.add(1, transfer(1)), Err(Rejection::AccountLimit { limit: 2 }));
    let dearer = TransactionFields { max_fee_per_gas: 110 * GWEI, max_priority_fee_per_gas: Some(2 * GWEI), ..transfer(7) };
    assert!(bench.add(1, dearer).is_ok());
    assert!(bench.add(2, transfer(0)).is_ok());
}

#[test]
fn a_full_pool_lets_the_cheapest_and_latest_go() {
    let mut bench = Bench::with(PoolSettings { capacity: 2, ..PoolSettings::default() }, SpecId::PRAGUE);
    let earlier = bench.add(1, transfer(0)).unwrap();
    let later = bench.add(2, transfer(0)).unwrap();
    assert_eq!(bench.add(3, transfer(0)), Err(Rejection::PoolFull { capacity: 2 }));
    let dearer = |nonce| TransactionFields { max_priority_fee_per_gas: Some(2 * GWEI), ..transfer(nonce) };
    assert!(bench.add(3, dearer(0)).is_ok());
    assert!(bench.pool.get(&earlier).is_some() && bench.pool.get(&later).is_none());
    // The only cheaper one is its own earlier one, without which it could not run.
    assert_eq!(bench.add(1, dearer(1)), Err(Rejection::PoolFull { capacity: 2 }));
}

// ---- replacement, order, change ----------------------------------------------------------------------------------

#[test]
fn a_replacement_pays_a_tenth_more_in_both_fees() {
    let fields = |tip, cap| TransactionFields { max_priority_fee_per_gas: Some(tip), max_fee_per_gas: cap, ..transfer(0) };
    for (tip, cap, enough) in [(1_100, 11_000, true), (1_099, 11_000, false), (1_100, 10_999, false), (5_000, 10_000, false)] {
        let mut bench = Bench::new();
        let old = bench.add(1, fields(1_000, 10_000)).unwrap();
        let new = bench.add(1, fields(tip, cap));
        assert_eq!(new.is_ok(), enough, "{tip} {cap}");
        assert_eq!(bench.pool.get(&old).is_none(), enough);
        assert_eq!(bench.pool.counts(), (1, 0));
        if !enough {
            assert_eq!(new, Err(Rejection::ReplacementUnderpriced));
        }
    }
}

#[test]
fn gaps_wait_until_they_are_filled() {
    let mut bench = Bench::new();
    let waiting = bench.add(1, transfer(2)).unwrap();
    bench.add(1, transfer(0)).unwrap();
    assert_eq!(bench.pool.counts(), (1, 1));
    assert!(!bench.pool.is_executable(&waiting));
    assert_eq!(bench.pool.next_nonce(&bench.chain, sender(1)), Ok(1));
    let filling = bench.add(1, transfer(1)).unwrap();
    assert_eq!(bench.pool.counts(), (3, 0));
    assert_eq!(bench.pool.pending_gas(), 63_000);
    assert_eq!(bench.pool.next_nonce(&bench.chain, sender(1)), Ok(3));
    assert!(bench.pool.remove(&filling) && !bench.pool.remove(&filling));
    assert_eq!(bench.pool.counts(), (1, 1));
    assert_eq!(bench.pool.pending_gas(), 21_000);
}

#[test]
fn blocks_are_filled_by_tip_then_arrival_then_nonce() {
    let mut bench = Bench::new();
    let paying = |nonce, tip| TransactionFields { max_priority_fee_per_gas: Some(tip), ..transfer(nonce) };
    bench.add(1, paying(0, 5)).unwrap();
    bench.add(2, paying(0, 7)).unwrap();
    bench.add(1, paying(1, 9)).unwrap();
    bench.add(3, paying(0, 5)).unwrap();
    let legacy = TransactionFields { kind: 0, max_priority_fee_per_gas: None, max_fee_per_gas: GWEI + 6, ..transfer(0) };
    bench.add(4, legacy).unwrap();
    let order = [(sender(2), 0), (sender(4), 0), (sender(1), 0), (sender(1), 1), (sender(3), 0)];
    assert_eq!(bench.best(GWEI), order);
    // A base fee above what the legacy one pays leaves it out.
    assert_eq!(bench.best(2 * GWEI), [order[0], order[2], order[3], order[4]]);
    assert_eq!(bench.best(101 * GWEI), []);
}

#[test]
fn the_first_one_goes_before_all_with_those_it_needs() {
    let mut bench = Bench::new();
    bench.add(2, TransactionFields { max_priority_fee_per_gas: Some(2 * GWEI), ..transfer(0) }).unwrap();
    bench.add(1, transfer(0)).unwrap();
    let first = bench.add(1, transfer(1)).unwrap();
    bench.add(1, transfer(2)).unwrap();
    let gapped = bench.add(3, transfer(4)).unwrap();
    let order = |first| bench.pool.best(GWEI as u64, Some(first)).map(|it| (it.transaction.sender, it.transaction.nonce()));
    let (one, two) = (sender(1), sender(2));
    assert_eq!(order(&first).collect::<Vec<_>>(), [(one, 0), (one, 1), (two, 0), (one, 2)]);
    assert_eq!(order(&gapped).collect::<Vec<_>>(), [(two, 0), (one, 0), (one, 1), (one, 2)]);
}

#[test]
fn a_skipped_sender_is_left_out() {
    let mut bench = Bench::new();
    for (number, nonce) in [(1, 0), (1, 1), (2, 0)] {
        bench.add(number, transfer(nonce)).unwrap();
    }
    let mut best = bench.pool.best(GWEI as u64, None);
    assert_eq!(best.next().unwrap().transaction.sender, sender(1));
    best.skip_sender(sender(1));
    assert_eq!(best.map(|entry| entry.transaction.sender).collect::<Vec<_>>(), [sender(2)]);
}

#[test]
fn a_block_takes_its_transactions_out() {
    let mut bench = Bench::new();
    for nonce in [0, 1, 3] {
        bench.add(1, transfer(nonce)).unwrap();
    }
    bench.chain.accounts.get_mut(&sender(1)).unwrap().nonce = 1;
    bench.pool.included(&bench.chain, [sender(1), sender(9)]).unwrap();
    assert_eq!(bench.pool.counts(), (1, 1));
    // What can no longer be paid goes as well.
    bench.chain.fund(sender(1), 1);
    bench.pool.included(&bench.chain, [sender(1)]).unwrap();
    assert_eq!(bench.pool.counts(), (0, 0));
}

#[test]
fn refreshing_follows_an_unwind_and_new_rules() {
    let mut bench = Bench::new();
    bench.chain.accounts.get_mut(&sender(1)).unwrap().nonce = 3;
    bench.add(1, transfer(3)).unwrap();
    bench.add(2, TransactionFields { gas_limit: 30_000, ..transfer(0) }).unwrap();
    bench.chain.accounts.get_mut(&sender(1)).unwrap().nonce = 2;
    bench.chain.rules = ChainRules::new(CHAIN_ID, SpecId::PRAGUE, 29_999);
    bench.pool.refresh(&bench.chain).unwrap();
    assert_eq!(bench.pool.counts(), (0, 1));
    bench.add(1, transfer(2)).unwrap();
    assert_eq!(bench.best(GWEI), [(sender(1), 2), (sender(1), 3)]);
}

#[test]
fn a_snapshot_brings_back_what_was_there() {
    let mut bench = Bench::new();
    bench.add(1, transfer(0)).unwrap();
    let snapshot = bench.pool.snapshot();
    bench.add(2, transfer(0)).unwrap();
    let order = bench.best(GWEI);
    bench.pool.clear();
    assert_eq!(bench.pool.counts(), (0, 0));
    bench.pool.restore(&snapshot);
    assert_eq!(bench.best(GWEI), [(sender(1), 0)]);
    bench.add(2, transfer(0)).unwrap();
    assert_eq!(bench.best(GWEI), order);
}

#[test]
fn outcomes_keep_the_order_of_a_batch() {
    let mut bench = Bench::new();
    let raws = [signed(1, transfer(1)), vec![9], signed(1, transfer(0)), signed(1, transfer(0))];
    let Ok(added) = bench.pool.add(&bench.chain, SignedTransaction::decode_many(&raws, false));
    let kinds: Vec<_> = added.iter().map(|outcome| outcome.as_ref().map_or_else(Rejection::kind, |_| "kept")).collect();
    assert_eq!(kinds, ["kept", "unsupported_type", "kept", "already_known"]);
    let arrivals: Vec<_> = bench.pool.executable().iter().map(|entry| entry.transaction.nonce()).collect();
    assert_eq!(arrivals, [1, 0]);
}

#[test]
fn bytes_are_kept_as_they_came() {
    let mut bench = Bench::new();
    let raw = signed(1, transfer(0));
    let hash = bench.add_raw(&raw).unwrap();
    assert_eq!(bench.pool.get(&hash).unwrap().raw, Bytes::from(raw));
}
