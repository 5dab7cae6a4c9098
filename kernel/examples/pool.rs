//! How fast transactions are decoded, enter the pool, are ordered for blocks and leave it: `cargo run --release --example pool`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::time::Instant;

use _kernel::crypto;
use _kernel::pool::{AccountFacts, ChainRules, ChainView, Pool, PoolSettings};
use _kernel::transaction::{SignedTransaction, TransactionFields, UnsignedTransaction};
use alloy_primitives::{Address, U256};
use revm::primitives::hardfork::SpecId;

const TRANSACTIONS: u64 = 40_000;
const BLOCK_TRANSACTIONS: usize = 1_000;
const BASE_FEE: u64 = 1_000_000_000;

/// Rich accounts, of which the nonces are known.
#[derive(Default)]
struct Chain(HashMap<Address, u64>);

impl ChainView for Chain {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<AccountFacts, Infallible> {
        let nonce = self.0.get(&address).copied().unwrap_or_default();
        Ok(AccountFacts { nonce, balance: U256::MAX >> 1, has_code: false })
    }

    fn rules(&self) -> ChainRules {
        ChainRules::new(31337, SpecId::PRAGUE, 120_000_000)
    }
}

fn report(what: &str, count: u64, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    println!("{what:<52} {:>9.0} /s   {:>7.2} us each", count as f64 / seconds, seconds * 1e6 / count as f64);
}

fn main() -> Result<(), Box<dyn Error>> {
    for senders in [1, 100, TRANSACTIONS] {
        println!("-- {TRANSACTIONS} transfers of {senders} senders");
        run(senders)?;
    }
    Ok(())
}

fn run(senders: u64) -> Result<(), Box<dyn Error>> {
    let since = Instant::now();
    let raws = (0..TRANSACTIONS).map(|index| sign(index, senders)).collect::<Result<Vec<_>, _>>()?;
    report("sign, one thread", TRANSACTIONS, since);

    let since = Instant::now();
    let decoded = SignedTransaction::decode_many(&raws, false).into_iter().collect::<Result<Vec<_>, _>>()?;
    report("decode and recover, all threads", TRANSACTIONS, since);

    let since = Instant::now();
    for transaction in &decoded {
        SignedTransaction::from_parts(transaction.raw.clone(), transaction.sender)?;
    }
    report("decode without recovery, one thread", TRANSACTIONS, since);

    let (mut chain, mut pool) = (Chain::default(), Pool::new(PoolSettings::default()));
    let since = Instant::now();
    let Ok(added) = pool.add(&chain, decoded.into_iter().map(Ok));
    report("check and keep, one thread", TRANSACTIONS, since);
    assert!(added.iter().all(Result::is_ok) && pool.counts().0 as u64 == TRANSACTIONS);

    let since = Instant::now();
    let mut given = 0;
    while pool.counts().0 > 0 {
        let block: Vec<_> = pool.best(BASE_FEE, None).take(BLOCK_TRANSACTIONS).map(|entry| entry.transaction.sender).collect();
        block.iter().for_each(|sender| *chain.0.entry(*sender).or_default() += 1);
        given += block.len() as u64;
        let Ok(()) = pool.included(&chain, block);
    }
    report("order for blocks of 1,000 and take out, one thread", given, since);
    Ok(())
}

fn sign(index: u64, senders: u64) -> Result<Vec<u8>, Box<dyn Error>> {
    let key = U256::from(1 + index % senders).to_be_bytes::<32>();
    let fields = TransactionFields {
        kind: if index.is_multiple_of(2) { 0 } else { 2 },
        chain_id: Some(31337),
        nonce: index / senders,
        gas_limit: 21_000,
        max_fee_per_gas: 2 * u128::from(BASE_FEE),
        max_priority_fee_per_gas: (index % 2 == 1).then_some(u128::from(BASE_FEE)),
        to: Some(crypto::address_of(&key)?),
        ..TransactionFields::default()
    };
    Ok(UnsignedTransaction::new(fields)?.sign(&key)?)
}
