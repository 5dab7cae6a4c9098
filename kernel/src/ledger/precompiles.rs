//! The precompiled contracts of the ledger's EVM: Ethereum's, 0G's, and for a call also where it pretends them to be.
use super::{call::AccountOverride, wrapped_base};
use crate::pool::Rejection;
use alloy_primitives::{Address, map::AddressSet};
use revm::{
    context::{Cfg, ContextTr},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::hardfork::SpecId,
};
use std::{collections::BTreeMap, sync::OnceLock};

/// Where precompiled contracts are pretended to be.
#[derive(Clone, Debug)]
struct Places {
    /// The contract that stands at an address, by its own address.
    contracts: BTreeMap<Address, Address>,
    warm: AddressSet,
}

#[derive(Clone, Debug)]
pub struct LedgerPrecompiles {
    ethereum: EthPrecompiles,
    /// All addresses where 0G's contract is there, too.
    with_wrapped_base: Option<&'static AddressSet>,
    /// Nothing where all are at home.
    places: Option<Places>,
}

impl LedgerPrecompiles {
    pub fn new(fork: SpecId, wrapped_base: bool) -> Self {
        let ethereum = EthPrecompiles::new(fork);
        let with_wrapped_base = wrapped_base.then(|| addresses_with_wrapped_base(fork, &ethereum));
        Self { ethereum, with_wrapped_base, places: None }
    }

    /// Where they are at home.
    fn homes(&self) -> &AddressSet {
        self.with_wrapped_base.unwrap_or(self.ethereum.warm_addresses())
    }

    fn run_at_home<CTX: ContextTr>(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        if self.with_wrapped_base.is_some() && inputs.bytecode_address == wrapped_base::WRAPPED_BASE {
            return wrapped_base::run(context, inputs).map(Some);
        }
        self.ethereum.run(context, inputs)
    }

    /// As a set of overrides wants them: one that moves leaves its place, and one whose account is overridden gives way to it.
    ///
    /// Source: ethereum/go-ethereum, internal/ethapi/override/override.go.
    pub fn overridden(mut self, accounts: &[AccountOverride]) -> Result<Self, Rejection> {
        if let Some(stranger) = accounts.iter().find(|it| it.move_precompile_to.is_some() && !self.homes().contains(&it.address)) {
            return Err(Rejection::NotPrecompile { address: stranger.address });
        }
        let touched: Vec<&AccountOverride> = accounts.iter().filter(|it| self.homes().contains(&it.address)).collect();
        if touched.is_empty() {
            return Ok(self);
        }
        let mut contracts: BTreeMap<Address, Address> = self.homes().iter().map(|home| (*home, *home)).collect();
        for account in &touched {
            contracts.remove(&account.address);
        }
        for account in touched {
            let Some(destination) = account.move_precompile_to else { continue };
            if destination == account.address {
                return Err(Rejection::PrecompileMovedToItself { address: destination });
            }
            if accounts.iter().any(|other| other.address == destination) {
                return Err(Rejection::AlreadyOverridden { address: destination });
            }
            contracts.insert(destination, account.address);
        }
        let warm = contracts.keys().copied().collect();
        self.places = Some(Places { contracts, warm });
        Ok(self)
    }
}

impl<CTX: ContextTr> PrecompileProvider<CTX> for LedgerPrecompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: <CTX::Cfg as Cfg>::Spec) -> bool {
        let fork = spec.into();
        if fork == self.ethereum.spec {
            return false;
        }
        let Self { ethereum, with_wrapped_base, .. } = Self::new(fork, self.with_wrapped_base.is_some());
        (self.ethereum, self.with_wrapped_base) = (ethereum, with_wrapped_base);
        true
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let Some(places) = &self.places else { return self.run_at_home(context, inputs) };
        let Some(home) = places.contracts.get(&inputs.bytecode_address) else { return Ok(None) };
        if *home == inputs.bytecode_address {
            return self.run_at_home(context, inputs);
        }
        let moved = CallInputs { bytecode_address: *home, ..inputs.clone() };
        self.run_at_home(context, &moved)
    }

    fn warm_addresses(&self) -> &AddressSet {
        match &self.places {
            Some(places) => &places.warm,
            None => self.homes(),
        }
    }
}

/// The set is made once for each fork.
fn addresses_with_wrapped_base(fork: SpecId, ethereum: &EthPrecompiles) -> &'static AddressSet {
    static SETS: [OnceLock<AddressSet>; 256] = [const { OnceLock::new() }; 256];
    SETS[usize::from(fork as u8)].get_or_init(|| ethereum.warm_addresses().iter().copied().chain([wrapped_base::WRAPPED_BASE]).collect())
}
