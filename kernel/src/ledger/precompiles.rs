//! The precompiled contracts of the ledger's EVM: Ethereum's, 0G's, and for a call also where it pretends them to be.
use super::{call::AccountOverride, da_signers, rules::ZeroGravityRules, wrapped_base};
use crate::pool::Rejection;
use alloy_primitives::{Address, map::AddressSet};
use revm::{
    context::{Cfg, ContextTr},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::hardfork::SpecId,
};
use std::{collections::BTreeMap, num::NonZeroU64, sync::OnceLock};

/// Where precompiled contracts are pretended to be.
#[derive(Clone, Debug)]
struct Places {
    /// The contract that stands at an address, by its own address.
    contracts: BTreeMap<Address, Address>,
    warm: AddressSet,
}

/// Which of 0G's contracts are there.
#[derive(Clone, Copy, Debug)]
struct Own {
    wrapped_base: bool,
    /// How long epochs of DA last, where its signers are known to the chain.
    da_epoch_blocks: Option<NonZeroU64>,
}

#[derive(Clone, Debug)]
pub struct LedgerPrecompiles {
    ethereum: EthPrecompiles,
    own: Own,
    /// All addresses where some of 0G's contracts are there, too.
    with_own: Option<&'static AddressSet>,
    /// Nothing where all are at home.
    places: Option<Places>,
}

impl LedgerPrecompiles {
    pub fn new(fork: SpecId, rules: &ZeroGravityRules) -> Self {
        Self::with(fork, Own { wrapped_base: rules.wrapped_base, da_epoch_blocks: rules.da_epoch_blocks })
    }

    fn with(fork: SpecId, own: Own) -> Self {
        let ethereum = EthPrecompiles::new(fork);
        let with_own = own.addresses(fork, &ethereum);
        Self { ethereum, own, with_own, places: None }
    }

    /// Where they are at home.
    fn homes(&self) -> &AddressSet {
        self.with_own.unwrap_or(self.ethereum.warm_addresses())
    }

    fn run_at_home<CTX: ContextTr>(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        match (inputs.bytecode_address, self.own) {
            (wrapped_base::WRAPPED_BASE, Own { wrapped_base: true, .. }) => wrapped_base::run(context, inputs).map(Some),
            (da_signers::DA_SIGNERS, Own { da_epoch_blocks: Some(epoch_blocks), .. }) => {
                da_signers::run(context, inputs, epoch_blocks).map(Some)
            }
            _ => self.ethereum.run(context, inputs),
        }
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
        let Self { ethereum, with_own, .. } = Self::with(fork, self.own);
        (self.ethereum, self.with_own) = (ethereum, with_own);
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

impl Own {
    /// All addresses, Ethereum's too; nothing where no contract is 0G's. A set is made once for each fork.
    fn addresses(self, fork: SpecId, ethereum: &EthPrecompiles) -> Option<&'static AddressSet> {
        static SETS: [[OnceLock<AddressSet>; 256]; 3] = [const { [const { OnceLock::new() }; 256] }; 3];
        let (sets, own): (_, &[Address]) = match (self.wrapped_base, self.da_epoch_blocks.is_some()) {
            (false, false) => return None,
            (true, false) => (&SETS[0], &[wrapped_base::WRAPPED_BASE]),
            (false, true) => (&SETS[1], &[da_signers::DA_SIGNERS]),
            (true, true) => (&SETS[2], &[wrapped_base::WRAPPED_BASE, da_signers::DA_SIGNERS]),
        };
        Some(sets[usize::from(fork as u8)].get_or_init(|| ethereum.warm_addresses().iter().chain(own).copied().collect()))
    }
}
