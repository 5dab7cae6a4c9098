//! A block's transactions again, on the state of its parent: with the developer edits before it and the system calls at its start.
use crate::{
    ledger::{
        account::Edit,
        block::Block,
        deadline::Observer,
        error::{LedgerError, Result},
        evm::{self, EvmContext, LedgerEvm},
        executor::{BlockState, block_env},
        rules::Rules,
        system_contracts::call_before,
        view::{EditLayer, View},
    },
    transaction::SignedTransaction,
};
use alloy_primitives::{Address, B256, U256};
use revm::{
    Database, DatabaseCommit, DatabaseRef, Inspector,
    bytecode::Bytecode,
    context::{
        BlockEnv, TxEnv,
        result::{EVMError, ResultAndState},
    },
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
    state::{AccountInfo, EvmState},
};
use std::cell::RefCell;

/// The state in the midst of a block, and what transactions run in.
pub struct Replay<'a> {
    pub rules: &'a Rules,
    pub fork: SpecId,
    pub env: BlockEnv,
    pub state: BlockState<'a>,
    view: &'a View,
}

/// Context of the EVM over a state in the midst of a block.
pub type ReplayContext<'a> = EvmContext<BlockState<'a>>;

impl<'a> Replay<'a> {
    /// The start of a block; `view` is the state of its parent.
    pub fn begin(block: &Block, view: &'a View, edits: &[Edit], rules: &'a Rules) -> Result<Self> {
        let header = &block.header;
        let fork = rules.fork_of(header);
        let mut layer = EditLayer::default();
        for edit in edits {
            layer.push(edit.clone(), |address| view.account(address))?;
        }
        let env = block_env(header, rules, fork);
        let state = BlockState::new(view, fork).with_edits(&layer);
        let mut evm = evm::build(state, rules, fork, env.clone(), ());
        call_before(&mut evm, header, fork)?;
        Ok(Self { rules, fork, env, state: evm.ctx.journaled_state.database, view })
    }

    /// The state of a view, for calls in a chosen environment.
    pub fn on(view: &'a View, rules: &'a Rules, fork: SpecId, env: BlockEnv) -> Self {
        Self { rules, fork, env, state: BlockState::new(view, fork), view }
    }

    /// Run transactions without looking at them.
    pub fn skip(&mut self, transactions: &[SignedTransaction]) -> Result<()> {
        let mut evm = evm::build(self.take_state(), self.rules, self.fork, self.env.clone(), ());
        for transaction in transactions {
            evm.ctx.cfg.disable_eip3607 = transaction.is_impersonated();
            evm::run(&mut evm, transaction.tx_env(), self.rules).map_err(|error| failed(transaction.hash, error))?;
            let changes = evm.ctx.journaled_state.finalize();
            evm.ctx.journaled_state.database.commit(changes);
        }
        self.state = evm.ctx.journaled_state.database;
        Ok(())
    }

    /// The EVM owns the state while it runs.
    fn take_state(&mut self) -> BlockState<'a> {
        std::mem::replace(&mut self.state, BlockState::new(self.view, self.fork))
    }

    /// Run a transaction of the block under an inspector. What it changes is handed out, not kept: `keep` does that.
    pub fn inspect<I>(&mut self, transaction: &SignedTransaction, inspector: I) -> Result<(ResultAndState, I)>
    where
        I: Inspector<ReplayContext<'a>, EthInterpreter> + Observer,
    {
        let configure = |evm: &mut LedgerEvm<BlockState<'a>, I>| evm.ctx.cfg.disable_eip3607 = transaction.is_impersonated();
        self.inspect_with(transaction.tx_env(), configure, inspector)?.map_err(|error| failed(transaction.hash, error))
    }

    /// The same for any transaction; the inner error says why it could not begin.
    pub fn inspect_with<I>(
        &mut self,
        transaction: TxEnv,
        configure: impl FnOnce(&mut LedgerEvm<BlockState<'a>, I>),
        inspector: I,
    ) -> Result<std::result::Result<(ResultAndState, I), EVMError<LedgerError>>>
    where
        I: Inspector<ReplayContext<'a>, EthInterpreter> + Observer,
    {
        let mut evm = evm::build(self.take_state(), self.rules, self.fork, self.env.clone(), inspector);
        configure(&mut evm);
        let result = evm::inspect(&mut evm, transaction, self.rules);
        let state = evm.ctx.journaled_state.finalize();
        self.state = evm.ctx.journaled_state.database;
        match result {
            Ok(result) => Ok(Ok((ResultAndState { result, state }, evm.inspector))),
            Err(EVMError::Database(error)) => Err(error),
            Err(error) => Ok(Err(error)),
        }
    }

    pub fn keep(&mut self, changes: EvmState) {
        self.state.commit(changes);
    }

    /// The state as libraries read it that want to share it.
    pub fn shared<'s>(&'s mut self) -> Shared<'s, 'a> {
        Shared(RefCell::new(&mut self.state))
    }
}

fn failed(transaction: B256, error: EVMError<LedgerError>) -> LedgerError {
    match error {
        EVMError::Database(error) => error,
        error => LedgerError::Corrupt(format!("transaction {transaction} could not be executed again: {error}")),
    }
}

/// A state behind a shared reference.
pub struct Shared<'s, 'a>(RefCell<&'s mut BlockState<'a>>);

impl DatabaseRef for Shared<'_, '_> {
    type Error = LedgerError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>> {
        self.0.borrow_mut().basic(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode> {
        self.0.borrow_mut().code_by_hash(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256> {
        self.0.borrow_mut().storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        self.0.borrow_mut().block_hash(number)
    }
}
