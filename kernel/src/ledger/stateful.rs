//! What 0G's precompiled contracts have in common: how they are called, how they fail, and how they keep byte strings in their storage.
//!
//! Sources: 0glabs/0g-geth, core/vm/evm.go and core/vm/contracts.go; 0gfoundation/revm, crates/precompile/src/journal.rs.
use alloy_primitives::{Address, B256, Bytes, U256, bytes, keccak256};
use revm::{
    bytecode::Bytecode,
    context::{ContextTr, JournalTr},
    context_interface::LocalContextTr,
    interpreter::{CallInputs, CallScheme, Gas, InstructionResult, InterpreterResult},
};

/// Asked of a selector that names no method.
const UNKNOWN_METHOD_GAS: u64 = 1_000_000_000;

/// Why a call fails.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Ends as REVERT without data does: what is left of the gas stays.
    Reverted,
    /// Takes all gas, and returns nothing.
    Error(&'static str),
    /// The state could not be read.
    Fatal(String),
}

pub type Outcome<T> = Result<T, Failure>;

/// A contract's methods, by their selectors.
pub trait Method: Copy {
    fn of(selector: [u8; 4]) -> Option<Self>;

    /// The flat price.
    fn gas(self) -> u64;

    /// Whether a static call is refused.
    fn writes(self) -> bool;
}

/// Run a call to `contract`; `act` does what the method does, with its arguments. An error means that the state could not be read.
pub fn run<CTX: ContextTr, M: Method>(
    context: &mut CTX,
    inputs: &CallInputs,
    contract: Address,
    act: impl FnOnce(&mut CTX, M, &[u8]) -> Outcome<Bytes>,
) -> Result<InterpreterResult, String> {
    let input = inputs.input.bytes(context);
    let mut gas = Gas::new(inputs.gas_limit);
    let Some((selector, arguments)) = input.split_first_chunk::<4>() else {
        return Ok(InterpreterResult::new(InstructionResult::Revert, Bytes::new(), gas));
    };
    let method = M::of(*selector);
    if !gas.record_regular_cost(method.map_or(UNKNOWN_METHOD_GAS, M::gas)) {
        gas.spend_all();
        return Ok(InterpreterResult::new(InstructionResult::PrecompileOOG, Bytes::new(), gas));
    }
    let outcome = match method {
        Some(method) if !(inputs.is_static && method.writes()) => {
            let ready = if inputs.is_static { Ok(()) } else { give_code(context, contract) };
            ready.and_then(|()| act(context, method, arguments))
        }
        _ => Err(Failure::Reverted),
    };
    match outcome {
        Ok(output) => Ok(InterpreterResult::new(InstructionResult::Return, output, gas)),
        Err(Failure::Reverted) => Ok(InterpreterResult::new(InstructionResult::Revert, Bytes::new(), gas)),
        Err(Failure::Error(reason)) => {
            if context.journal().depth() == 1 {
                context.local_mut().set_precompile_error_context(reason.into());
            }
            gas.spend_all();
            Ok(InterpreterResult::new(InstructionResult::PrecompileError, Bytes::new(), gas))
        }
        Err(Failure::Fatal(error)) => Err(error),
    }
}

/// Who acts. Who borrows the code acts by itself, not as whoever called it: else a contract that is called by one with rights would have them.
pub fn caller(inputs: &CallInputs) -> Address {
    if inputs.scheme == CallScheme::DelegateCall { inputs.target_address } else { inputs.caller }
}

/// Give the contract's account a code, so that its storage is not lost with an empty account (EIP-161).
pub fn give_code<CTX: ContextTr>(context: &mut CTX, contract: Address) -> Outcome<()> {
    let journal = context.journal_mut();
    let is_empty = journal.load_account_with_code(contract).map_err(fatal)?.data.info.is_empty_code_hash();
    if is_empty {
        journal.set_code(contract, Bytecode::new_raw(bytes!("01")));
    }
    Ok(())
}

pub fn load_word<CTX: ContextTr>(context: &mut CTX, contract: Address, slot: B256) -> Outcome<U256> {
    Ok(context.journal_mut().sload(contract, slot.into()).map_err(fatal)?.data)
}

pub fn store_word<CTX: ContextTr>(context: &mut CTX, contract: Address, slot: B256, value: U256) -> Outcome<()> {
    let journal = context.journal_mut();
    journal.touch_account(contract);
    journal.sstore(contract, slot.into(), value).map_err(fatal)?;
    Ok(())
}

/// A byte string in the storage of a contract: its words lie at `keccak256(keccak256(key) ‖ index)`, its length at `keccak256(key)`.
pub struct StoredBytes {
    contract: Address,
    base: B256,
}

impl StoredBytes {
    pub fn new(contract: Address, key: B256) -> Self {
        Self { contract, base: keccak256(key) }
    }

    /// How many bytes there are; an error if there are more than `most`.
    pub fn length<CTX: ContextTr>(&self, context: &mut CTX, most: usize) -> Outcome<usize> {
        let length: usize = load_word(context, self.contract, self.base)?.saturating_to();
        if length <= most { Ok(length) } else { Err(Failure::Error("what is stored cannot be read")) }
    }

    /// The words in which the bytes `start..end` lie, one after another.
    pub fn words<CTX: ContextTr>(&self, context: &mut CTX, start: usize, end: usize) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::with_capacity(end.next_multiple_of(32) - start / 32 * 32);
        for index in start / 32..end.div_ceil(32) {
            bytes.extend_from_slice(&load_word(context, self.contract, self.chunk(index))?.to_be_bytes::<32>());
        }
        Ok(bytes)
    }

    /// All of them, none where nothing was stored; an error if there are more than `most`.
    pub fn load<CTX: ContextTr>(&self, context: &mut CTX, most: usize) -> Outcome<Vec<u8>> {
        let length = self.length(context, most)?;
        let mut bytes = self.words(context, 0, length)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Put others in their place. As in the reference, words beyond the end of shorter ones stay what they were.
    pub fn store<CTX: ContextTr>(&self, context: &mut CTX, value: &[u8]) -> Outcome<()> {
        store_word(context, self.contract, self.base, U256::from(value.len()))?;
        for (index, chunk) in value.chunks(32).enumerate() {
            let mut word = [0; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            store_word(context, self.contract, self.chunk(index), U256::from_be_bytes(word))?;
        }
        Ok(())
    }

    fn chunk(&self, index: usize) -> B256 {
        let mut place = [0; 40];
        place[..32].copy_from_slice(self.base.as_slice());
        place[32..].copy_from_slice(&(index as u64).to_be_bytes());
        keccak256(place)
    }
}

pub fn fatal(error: impl std::fmt::Display) -> Failure {
    Failure::Fatal(error.to_string())
}
