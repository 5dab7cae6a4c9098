//! An inspector for simulated calls: it stops them when their time is up, and collects logs with transfers of the native token among them.
use super::{
    block::StoredLog,
    deadline::{Deadline, Observer},
    evm::EvmContext,
};
use alloy_primitives::{Address, B256, Bytes, Log, U256, address, b256};
use revm::{
    Database, Inspector,
    context::{ContextTr, JournalTr},
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, interpreter::EthInterpreter},
};
use std::time::Instant;

/// Who seems to emit the logs of transfers. Source: ethereum/execution-apis, src/eth/execute.yaml (traceTransfers).
const TRANSFER_EMITTER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)` of ERC-20.
const TRANSFER_TOPIC: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

pub struct CallWatch {
    deadline: Deadline,
    collects: bool,
    /// Logs of each frame that is open, the outermost first.
    open: Vec<Vec<StoredLog>>,
    logs: Vec<StoredLog>,
}

/// What one call showed.
pub struct Watching {
    pub timed_out: bool,
    pub logs: Vec<StoredLog>,
}

impl CallWatch {
    pub fn new(deadline: Instant, collects: bool) -> Self {
        Self { deadline: Deadline::new(deadline), collects, open: vec![], logs: vec![] }
    }

    /// What the call that just ended showed; the next one begins with nothing.
    pub fn take(&mut self) -> Watching {
        self.open.clear();
        Watching { timed_out: self.deadline.passed || self.deadline.is_over(), logs: std::mem::take(&mut self.logs) }
    }

    fn enter(&mut self, from: Address, to: Address, value: Option<U256>) {
        if self.collects {
            self.open.push(vec![]);
            self.transfer(from, to, value.unwrap_or_default());
        }
    }

    fn leave(&mut self, succeeded: bool) {
        let Some(logs) = self.open.pop() else { return };
        if succeeded {
            self.open.last_mut().unwrap_or(&mut self.logs).extend(logs);
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if !self.collects || value.is_zero() {
            return;
        }
        let topics = vec![TRANSFER_TOPIC, from.into_word(), to.into_word()];
        let data = Bytes::from(value.to_be_bytes::<32>());
        if let Some(logs) = self.open.last_mut() {
            logs.push(StoredLog { address: TRANSFER_EMITTER, topics, data });
        }
    }
}

impl Observer for CallWatch {
    fn sees_steps(&self) -> bool {
        self.deadline.sees_steps()
    }

    fn until(&self) -> Instant {
        self.deadline.until()
    }

    fn wants_end(&self) -> bool {
        self.deadline.wants_end()
    }

    fn time_is_up(&mut self) {
        self.deadline.time_is_up();
    }
}

impl<DB: Database> Inspector<EvmContext<DB>, EthInterpreter> for CallWatch {
    fn log(&mut self, _context: &mut EvmContext<DB>, log: Log) {
        if let Some(logs) = self.open.last_mut() {
            logs.push(log.into());
        }
    }

    fn call(&mut self, _context: &mut EvmContext<DB>, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.enter(inputs.transfer_from(), inputs.transfer_to(), inputs.transfer_value());
        None
    }

    fn call_end(&mut self, _context: &mut EvmContext<DB>, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.leave(outcome.result.result.is_ok());
    }

    fn create(&mut self, context: &mut EvmContext<DB>, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let nonce = context.journal_mut().load_account(inputs.caller()).map_or(0, |account| account.data.info.nonce);
        self.enter(inputs.caller(), inputs.created_address(nonce), Some(inputs.value()));
        None
    }

    fn create_end(&mut self, _context: &mut EvmContext<DB>, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.leave(outcome.result.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
