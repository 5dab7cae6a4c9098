//! The precompiled contracts of the ledger's EVM: Ethereum's, and for a call also where it pretends them to be.
use super::call::AccountOverride;
use crate::pool::Rejection;
use alloy_primitives::{Address, map::AddressSet};
use revm::{
    context::{Cfg, ContextTr},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::hardfork::SpecId,
};
use std::collections::BTreeMap;

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
    /// Nothing where all are at home.
    places: Option<Places>,
}

impl LedgerPrecompiles {
    pub fn new(fork: SpecId) -> Self {
        Self { ethereum: EthPrecompiles::new(fork), places: None }
    }

    /// As a set of overrides wants them: one that moves leaves its place, and one whose account is overridden gives way to it.
    ///
    /// Source: ethereum/go-ethereum, internal/ethapi/override/override.go.
    pub fn overridden(mut self, accounts: &[AccountOverride]) -> Result<Self, Rejection> {
        if let Some(stranger) = accounts.iter().find(|it| it.move_precompile_to.is_some() && !self.ethereum.contains(&it.address)) {
            return Err(Rejection::NotPrecompile { address: stranger.address });
        }
        let touched: Vec<&AccountOverride> = accounts.iter().filter(|it| self.ethereum.contains(&it.address)).collect();
        if touched.is_empty() {
            return Ok(self);
        }
        let mut contracts: BTreeMap<Address, Address> = self.ethereum.warm_addresses().iter().map(|home| (*home, *home)).collect();
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
        PrecompileProvider::<CTX>::set_spec(&mut self.ethereum, spec)
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let Some(places) = &self.places else { return self.ethereum.run(context, inputs) };
        let Some(home) = places.contracts.get(&inputs.bytecode_address) else { return Ok(None) };
        if *home == inputs.bytecode_address {
            return self.ethereum.run(context, inputs);
        }
        self.ethereum.run(context, &CallInputs { bytecode_address: *home, ..inputs.clone() })
    }

    fn warm_addresses(&self) -> &AddressSet {
        match &self.places {
            Some(places) => &places.warm,
            None => self.ethereum.warm_addresses(),
        }
    }
}
