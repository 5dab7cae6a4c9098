//! What an inspector hears does not depend on whether the EVM shows it every instruction, and time ends every program.
use super::*;
use crate::ledger::{
    call::AccountOverride,
    deadline::Observer,
    evm::{self, EvmContext},
    executor::{BlockState, block_env},
};
use alloy_primitives::Log;
use proptest::prelude::*;
use revm::{
    Inspector,
    context::{TxEnv, result::ExecutionResult},
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, interpreter::EthInterpreter},
};
use std::time::Instant;

const CONTRACTS: u8 = 3;

/// Notes all that it hears.
struct Notes {
    sees_steps: bool,
    until: Instant,
    time_was_up: bool,
    heard: Vec<String>,
}

impl Observer for Notes {
    fn sees_steps(&self) -> bool {
        self.sees_steps
    }

    fn until(&self) -> Instant {
        self.until
    }

    fn wants_end(&self) -> bool {
        false
    }

    fn time_is_up(&mut self) {
        self.time_was_up = true;
    }
}

impl Inspector<EvmContext<BlockState<'_>>, EthInterpreter> for Notes {
    fn log(&mut self, _context: &mut EvmContext<BlockState<'_>>, log: Log) {
        self.heard.push(format!("{log:?}"));
    }

    fn call(&mut self, _context: &mut EvmContext<BlockState<'_>>, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.heard.push(format!("{inputs:?}"));
        None
    }

    fn call_end(&mut self, _context: &mut EvmContext<BlockState<'_>>, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.heard.push(format!("{} {:?}", inputs.target_address, outcome.result));
    }

    fn create(&mut self, _context: &mut EvmContext<BlockState<'_>>, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.heard.push(format!("{inputs:?}"));
        None
    }

    fn create_end(&mut self, _context: &mut EvmContext<BlockState<'_>>, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.heard.push(format!("{:?} {:?}", outcome.address, outcome.result));
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.heard.push(format!("{contract} gives {value} to {target}"));
    }
}

fn contract(index: u8) -> Address {
    Address::repeat_byte(0xc0 + index)
}

/// Run a call of the first of these programs.
fn run(ledger: &Ledger, programs: &[Vec<u8>], gas_limit: u64, sees_steps: bool, time: Duration) -> (ExecutionResult, Notes) {
    let (view, block) = ledger.view(&At::Newest).unwrap();
    let fork = ledger.rules.fork_of(&block.header);
    let mut state = BlockState::new(&view, fork);
    let with_code = |(index, code): (u8, &Vec<u8>)| AccountOverride {
        address: contract(index),
        balance: Some(U256::from(1_000)),
        code: Some(code.clone().into()),
        ..Default::default()
    };
    state.override_accounts(&(0..).zip(programs).map(with_code).collect::<Vec<_>>()).unwrap();
    let notes = Notes { sees_steps, until: Instant::now() + time, time_was_up: false, heard: vec![] };
    let mut evm = evm::build(state, &ledger.rules, fork, block_env(&block.header, &ledger.rules, fork), notes);
    evm.ctx.cfg.tx_gas_limit_cap = Some(u64::MAX);
    evm.ctx.cfg.disable_block_gas_limit = true;
    evm.ctx.cfg.disable_base_fee = true;
    let transaction =
        TxEnv { caller: Address::repeat_byte(0x55), kind: contract(0).into(), gas_limit, chain_id: Some(31337), ..Default::default() };
    let result = evm::inspect(&mut evm, transaction, &ledger.rules).unwrap();
    (result, evm.inspector)
}

/// A piece of a program that leaves the stack as it was.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let target =
        prop_oneof![4 => (0..CONTRACTS).prop_map(contract), 1 => Just(Address::with_last_byte(4)), 1 => Just(Address::repeat_byte(0x99))];
    let call = (target.clone(), any::<bool>(), 0..3u8, prop_oneof![Just(0xf1u8), Just(0xf2), Just(0xf4), Just(0xfa)]).prop_map(
        |(target, is_poor, value, kind)| {
            let value: &[u8] = if matches!(kind, 0xf1 | 0xf2) { &[0x60, value] } else { &[] };
            let gas: &[u8] = if is_poor { &[0x61, 0x08, 0x00] } else { &[0x5a] };
            [&[0x60, 0x20, 0x5f, 0x60, 0x20, 0x5f], value, &[0x73], target.as_slice(), gas, &[kind, 0x50]].concat()
        },
    );
    // CREATE with a program that logs, and destroys itself or returns nothing.
    let create = any::<bool>().prop_map(|destroys| {
        let program: [u8; 6] = if destroys { [0x5f, 0x5f, 0xa0, 0x30, 0xff, 0x00] } else { [0x5f, 0x5f, 0xa0, 0x5f, 0x5f, 0xf3] };
        [&[0x65], &program[..], &[0x5f, 0x52, 0x60, 0x06, 0x60, 0x1a, 0x60, 0x01, 0xf0, 0x50]].concat()
    });
    prop_oneof![
        4 => call,
        2 => create,
        2 => (0..4u8).prop_map(|topics| [&[0x5a].repeat(usize::from(topics))[..], &[0x60, 0x20, 0x5f, 0xa0 + topics]].concat()),
        1 => (0..3u8, 0..3u8).prop_map(|(slot, value)| vec![0x60, value, 0x60, slot, 0x55]),
        1 => Just(vec![0x5b]),
        1 => (0..CONTRACTS).prop_map(|heir| [&[0x73], contract(heir).as_slice(), &[0xff]].concat()),
        1 => prop_oneof![Just(vec![0xfe]), Just(vec![0x5f, 0x5f, 0xfd]), Just(vec![0x00]), Just(vec![0x50]), Just(vec![0x5f, 0x56])],
    ]
}

fn program() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(piece(), 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_inspector_hears_the_same_with_and_without_every_instruction(
        programs in proptest::collection::vec(program(), usize::from(CONTRACTS)),
        gas_limit in 60_000..400_000u64,
    ) {
        let ledger = open(None);
        let hour = Duration::from_secs(3_600);
        let [(with, stepped), (without, unseen)] = [true, false].map(|sees_steps| run(&ledger, &programs, gas_limit, sees_steps, hour));
        prop_assert_eq!(with, without);
        prop_assert_eq!(stepped.heard, unseen.heard);
        prop_assert!(!stepped.time_was_up && !unseen.time_was_up);
    }
}

#[test]
fn time_ends_loops_and_programs_that_call_themselves() {
    let ledger = open(None);
    let around = vec![0x5b, 0x5f, 0x56]; // JUMPDEST, PUSH0, JUMP
    let itself = [0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xf1, 0x50].repeat(20); // CALL, without a loop
    for program in [around, itself] {
        for sees_steps in [true, false] {
            let (result, notes) = run(&ledger, std::slice::from_ref(&program), u64::MAX, sees_steps, Duration::from_millis(20));
            assert!(notes.time_was_up && (result.is_halt() || result.is_success()), "{result:?}");
        }
    }
}
