//! An inspector that stops the EVM when its time is up.
use super::evm::EvmContext;
use revm::{
    Database, Inspector,
    interpreter::{InstructionResult, Interpreter, interpreter::EthInterpreter},
};
use std::time::Instant;

/// Instructions between two looks at the clock: some microseconds.
const STEPS_BETWEEN_LOOKS: u32 = 1_024;

pub struct Deadline {
    at: Instant,
    steps: u32,
    /// Whether the time was up before the end.
    pub passed: bool,
}

impl Deadline {
    pub fn new(at: Instant) -> Self {
        Self { at, steps: 0, passed: false }
    }

    /// Whether the time is up by now, also between two calls.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }
}

impl<DB: Database> Inspector<EvmContext<DB>, EthInterpreter> for Deadline {
    #[inline]
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _context: &mut EvmContext<DB>) {
        self.steps += 1;
        if self.steps >= STEPS_BETWEEN_LOOKS {
            self.steps = 0;
            self.passed |= Instant::now() >= self.at;
        }
        if self.passed {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }
}
