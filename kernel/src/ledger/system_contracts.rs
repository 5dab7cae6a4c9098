//! The calls that Ethereum makes to its system contracts at the start and at the end of each block.
//!
//! Where a contract has the code of its EIP, what a call does to it is known without running it: two of them keep a ring of the last
//! blocks, and the queues of the other two are at rest in almost every block. Any other code is run.
use super::{
    block::StoredReceipt,
    error::{LedgerError, Result},
    evm::{self, LedgerEvm},
    executor::BlockState,
    rules::Rules,
};
use alloy_consensus::{Header, constants::KECCAK_EMPTY};
use alloy_eips::{
    eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip6110::DEPOSIT_REQUEST_TYPE,
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE, CONSOLIDATION_REQUEST_TYPE},
    eip7685::Requests,
};
use alloy_primitives::{Address, B256, Bytes, Log, U256, b256, keccak256};
use revm::{Database, DatabaseCommit, context::result::EVMError, primitives::hardfork::SpecId, state::AccountInfo};
use std::sync::LazyLock;

static HISTORY_CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(&HISTORY_STORAGE_CODE));
static BEACON_ROOTS_CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(&BEACON_ROOTS_CODE));
static WITHDRAWAL_REQUEST_CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(&WITHDRAWAL_REQUEST_PREDEPLOY_CODE));
static CONSOLIDATION_REQUEST_CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(&CONSOLIDATION_REQUEST_PREDEPLOY_CODE));

/// Slots of a ring: of EIP-2935, and of each of the two of EIP-4788.
const RING_SLOTS: U256 = U256::from_limbs([HISTORY_SERVE_WINDOW as u64, 0, 0, 0]);
/// Excess, count, and head and tail of the queue of EIP-7002 and EIP-7251.
const QUEUE_SLOTS: [U256; 4] = [U256::ZERO, U256::from_limbs([1, 0, 0, 0]), U256::from_limbs([2, 0, 0, 0]), U256::from_limbs([3, 0, 0, 0])];

pub fn call_before(evm: &mut LedgerEvm<BlockState<'_>>, header: &Header, fork: SpecId) -> Result<()> {
    if fork.is_enabled_in(SpecId::PRAGUE)
        && let Some(info) = account_with_code(evm, HISTORY_STORAGE_ADDRESS)?
    {
        if info.code_hash == *HISTORY_CODE_HASH {
            let slot = evm.ctx.block.number.wrapping_sub(U256::ONE) % RING_SLOTS;
            state(evm).set_slot(HISTORY_STORAGE_ADDRESS, info, slot, header.parent_hash.into())?;
        } else {
            call(evm, HISTORY_STORAGE_ADDRESS, header.parent_hash.into())?;
        }
    }
    if let Some(root) = header.parent_beacon_block_root
        && let Some(info) = account_with_code(evm, BEACON_ROOTS_ADDRESS)?
    {
        if info.code_hash == *BEACON_ROOTS_CODE_HASH {
            let timestamp = evm.ctx.block.timestamp;
            let slot = timestamp % RING_SLOTS;
            state(evm).set_slot(BEACON_ROOTS_ADDRESS, info.clone(), slot, timestamp)?;
            state(evm).set_slot(BEACON_ROOTS_ADDRESS, info, slot + RING_SLOTS, root.into())?;
        } else {
            call(evm, BEACON_ROOTS_ADDRESS, root.into())?;
        }
    }
    Ok(())
}

/// Requests of the execution layer at the end of a block (EIP-7685): deposits, withdrawals, consolidations.
pub fn call_after(evm: &mut LedgerEvm<BlockState<'_>>, rules: &Rules, fork: SpecId, receipts: &[StoredReceipt]) -> Result<Requests> {
    let mut requests = Requests::default();
    if !fork.is_enabled_in(SpecId::PRAGUE) {
        return Ok(requests);
    }
    requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits(rules.deposit_contract, receipts)?);
    for (contract, code_hash, kind) in [
        (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &WITHDRAWAL_REQUEST_CODE_HASH, WITHDRAWAL_REQUEST_TYPE),
        (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &CONSOLIDATION_REQUEST_CODE_HASH, CONSOLIDATION_REQUEST_TYPE),
    ] {
        let Some(info) = account_with_code(evm, contract)? else { continue };
        if info.code_hash != **code_hash || !is_at_rest(evm, contract)? {
            requests.push_request_with_type(kind, call(evm, contract, Bytes::new())?.unwrap_or_default());
        }
    }
    Ok(requests)
}

fn state<'a, 'b>(evm: &'b mut LedgerEvm<BlockState<'a>>) -> &'b mut BlockState<'a> {
    &mut evm.ctx.journaled_state.database
}

/// A system contract; `None` where there is no code, so that nothing is called.
fn account_with_code(evm: &mut LedgerEvm<BlockState<'_>>, contract: Address) -> Result<Option<AccountInfo>> {
    Ok(state(evm).basic(contract)?.filter(|info| info.code_hash != KECCAK_EMPTY))
}

/// Whether a call at the end of the block would find no request and change nothing.
fn is_at_rest(evm: &mut LedgerEvm<BlockState<'_>>, contract: Address) -> Result<bool> {
    for slot in QUEUE_SLOTS {
        if !state(evm).storage(contract, slot)?.is_zero() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn call(evm: &mut LedgerEvm<BlockState<'_>>, contract: Address, input: Bytes) -> Result<Option<Bytes>> {
    let result = evm::system_call(evm, contract, input).map_err(|error| match error {
        EVMError::Database(error) => error,
        error => LedgerError::Decode(format!("the system call to {contract} failed: {error}")),
    })?;
    let changes = evm.ctx.journaled_state.finalize();
    if !result.is_success() {
        return Err(LedgerError::Decode(format!("the system call to {contract} did not succeed: {result:?}")));
    }
    evm.ctx.journaled_state.database.commit(changes);
    Ok(result.into_output())
}

/// `DepositEvent(bytes,bytes,bytes,bytes,bytes)` of the deposit contract (EIP-6110).
const DEPOSIT_TOPIC: B256 = b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// The event's data: five byte strings at fixed places.
const DEPOSIT_LOG_BYTES: usize = 576;
const DEPOSIT_FIELDS: [std::ops::Range<usize>; 5] = [192..240, 288..320, 352..360, 416..512, 544..552];

/// Why a deposit cannot stand in any block.
pub const DEPOSIT_LAYOUT: &str = "the deposit contract emitted a log in another layout than EIP-6110's";

/// Whether no block may hold a transaction with these logs (EIP-6110). Only a contract that a developer has put in the place of the deposit
/// contract emits such, and one transaction must not keep every later block from being made.
pub fn spoils_deposits(rules: &Rules, fork: SpecId, logs: &[Log]) -> bool {
    let is_wrong = |log: &Log| is_deposit(rules.deposit_contract, log.address, log.topics()) && log.data.data.len() != DEPOSIT_LOG_BYTES;
    fork.is_enabled_in(SpecId::PRAGUE) && logs.iter().any(is_wrong)
}

fn is_deposit(contract: Option<Address>, address: Address, topics: &[B256]) -> bool {
    Some(address) == contract && topics.first() == Some(&DEPOSIT_TOPIC)
}

fn deposits(contract: Option<Address>, receipts: &[StoredReceipt]) -> Result<Vec<u8>> {
    let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
    let mut bytes = Vec::new();
    for log in logs.filter(|log| is_deposit(contract, log.address, &log.topics)) {
        if log.data.len() != DEPOSIT_LOG_BYTES {
            return Err(LedgerError::Decode(DEPOSIT_LAYOUT.into()));
        }
        DEPOSIT_FIELDS.into_iter().for_each(|field| bytes.extend_from_slice(&log.data[field]));
    }
    Ok(bytes)
}
