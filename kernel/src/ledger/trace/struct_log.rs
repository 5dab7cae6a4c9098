//! The default tracer: a line for each step, written as JSON while the transaction runs.
//! Source: ethereum/go-ethereum, eth/tracers/logger/logger.go; ethereum/execution-apis, src/schemas/opcode-tracer.yaml.
use super::{guard::Recorder, options::StructLogOptions};
use crate::json::{self, Object};
use alloy_primitives::{Address, B256, U256, map::AddressMap};
use revm::{
    Inspector,
    bytecode::opcode::{self, OpCode},
    context::{ContextTr, JournalTr},
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        interpreter::EthInterpreter,
        interpreter_types::{InputsTr, Jumps, LoopControl, ReturnData},
    },
};
use std::{collections::BTreeMap, fmt::Write};

const MEMORY_WORD_BYTES: usize = 32;

/// A step that began and has not ended.
struct Step {
    opcode: u8,
    pc: usize,
    gas: u64,
    refund: u64,
    depth: usize,
    contract: Address,
    /// Slot, and value if it is written.
    slot: Option<(U256, Option<U256>)>,
}

pub struct StructLogger {
    options: StructLogOptions,
    out: Vec<u8>,
    written: u64,
    step: Option<Step>,
    /// What follows the gas of the step under way: stack, memory and return data.
    details: Vec<u8>,
    storage: AddressMap<BTreeMap<B256, B256>>,
    /// Refunds of the frames above, and those so far in all.
    refund_bases: Vec<u64>,
    refund: u64,
}

impl StructLogger {
    pub fn new(options: StructLogOptions) -> Self {
        Self {
            options,
            out: Vec::with_capacity(4_096),
            written: 0,
            step: None,
            details: Vec::new(),
            storage: AddressMap::default(),
            refund_bases: Vec::new(),
            refund: 0,
        }
    }

    /// Append the whole trace; `gas_used` is that of the receipt.
    pub fn finish(&self, out: &mut Vec<u8>, gas_used: u64, failed: bool, output: &[u8]) {
        out.extend_from_slice(format!("{{\"gas\":{gas_used},\"failed\":{failed},\"returnValue\":").as_bytes());
        json::data(out, output);
        out.extend_from_slice(b",\"structLogs\":[");
        out.extend_from_slice(&self.out);
        out.extend_from_slice(b"]}");
    }

    fn is_full(&self) -> bool {
        self.options.limit.is_some_and(|limit| self.written >= limit)
    }

    fn write_details(&mut self, interpreter: &Interpreter<EthInterpreter>) {
        self.details.clear();
        if self.options.stack {
            self.details.extend_from_slice(b",\"stack\":");
            json::array(&mut self.details, interpreter.stack.data(), |out, value| json::quantity(out, *value));
        }
        let return_data = interpreter.return_data.buffer();
        if self.options.return_data && !return_data.is_empty() {
            self.details.extend_from_slice(b",\"returnData\":");
            json::data(&mut self.details, return_data);
        }
        if self.options.memory && !interpreter.memory.is_empty() {
            self.details.extend_from_slice(b",\"memory\":");
            let memory = interpreter.memory.context_memory();
            json::array(&mut self.details, memory.chunks(MEMORY_WORD_BYTES), json::data);
        }
    }

    fn write_step(&mut self, step: &Step, gas_cost: u64, error: Option<String>) {
        if self.written > 0 {
            self.out.push(b',');
        }
        self.written += 1;
        let name = OpCode::new(step.opcode).map_or_else(|| format!("opcode {:#x} not defined", step.opcode), |it| opcode_name(it).into());
        let mut text = String::with_capacity(96);
        // Writing into a string cannot fail.
        let _ = write!(text, "{{\"pc\":{},\"op\":\"{name}\",\"gas\":{},\"gasCost\":{gas_cost},\"depth\":{}", step.pc, step.gas, step.depth);
        if let Some(error) = error {
            let _ = write!(text, ",\"error\":\"{error}\"");
        }
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(&self.details);
        if self.options.storage && step.slot.is_some() {
            self.out.extend_from_slice(b",\"storage\":");
            let mut object = Object::begin(&mut self.out);
            for (slot, value) in self.storage.entry(step.contract).or_default() {
                object.data(&format!("{slot:?}"), value);
            }
            object.end();
        }
        if step.refund > 0 {
            self.out.extend_from_slice(format!(",\"refund\":{}", step.refund).as_bytes());
        }
        self.out.push(b'}');
    }
}

/// Geth's name where it differs from revm's.
fn opcode_name(opcode: OpCode) -> &'static str {
    match opcode.get() {
        opcode::KECCAK256 => "KECCAK256",
        _ => opcode.as_str(),
    }
}

/// Errors that stop a step before it runs; those of the step itself are the frame's.
fn error_before(result: InstructionResult, opcode: u8, stack_length: usize) -> Option<String> {
    let inputs = OpCode::new(opcode).map_or(0, |it| it.inputs());
    match result {
        InstructionResult::OutOfGas
        | InstructionResult::MemoryOOG
        | InstructionResult::MemoryLimitOOG
        | InstructionResult::InvalidOperandOOG => Some("out of gas".into()),
        InstructionResult::ReentrancySentryOOG => Some("not enough gas for reentrancy sentry".into()),
        InstructionResult::StackUnderflow => Some(format!("stack underflow ({stack_length} <=> {inputs})")),
        InstructionResult::StackOverflow => Some(format!("stack limit reached 1024 ({stack_length})")),
        _ => None,
    }
}

impl Recorder for StructLogger {
    fn sees_steps(&self) -> bool {
        true
    }

    fn step_bytes(&self) -> usize {
        0
    }

    fn recorded_bytes(&self) -> usize {
        self.out.len()
    }
}

impl<CTX: ContextTr> Inspector<CTX, EthInterpreter> for StructLogger {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        let opcode = interpreter.bytecode.opcode();
        let base = self.refund_bases.last().copied().unwrap_or_default();
        self.refund = base.saturating_add_signed(interpreter.gas.refunded());
        if self.is_full() {
            return;
        }
        let slot = match (opcode, interpreter.stack.data().as_slice()) {
            (opcode::SLOAD, [.., slot]) => Some((*slot, None)),
            (opcode::SSTORE, [.., value, slot]) => Some((*slot, Some(*value))),
            _ => None,
        };
        self.write_details(interpreter);
        self.step = Some(Step {
            opcode,
            pc: interpreter.bytecode.pc(),
            gas: interpreter.gas.remaining(),
            refund: self.refund,
            depth: context.journal().depth(),
            contract: interpreter.input.target_address(),
            slot: slot.filter(|_| self.options.storage),
        });
    }

    fn step_end(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _context: &mut CTX) {
        let base = self.refund_bases.last().copied().unwrap_or_default();
        self.refund = base.saturating_add_signed(interpreter.gas.refunded());
        let Some(step) = self.step.take() else { return };
        let ended = interpreter.bytecode.action().as_ref().and_then(|action| action.instruction_result());
        let error = ended.and_then(|result| error_before(result, step.opcode, interpreter.stack.len()));
        if let Some((slot, written)) = step.slot {
            let value = match written {
                Some(value) => Some(value),
                None if ended.is_none() => interpreter.stack.data().last().copied(),
                None => None,
            };
            if let Some(value) = value {
                self.storage.entry(step.contract).or_default().insert(slot.into(), value.into());
            }
        }
        let gas_cost = step.gas.saturating_sub(interpreter.gas.remaining());
        self.write_step(&step, gas_cost, error);
    }

    fn call(&mut self, _context: &mut CTX, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.refund_bases.push(self.refund);
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, _outcome: &mut CallOutcome) {
        self.refund_bases.pop();
    }

    fn create(&mut self, _context: &mut CTX, _inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.refund_bases.push(self.refund);
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, _outcome: &mut CreateOutcome) {
        self.refund_bases.pop();
    }
}
