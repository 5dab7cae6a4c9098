//! An inspector around another one, which stops the EVM when time or memory is up.
use super::refusal::TraceRefusal;
use crate::ledger::deadline::Observer;
use alloy_primitives::{Address, Log, U256};
use revm::{
    Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter, interpreter::EthInterpreter,
        interpreter_types::LoopControl,
    },
};
use std::time::{Duration, Instant};

/// Instructions between two looks at the clock: some microseconds.
const STEPS_BETWEEN_LOOKS: u32 = 1_024;
/// What the record of a call takes beside its data, and that of a log.
const CALL_BYTES: usize = 512;
const LOG_BYTES: usize = 192;

/// What all transactions of one request may take together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub time: Duration,
    pub until: Instant,
    pub bytes: usize,
}

impl Limits {
    pub fn new(time: Duration, bytes: usize) -> Self {
        Self { time, until: Instant::now() + time, bytes }
    }
}

/// What an inspector holds in memory beyond what the guard counts itself.
pub trait Recorder {
    /// Whether it looks at every instruction.
    fn sees_steps(&self) -> bool;
    /// Bytes that one more step adds, besides those of calls and logs.
    fn step_bytes(&self) -> usize;
    /// Bytes that it says it holds.
    fn recorded_bytes(&self) -> usize;
}

pub struct Guard<I> {
    pub inner: I,
    limits: Limits,
    steps: u32,
    bytes: usize,
    stopped: Option<TraceRefusal>,
}

impl<I: Recorder> Guard<I> {
    pub fn new(inner: I, limits: Limits) -> Self {
        Self { inner, limits, steps: 0, bytes: 0, stopped: None }
    }

    /// The inspector, unless it was stopped.
    pub fn finish(self) -> Result<I, TraceRefusal> {
        match self.stopped {
            Some(refusal) => Err(refusal),
            None => Ok(self.inner),
        }
    }

    #[cold]
    fn look(&mut self) {
        self.bytes += self.steps as usize * self.inner.step_bytes();
        self.steps = 0;
        if self.bytes + self.inner.recorded_bytes() > self.limits.bytes {
            self.stopped = Some(TraceRefusal::TooLarge(self.limits.bytes));
        } else if Instant::now() >= self.limits.until {
            self.stopped = Some(TraceRefusal::Timeout(self.limits.time.as_secs_f64()));
        }
    }
}

impl<I: Recorder> Observer for Guard<I> {
    fn sees_steps(&self) -> bool {
        self.inner.sees_steps()
    }

    fn until(&self) -> Instant {
        self.limits.until
    }

    fn wants_end(&self) -> bool {
        self.stopped.is_some()
    }

    fn time_is_up(&mut self) {
        self.stopped.get_or_insert(TraceRefusal::Timeout(self.limits.time.as_secs_f64()));
    }
}

impl<CTX, I: Inspector<CTX, EthInterpreter> + Recorder> Inspector<CTX, EthInterpreter> for Guard<I> {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.inner.initialize_interp(interpreter, context);
    }

    #[inline]
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.steps += 1;
        if self.steps >= STEPS_BETWEEN_LOOKS {
            self.look();
        }
        self.inner.step(interpreter, context);
        if self.stopped.is_some() && !interpreter.bytecode.is_end() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    #[inline]
    fn step_end(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.inner.step_end(interpreter, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.bytes += LOG_BYTES + log.data.data.len();
        self.inner.log(context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.bytes += CALL_BYTES + inputs.input.len();
        self.look();
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.bytes += outcome.result.output.len();
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.bytes += CALL_BYTES + inputs.init_code().len();
        self.look();
        self.inner.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.bytes += outcome.result.output.len();
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }
}
