//! Calls that build on each other without being blocks: `eth_callMany`.
//!
//! Source: erigontech/erigon, rpc/jsonrpc/eth_callMany.go.
use super::{SimulatedBlock, SimulatedCall, Simulation, SimulationRefusal, Simulator, Stop};
use crate::ledger::{
    block::Block,
    error::{LedgerError, Result},
    evm,
    executor::{BlockState, block_env},
    head::Tries,
    machine::{At, Ledger},
    query::BlockId,
    system_contracts::call_before,
    view::{Above, EditLayer, SimulatedLayer, View},
};
use revm::{DatabaseCommit, context::result::EVMError};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Calls in a row that are no blocks.
#[derive(Clone, Debug)]
pub struct CallSeries {
    /// Overrides of the environment, and calls; all of them build on each other. Number and timestamp must be given.
    pub bundles: Vec<SimulatedBlock>,
    /// The block in whose environment they run.
    pub block: u64,
    /// How many transactions of the block ran before; all if unset.
    pub transactions_before: Option<usize>,
    /// Gas of each call.
    pub gas_cap: u64,
    pub time_limit: Duration,
}

impl Ledger {
    /// Run calls one after the other, in the environment of a block and on its state or the one before some of its transactions.
    pub fn call_series(&self, wanted: &CallSeries) -> Result<std::result::Result<Vec<Vec<SimulatedCall>>, SimulationRefusal>> {
        self.settled(|| {
            let options = Simulation {
                blocks: vec![],
                trace_transfers: false,
                validation: false,
                gas_cap: wanted.gas_cap,
                time_limit: wanted.time_limit,
            };
            let mut simulator = Simulator::of_calls(self, &options, wanted)?;
            let mut results = Vec::with_capacity(wanted.bundles.len());
            for bundle in &wanted.bundles {
                match simulator.bundle(bundle) {
                    Ok(calls) => results.push(calls),
                    Err(Stop::Refused(refusal)) => return Ok(Err(*refusal)),
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
            Ok(Ok(results))
        })
    }
}

impl<'a> Simulator<'a> {
    /// For calls in the environment of a block, which becomes the parent of nothing.
    fn of_calls(ledger: &'a Ledger, options: &'a Simulation, wanted: &CallSeries) -> Result<Self> {
        let block = ledger.block(BlockId::Number(wanted.block))?.ok_or_else(|| LedgerError::UnknownBlock(wanted.block.to_string()))?;
        let before = wanted.transactions_before.filter(|before| *before < block.transactions.len() && wanted.block > 0);
        let base = wanted.block - u64::from(before.is_some());
        let (view, _) = ledger.view(&At::Number(base))?;
        let newest = ledger.newest().header.number;
        let mut layer = SimulatedLayer { newest, ..Default::default() };
        layer.add(&ledger.changes_between(base, newest, None)?, true);
        let edits = match &view.above {
            Above::Edits(edits) => edits.clone(),
            _ => Arc::default(),
        };
        let mut simulator = Self {
            ledger,
            wanted: options,
            tries: Tries::default(),
            layer,
            base: View { above: Above::Nothing, ..view },
            parent: block.header.clone(),
            parent_hash: block.header.parent_hash,
            edits,
            gas_left: options.gas_cap,
            deadline: Instant::now() + options.time_limit,
            makes_blocks: false,
        };
        if let Some(before) = before {
            simulator.replay(&block, before)?;
        }
        Ok(simulator)
    }

    /// Run the first transactions of a block again, on the state of its parent.
    fn replay(&mut self, block: &Block, count: usize) -> Result<()> {
        let rules = &self.ledger.rules;
        let fork = rules.fork_of(&block.header);
        let view = View { above: Above::Simulated(Arc::new(self.layer.clone())), ..self.base.clone() };
        let (_, edits) = self.ledger.changes_of(block.header.number)?;
        let mut layer = EditLayer::default();
        for edit in edits {
            layer.push(edit, |address| view.account(address))?;
        }
        let state = BlockState::new(&view, fork).with_edits(&layer);
        let mut evm = evm::build(state, rules, fork, block_env(&block.header, rules, fork), ());
        call_before(&mut evm, &block.header, fork)?;
        for transaction in &block.transactions[..count] {
            evm.ctx.cfg.disable_eip3607 = transaction.is_impersonated();
            evm::run(&mut evm, transaction.tx_env(), rules).map_err(|error| match error {
                EVMError::Database(error) => error,
                error => LedgerError::Corrupt(format!("transaction {} does not run again: {error}", transaction.hash)),
            })?;
            let changes = evm.ctx.journaled_state.finalize();
            evm.ctx.journaled_state.database.commit(changes);
        }
        let changes = evm.ctx.journaled_state.database.into_changes()?;
        self.layer.add(&changes, false);
        Ok(())
    }

    /// Calls on top of those before, in the environment of the block and with overrides of it; they are part of no block.
    fn bundle(&mut self, wanted: &SimulatedBlock) -> std::result::Result<Vec<SimulatedCall>, Stop> {
        let given = &wanted.overrides;
        let mut header = self.parent.clone();
        header.number = given.number.unwrap_or(header.number);
        header.timestamp = given.timestamp.unwrap_or(header.timestamp);
        header.gas_limit = given.gas_limit.unwrap_or(header.gas_limit);
        header.beneficiary = given.beneficiary.unwrap_or(header.beneficiary);
        header.mix_hash = given.prev_randao.unwrap_or(header.mix_hash);
        header.base_fee_per_gas = given.base_fee_per_gas.or(header.base_fee_per_gas);
        header.gas_used = 0;
        let view = View { above: Above::Simulated(Arc::new(self.layer.clone())), ..self.base.clone() };
        let fork = self.ledger.rules.fork_of(&header);
        let evm = self.evm(&view, &header, wanted, fork)?;
        let (evm, body) = self.run_calls(evm, &mut header, wanted)?;
        let calls = body.calls;
        let changes = evm.ctx.journaled_state.database.into_changes()?;
        self.layer.add(&changes, false);
        self.edits = Arc::default();
        Ok(calls)
    }
}
