//! Block 0 from a genesis file in geth's form.
use super::{
    account::{Account, BlockChanges, Delta},
    block::Block,
    error::{LedgerError, Result},
    rules::Rules,
    trie::{NoNodes, Trie},
};
use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, KECCAK_EMPTY},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, U256, keccak256};
use revm::primitives::hardfork::SpecId;

/// Initial base fee where London is active from the start and the file names none (EIP-1559).
const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// Block 0 with its state.
pub struct GenesisState {
    pub rules: Rules,
    pub block: Block,
    pub changes: BlockChanges,
    /// The configuration as it was given: together with the block it identifies the chain.
    pub configuration: Vec<u8>,
    /// Hash of block and configuration.
    pub identity: B256,
}

pub fn read(json: &[u8]) -> Result<GenesisState> {
    let invalid = |error: serde_json::Error| LedgerError::Decode(format!("the genesis is not valid: {error}"));
    let genesis: Genesis = serde_json::from_slice(json).map_err(invalid)?;
    // Through a map with sorted keys, so that white space and order do not matter.
    let mut document: serde_json::Value = serde_json::from_slice(json).map_err(invalid)?;
    let configuration = document.get_mut("config").map(serde_json::Value::take).unwrap_or_default().to_string().into_bytes();
    let rules = Rules::new(genesis.config.clone())?;
    let fork = rules.fork(genesis.number.unwrap_or_default(), genesis.timestamp);

    let mut state = Collected::default();
    for (address, given) in &genesis.alloc {
        state.add(*address, given)?;
    }
    let header = header(&genesis, fork, state.accounts.root(true))?;
    let withdrawals = fork.is_enabled_in(SpecId::SHANGHAI).then(Vec::new);
    let hash = header.hash_slow();
    let identity = keccak256([hash.as_slice(), &configuration].concat());
    let block = Block { hash, header, transactions: vec![], receipts: vec![], withdrawals };
    Ok(GenesisState { rules, block, changes: state.changes, configuration, identity })
}

#[derive(Default)]
struct Collected {
    changes: BlockChanges,
    accounts: Trie,
}

impl Collected {
    fn add(&mut self, address: Address, given: &alloy_genesis::GenesisAccount) -> Result<()> {
        let mut storage = Trie::default();
        for (slot, value) in given.storage.iter().flatten().filter(|(_, value)| !value.is_zero()) {
            let (slot, value) = (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0));
            storage.set(keccak256(slot.to_be_bytes::<32>()), Some(alloy_rlp::encode(value)), &NoNodes)?;
            self.changes.slots.entry(address).or_default().insert(slot, Delta { before: U256::ZERO, after: value });
        }
        let code = given.code.as_ref().filter(|code| !code.is_empty());
        let account = Account {
            nonce: given.nonce.unwrap_or_default(),
            balance: given.balance,
            code_hash: code.map_or(KECCAK_EMPTY, keccak256),
            storage_root: storage.root(false),
        };
        if let Some(code) = code {
            self.changes.code.insert(account.code_hash, code.clone());
        }
        self.accounts.set(keccak256(address), Some(account.leaf()), &NoNodes)?;
        self.changes.accounts.insert(address, Delta { before: None, after: Some(account) });
        Ok(())
    }
}

fn header(genesis: &Genesis, fork: SpecId, state_root: B256) -> Result<Header> {
    let base_fee = match genesis.base_fee_per_gas {
        Some(fee) => Some(u64::try_from(fee).map_err(|_| LedgerError::Decode(format!("baseFeePerGas {fee} is above 2^64")))?),
        None => fork.is_enabled_in(SpecId::LONDON).then_some(INITIAL_BASE_FEE),
    };
    let (shanghai, cancun) = (fork.is_enabled_in(SpecId::SHANGHAI), fork.is_enabled_in(SpecId::CANCUN));
    Ok(Header {
        parent_hash: B256::ZERO,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: genesis.coinbase,
        state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: genesis.difficulty,
        number: genesis.number.unwrap_or_default(),
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.into(),
        base_fee_per_gas: base_fee,
        withdrawals_root: shanghai.then_some(EMPTY_ROOT_HASH),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        blob_gas_used: cancun.then_some(genesis.blob_gas_used.unwrap_or_default()),
        excess_blob_gas: cancun.then_some(genesis.excess_blob_gas.unwrap_or_default()),
        requests_hash: fork.is_enabled_in(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    })
}
