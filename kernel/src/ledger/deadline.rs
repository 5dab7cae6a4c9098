//! What instructions leave for whoever watches a run: when its time is up, looked at where a program can go round, and who inherits.
use super::evm::EvmContext;
use revm::{
    Database, Inspector,
    bytecode::opcode,
    handler::instructions::EthInstructions,
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, InstructionResult, instructions::host::selfdestruct,
        interpreter::EthInterpreter, interpreter_types::InputsTr,
    },
    primitives::{Address, B256},
};
use std::time::Instant;

/// Places passed where a program can go round between two looks at the clock: some microseconds in a tight loop.
const TURNS_BETWEEN_LOOKS: u32 = 64;

/// The time of one run. It is part of the EVM's context, where instructions find it; by itself it is unlimited.
///
/// Between two `JUMPDEST`s, and between two calls, a program only goes forward, so it comes by here within the length of its code.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    until: Option<Instant>,
    turns: u32,
    is_over: bool,
    /// The contract that ended itself last, and its heir: the journal has no entry of one that inherits nothing new.
    legacy: Option<(Address, Address)>,
}

impl Clock {
    pub fn until(until: Instant) -> Self {
        Self { until: Some(until), ..Self::default() }
    }

    /// Count one more place where a program can go round; returns whether the time is up.
    #[inline]
    pub fn turn(&mut self) -> bool {
        self.turns += 1;
        self.turns >= TURNS_BETWEEN_LOOKS && self.look()
    }

    /// Once over, every turn comes here.
    #[cold]
    fn look(&mut self) -> bool {
        self.is_over = self.is_over || self.until.is_some_and(|until| Instant::now() >= until);
        self.turns = if self.is_over { TURNS_BETWEEN_LOOKS } else { 0 };
        self.is_over
    }

    /// The contract that ended itself last, and its heir; told once.
    pub fn take_legacy(&mut self) -> Option<(Address, Address)> {
        self.legacy.take()
    }

    /// Whether a run was ended because its time was up.
    pub fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Let `JUMPDEST` look at the clock (no program goes round without one, calls to itself aside), and `SELFDESTRUCT` leave word of the heir.
pub fn watch<DB: Database>(instructions: &mut EthInstructions<EthInterpreter, EvmContext<DB>>) {
    let table = instructions.instruction_table_mut();
    table[opcode::JUMPDEST as usize] = Instruction::new(timed_jumpdest);
    table[opcode::SELFDESTRUCT as usize] = Instruction::new(noted_selfdestruct);
}

fn noted_selfdestruct<DB: Database>(context: InstructionContext<'_, EvmContext<DB>, EthInterpreter>) -> InstructionExecResult {
    if let Some(heir) = context.interpreter.stack.top() {
        let heir = Address::from_word(B256::from(*heir));
        context.host.chain.legacy = Some((context.interpreter.input.target_address(), heir));
    }
    selfdestruct(context)
}

fn timed_jumpdest<DB: Database>(context: InstructionContext<'_, EvmContext<DB>, EthInterpreter>) -> InstructionExecResult {
    if context.host.chain.turn() { Err(InstructionResult::OutOfGas) } else { Ok(()) }
}

/// What the ledger asks of an inspector besides what it looks at.
pub trait Observer {
    /// Whether it looks at every instruction. Between what the others look at (calls, creations, logs and self-destructions) the EVM runs
    /// at its full speed, and they hear of the logs of a stretch at its end.
    fn sees_steps(&self) -> bool;
    /// When the run ends at the latest.
    fn until(&self) -> Instant;
    /// Whether the run is to end now; asked wherever a frame begins or goes on.
    fn wants_end(&self) -> bool;
    /// The run was ended because its time was up.
    fn time_is_up(&mut self);
}

/// An observer that looks at nothing but the clock.
pub struct Deadline {
    at: Instant,
    /// Whether the time was up before the end.
    pub passed: bool,
}

impl Deadline {
    pub fn new(at: Instant) -> Self {
        Self { at, passed: false }
    }

    /// Whether the time is up by now, also between two calls.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }
}

impl Observer for Deadline {
    fn sees_steps(&self) -> bool {
        false
    }

    fn until(&self) -> Instant {
        self.at
    }

    fn wants_end(&self) -> bool {
        false
    }

    fn time_is_up(&mut self) {
        self.passed = true;
    }
}

impl<DB: Database> Inspector<EvmContext<DB>, EthInterpreter> for Deadline {}
