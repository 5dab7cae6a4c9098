//! EIP-7610: no contract is created where an account has storage, also without code or nonce. revm looks at code and nonce alone.
use alloy_primitives::Address;
use revm::{
    context::{ContextTr, JournalTr},
    handler::{EvmTr, EvmTrError, FrameResult, ItemOrResult},
    interpreter::{FrameInput, interpreter_action::FrameInit},
    primitives::constants::CALL_STACK_LIMIT,
    state::EvmState,
};

/// The result of a frame that ended before it began.
pub fn finished<Frame, Outcome>(begun: ItemOrResult<Frame, Outcome>) -> Option<Outcome> {
    match begun {
        ItemOrResult::Item(_) => None,
        ItemOrResult::Result(result) => Some(result),
    }
}

/// Begin a frame with `begin`; a result where none begins.
///
/// A creation that must collide meets an account that has a nonce for as long as revm looks at it: so everything that belongs to a
/// collision (gas, the creator's nonce, the list of warm addresses) stays revm's.
pub fn begin_frame<E, R>(
    evm: &mut E,
    input: FrameInit,
    begin: impl FnOnce(&mut E, FrameInit) -> Result<Option<FrameResult>, R>,
) -> Result<Option<FrameResult>, R>
where
    E: EvmTr<Context: ContextTr<Journal: JournalTr<State = EvmState>>>,
    R: EvmTrError<E>,
{
    let Some(address) = occupied_by_storage::<_, R>(evm, &input)? else { return begin(evm, input) };
    set_nonce(evm, &address, 1);
    let begun = begin(evm, input);
    set_nonce(evm, &address, 0);
    begun
}

fn set_nonce<E: EvmTr<Context: ContextTr<Journal: JournalTr<State = EvmState>>>>(evm: &mut E, address: &Address, nonce: u64) {
    if let Some(account) = evm.ctx().journal_mut().evm_state_mut().get_mut(address) {
        account.info.nonce = nonce;
    }
}

/// The address of a creation that only its storage stands against; it is warm then, as it would be.
fn occupied_by_storage<E, R>(evm: &mut E, input: &FrameInit) -> Result<Option<Address>, R>
where
    E: EvmTr<Context: ContextTr<Journal: JournalTr<State = EvmState>>>,
    R: EvmTrError<E>,
{
    let FrameInput::Create(create) = &input.frame_input else { return Ok(None) };
    let journal = evm.ctx().journal_mut();
    let creator = &journal.load_account(create.caller())?.data.info;
    if input.depth > CALL_STACK_LIMIT as usize || creator.balance < create.value() || creator.nonce == u64::MAX {
        return Ok(None);
    }
    let address = create.created_address(creator.nonce);
    let occupant = &journal.load_account(address)?.data.info;
    // The ledger's state marks such an account; see `Account::info`.
    Ok((occupant.account_id.is_some() && occupant.nonce == 0 && occupant.is_empty_code_hash()).then_some(address))
}
