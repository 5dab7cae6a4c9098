//! The state at one moment, for reading: a block of the chain, with the developer edits or an executed block on top of it.
use super::{
    account::{Account, BlockChanges, Edit},
    error::{LedgerError, Result},
    executor::Executed,
    store::Store,
};
use alloy_primitives::{
    Address, B256, Bytes, U256, keccak256,
    map::{AddressMap, B256Map, HashMap},
};
use parking_lot::RwLock;
use revm::bytecode::Bytecode;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Edits made on top of the newest block, as values.
#[derive(Clone, Default)]
pub struct EditLayer {
    pub list: Vec<Edit>,
    pub accounts: BTreeMap<Address, Account>,
    pub slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    pub code: HashMap<B256, Bytes>,
}

impl EditLayer {
    /// Add an edit; `base` is the state below the edits.
    pub fn push(&mut self, edit: Edit, base: impl Fn(&Address) -> Result<Option<Account>>) -> Result<()> {
        let (Edit::Balance(address, _) | Edit::Nonce(address, _) | Edit::Code(address, _) | Edit::Slot(address, ..)) = &edit;
        let mut account = match self.accounts.get(address) {
            Some(account) => *account,
            None => base(address)?.unwrap_or_default(),
        };
        match &edit {
            Edit::Balance(_, balance) => account.balance = *balance,
            Edit::Nonce(_, nonce) => account.nonce = *nonce,
            Edit::Code(_, code) => {
                account.code_hash = keccak256(code);
                self.code.insert(account.code_hash, code.clone());
            }
            Edit::Slot(_, slot, value) => {
                self.slots.entry(*address).or_default().insert(*slot, *value);
            }
        }
        self.accounts.insert(*address, account);
        self.list.push(edit);
        Ok(())
    }
}

/// What simulated blocks changed on top of a block, as values.
#[derive(Clone, Default)]
pub struct SimulatedLayer {
    pub accounts: AddressMap<Option<Account>>,
    pub slots: AddressMap<BTreeMap<U256, U256>>,
    pub code: B256Map<Bytes>,
    /// Of the simulated blocks.
    pub hashes: BTreeMap<u64, B256>,
    /// The newest block of the chain when the simulation began.
    pub newest: u64,
}

impl SimulatedLayer {
    /// The later or the earlier side of changes.
    pub fn add(&mut self, changes: &BlockChanges, earlier: bool) {
        let side = |before, after| if earlier { before } else { after };
        self.accounts.extend(changes.accounts.iter().map(|(address, delta)| (*address, side(delta.before, delta.after))));
        for (address, slots) in &changes.slots {
            let values = slots.iter().map(|(slot, delta)| (*slot, if earlier { delta.before } else { delta.after }));
            self.slots.entry(*address).or_default().extend(values);
        }
        self.code.extend(changes.code.iter().map(|(hash, code)| (*hash, code.clone())));
    }
}

/// What lies on top of the block that a view reads.
#[derive(Clone)]
pub enum Above {
    Nothing,
    Edits(Arc<EditLayer>),
    Block(Arc<Executed>),
    Simulated(Arc<SimulatedLayer>),
}

/// A consistent view that other threads' commits do not change; after an unwind it answers `Stale`.
#[derive(Clone)]
pub struct View {
    pub store: Arc<RwLock<Store>>,
    pub block: u64,
    pub above: Above,
    /// The ledger's count of unwinds, and what it was when this view was made.
    pub unwinds: Arc<AtomicU64>,
    pub unwinds_seen: u64,
}

impl View {
    fn read(&self) -> Result<parking_lot::RwLockReadGuard<'_, Store>> {
        let store = self.store.read();
        if self.unwinds.load(Ordering::Acquire) != self.unwinds_seen {
            return Err(LedgerError::Stale);
        }
        Ok(store)
    }

    pub fn account(&self, address: &Address) -> Result<Option<Account>> {
        match &self.above {
            Above::Edits(edits) if edits.accounts.contains_key(address) => return Ok(edits.accounts.get(address).copied()),
            Above::Block(executed) => {
                if let Some(delta) = executed.changes.accounts.get(address) {
                    return Ok(delta.after);
                }
            }
            Above::Simulated(layer) => {
                if let Some(account) = layer.accounts.get(address) {
                    return Ok(*account);
                }
            }
            _ => {}
        }
        self.read()?.account(address, self.block)
    }

    pub fn slot(&self, address: &Address, slot: &U256) -> Result<U256> {
        match &self.above {
            Above::Edits(edits) => {
                if let Some(value) = edits.slots.get(address).and_then(|slots| slots.get(slot)) {
                    return Ok(*value);
                }
            }
            Above::Block(executed) => {
                if let Some(delta) = executed.changes.slots.get(address).and_then(|slots| slots.get(slot)) {
                    return Ok(delta.after);
                }
            }
            Above::Simulated(layer) => {
                if let Some(value) = layer.slots.get(address).and_then(|slots| slots.get(slot)) {
                    return Ok(*value);
                }
            }
            Above::Nothing => {}
        }
        self.read()?.slot(address, slot, self.block)
    }

    pub fn code(&self, hash: &B256) -> Result<Bytes> {
        let above = match &self.above {
            Above::Edits(edits) => edits.code.get(hash),
            Above::Block(executed) => executed.changes.code.get(hash),
            Above::Simulated(layer) => layer.code.get(hash),
            Above::Nothing => None,
        };
        match above {
            _ if *hash == alloy_consensus::constants::KECCAK_EMPTY => Ok(Bytes::new()),
            Some(code) => Ok(code.clone()),
            None => self.read()?.code(hash),
        }
    }

    /// Code ready to run; the analysis is cached.
    pub fn bytecode(&self, hash: B256) -> Result<Bytecode> {
        if let Some(code) = self.store.read().cached_bytecode(&hash) {
            return Ok(code);
        }
        let code = Bytecode::new_raw(self.code(&hash)?);
        if !matches!(self.above, Above::Simulated(_)) {
            self.store.write().cache_bytecode(hash, code.clone());
        }
        Ok(code)
    }

    /// Hash of a block below the view's, or zero where there is none.
    pub fn block_hash(&self, number: u64) -> Result<B256> {
        if let Above::Simulated(layer) = &self.above
            && let Some(hash) = layer.hashes.get(&number)
        {
            return Ok(*hash);
        }
        Ok(if number > self.block { B256::ZERO } else { self.read()?.block_hash(number)?.unwrap_or_default() })
    }

    /// All slots of an account below the edits, newest block only, or with what was simulated on top of any.
    pub fn slots_of(&self, address: &Address) -> Result<BTreeMap<U256, U256>> {
        let store = self.read()?;
        let mut slots = store.slots_of(address)?;
        if let Above::Simulated(layer) = &self.above {
            if store.head != layer.newest {
                return Err(LedgerError::Stale);
            }
            slots.extend(layer.slots.get(address).into_iter().flatten());
            slots.retain(|_, value| !value.is_zero());
        }
        Ok(slots)
    }
}
