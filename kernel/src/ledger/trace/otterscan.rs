//! What a block explorer asks of single transactions and contracts.
//! Source: otterscan/otterscan, docs/custom-jsonrpc.md; erigontech/erigon, rpc/jsonrpc/otterscan_api.go.
use super::{
    blocks::{inspect_each, json_of, limits},
    guard::Recorder,
    replay::Replay,
};
use crate::{
    json::{self, Object},
    ledger::{
        block::Block,
        error::Result,
        machine::{At, Ledger},
        query::BlockId,
    },
};
use alloy_primitives::{Address, B256, U256};
use revm::{
    Inspector,
    context::{ContextTr, result::ResultAndState},
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, interpreter::EthInterpreter},
};
use revm_inspectors::{
    otterscan::InternalOperationsInspector,
    tracing::{
        TracingInspector,
        types::{CallKind, CallTraceNode},
    },
};

impl Ledger {
    /// Transactions in blocks `first` to `last` in which an address took part, by block and index, and whether there are more: at least
    /// `count` if there are so many, and of no block only some.
    pub fn address_transactions(
        &self,
        address: &Address,
        first: u64,
        last: u64,
        count: usize,
        newest_first: bool,
    ) -> Result<(Vec<(u64, u32)>, bool)> {
        self.store.read().address_transactions(address, first, last, count, newest_first)
    }

    /// Run one transaction of the chain under an inspector.
    fn inspect_mined<I>(&self, hash: &B256, make: impl Fn() -> I) -> Result<(I, ResultAndState)>
    where
        I: Recorder + for<'a> Inspector<super::replay::ReplayContext<'a>, EthInterpreter>,
    {
        self.settled(|| {
            let (block, index) = self.mined(hash)?;
            let (view, edits) = self.ground(&block)?;
            let mut replay = Replay::begin(&block, &view, &edits, &self.rules)?;
            replay.skip(&block.transactions[..index])?;
            let (ran, guard) = replay.inspect(&block.transactions[index], super::guard::Guard::new(make(), limits(None)))?;
            Ok((guard.finish()?, ran))
        })
    }

    /// Transfers between contracts, creations and self-destructions inside a transaction.
    pub fn internal_operations(&self, hash: &B256) -> Result<Vec<u8>> {
        let (inspector, _) = self.inspect_mined(hash, Operations::default)?;
        json_of(&inspector.0.operations())
    }

    /// The data with which a transaction reverted; nothing when it did not.
    pub fn transaction_error(&self, hash: &B256) -> Result<Vec<u8>> {
        let (_, ran) = self.inspect_mined(hash, Operations::default)?;
        Ok(if ran.result.is_success() { vec![] } else { ran.result.output().map(|output| output.to_vec()).unwrap_or_default() })
    }

    /// The calls of a transaction in the order in which they began, each with its depth.
    pub fn call_list(&self, hash: &B256) -> Result<Vec<u8>> {
        let (inspector, _) = self.inspect_mined(hash, || TracingInspector::new(every_call()))?;
        Ok(entries(inspector.traces().nodes()))
    }

    /// Who created a contract, and in which transaction; nothing for what is none, or was there from the beginning.
    pub fn contract_creator(&self, address: &Address) -> Result<Option<(B256, Address)>> {
        self.settled(|| {
            let has_code = |number: u64| Ok::<_, crate::ledger::LedgerError>(!self.code(address, &At::Number(number))?.is_empty());
            let (mut low, mut high) = (0, self.newest().header.number);
            if !has_code(high)? || has_code(0)? {
                return Ok(None);
            }
            while low + 1 < high {
                let middle = low + (high - low) / 2;
                if has_code(middle)? { high = middle } else { low = middle }
            }
            let block = self.block_or_refuse(BlockId::Number(high))?;
            let (places, _) = self.address_transactions(address, high, high, usize::MAX, false)?;
            for (_, index) in places {
                if let Some(creator) = self.creator_in(&block, index as usize, address)? {
                    return Ok(Some((block.transactions[index as usize].hash, creator)));
                }
            }
            Ok(None)
        })
    }

    /// Who created a contract in a transaction of a block.
    fn creator_in(&self, block: &Block, index: usize, address: &Address) -> Result<Option<Address>> {
        let (view, edits) = self.ground(block)?;
        let mut replay = Replay::begin(block, &view, &edits, &self.rules)?;
        let mut creator = None;
        inspect_each(
            &mut replay,
            block,
            index..index + 1,
            limits(None),
            || TracingInspector::new(every_call()),
            |_, _, inspector, _| {
                let made = |node: &&CallTraceNode| node.kind().is_any_create() && node.trace.success && node.trace.address == *address;
                creator = inspector.traces().nodes().iter().find(made).map(|node| node.trace.caller);
                Ok(())
            },
        )?;
        Ok(creator)
    }
}

fn every_call() -> revm_inspectors::tracing::TracingInspectorConfig {
    revm_inspectors::tracing::TracingInspectorConfig::none().set_record_inputs(true)
}

/// What waits to be written: a call, or the self-destruction at its end.
enum Entry {
    Call(usize),
    SelfDestruct(usize),
}

fn entries(nodes: &[CallTraceNode]) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(nodes.len());
    let mut waiting = vec![Entry::Call(0)];
    while let Some(entry) = waiting.pop() {
        if let Entry::Call(index) = &entry {
            let node = &nodes[*index];
            if node.is_selfdestruct() {
                waiting.push(Entry::SelfDestruct(*index));
            }
            waiting.extend(node.children.iter().rev().map(|child| Entry::Call(*child)));
        }
        ordered.push(entry);
    }
    let mut out = Vec::with_capacity(300 * ordered.len());
    json::array(&mut out, ordered, |out, entry| match entry {
        Entry::Call(index) => write_call(out, &nodes[index]),
        Entry::SelfDestruct(index) => write_self_destruct(out, &nodes[index]),
    });
    out
}

fn write_call(out: &mut Vec<u8>, node: &CallTraceNode) {
    let trace = &node.trace;
    let mut object = Object::begin(out);
    object.member("type").extend_from_slice(format!("\"{}\"", trace.kind).as_bytes());
    object.member("depth").extend_from_slice(trace.depth.to_string().as_bytes());
    object.data("from", trace.caller).data("to", trace.address);
    match trace.kind {
        // These hand nothing over.
        CallKind::DelegateCall | CallKind::StaticCall => object.null("value"),
        _ => object.quantity("value", trace.value),
    };
    object.data("input", &trace.data).data("output", &trace.output);
    object.end();
}

fn write_self_destruct(out: &mut Vec<u8>, node: &CallTraceNode) {
    let trace = &node.trace;
    let mut object = Object::begin(out);
    object.member("type").extend_from_slice(b"\"SELFDESTRUCT\"");
    object.member("depth").extend_from_slice((trace.depth + 1).to_string().as_bytes());
    object.data("from", trace.selfdestruct_address.unwrap_or_default()).data("to", trace.selfdestruct_refund_target.unwrap_or_default());
    object.quantity("value", trace.selfdestruct_transferred_value.unwrap_or_default()).data("input", []).data("output", []);
    object.end();
}

/// The inspector for internal operations.
#[derive(Default)]
struct Operations(InternalOperationsInspector);

impl Recorder for Operations {
    fn sees_steps(&self) -> bool {
        false
    }

    fn step_bytes(&self) -> usize {
        0
    }

    fn recorded_bytes(&self) -> usize {
        std::mem::size_of_val(self.0.operations())
    }
}

impl<CTX: ContextTr> Inspector<CTX, EthInterpreter> for Operations {
    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.0.call(context, inputs)
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.0.create(context, inputs)
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        Inspector::<CTX, EthInterpreter>::selfdestruct(&mut self.0, contract, target, value);
    }
}
