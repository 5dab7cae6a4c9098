//! Who takes part in a transaction besides its sender and recipient: the parties of its inner calls, creations and self-destructions.
//! They are noted while a block is executed, where a frame begins, so a plain transfer pays nothing for it.
use alloy_primitives::{Address, map::AddressSet};
use revm::{
    JournalEntry,
    context::ContextTr,
    handler::{EvmTr, FrameResult, PrecompileProvider},
    inspector::JournalExt,
    interpreter::{FrameInput, interpreter_action::FrameInit},
};

#[derive(Default)]
pub struct Participants(AddressSet);

impl Participants {
    /// All of them, in the order of addresses.
    pub fn sorted(self) -> Vec<Address> {
        let mut addresses: Vec<Address> = self.0.into_iter().collect();
        addresses.sort_unstable();
        addresses
    }

    /// An inner frame is about to begin. Precompiled contracts are nobody that one would look for.
    pub fn begin<E: EvmTr>(&mut self, evm: &mut E, input: &FrameInit) {
        match &input.frame_input {
            FrameInput::Call(call) => {
                self.0.insert(call.caller);
                for address in [call.target_address, call.bytecode_address] {
                    if !evm.ctx_precompiles().1.contains(&address) {
                        self.0.insert(address);
                    }
                }
            }
            FrameInput::Create(create) => {
                self.0.insert(create.caller());
            }
            FrameInput::Empty => {}
        }
    }

    /// A frame has ended: one that created a contract says which.
    pub fn end(&mut self, result: &FrameResult) {
        if let FrameResult::Create(outcome) = result
            && outcome.result.is_ok()
        {
            self.0.extend(outcome.address);
        }
    }

    /// All frames have ended: heirs of contracts that destroyed themselves are those who got something without a call.
    pub fn finish(&mut self, context: &impl ContextTr<Journal: JournalExt>, recipient: Option<Address>) {
        for entry in context.journal_ref().journal() {
            if let JournalEntry::AccountDestroyed { target: to, had_balance: balance, .. }
            | JournalEntry::BalanceTransfer { to, balance, .. } = entry
                && !balance.is_zero()
                && Some(*to) != recipient
            {
                self.0.insert(*to);
            }
        }
    }
}

/// Whom a transaction calls; nobody where it creates a contract.
pub fn recipient(first: &FrameInit) -> Option<Address> {
    match &first.frame_input {
        FrameInput::Call(call) => Some(call.target_address),
        _ => None,
    }
}
