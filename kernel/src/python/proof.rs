//! Merkle proofs for Python.

use alloy_primitives::{Address, U256};
use pyo3::{prelude::*, types::PyBytes};

use super::{
    convert::{AddressBytes, HashBytes, Word},
    ledger::{AtArgument, PyLedger, at_of},
};
use crate::ledger::Account;

type Nodes<'py> = Vec<Bound<'py, PyBytes>>;
/// (nonce, balance, code hash, storage root).
type AccountParts<'py> = (u64, Word, Bound<'py, PyBytes>, Bound<'py, PyBytes>);
/// Account, nodes to it, and of each slot the value and the nodes to it.
type ProofParts<'py> = (Option<AccountParts<'py>>, Nodes<'py>, Vec<(Word, Nodes<'py>)>);

fn parts(py: Python<'_>, account: Account) -> AccountParts<'_> {
    let hash = |hash: alloy_primitives::B256| PyBytes::new(py, hash.as_slice());
    (account.nonce, Word(account.balance), hash(account.code_hash), hash(account.storage_root))
}

#[pymethods]
impl PyLedger {
    #[pyo3(signature = (address, slots, at = None))]
    fn prove<'py>(
        &self,
        py: Python<'py>,
        address: AddressBytes,
        slots: Vec<HashBytes>,
        at: Option<AtArgument>,
    ) -> PyResult<ProofParts<'py>> {
        let (address, at) = (Address::from(address), at_of(at));
        let slots: Vec<U256> = slots.into_iter().map(|slot| U256::from_be_bytes(slot.0)).collect();
        let proof = self.with(py, |ledger| ledger.prove(&address, &slots, &at))?;
        let bytes = |nodes: &[Vec<u8>]| nodes.iter().map(|node| PyBytes::new(py, node)).collect();
        let slots = proof.slots.iter().map(|slot| (Word(slot.value), bytes(&slot.nodes))).collect();
        Ok((proof.account.map(|account| parts(py, account)), bytes(&proof.nodes), slots))
    }

    #[pyo3(signature = (address, at = None))]
    fn account<'py>(&self, py: Python<'py>, address: AddressBytes, at: Option<AtArgument>) -> PyResult<Option<AccountParts<'py>>> {
        let (address, at) = (Address::from(address), at_of(at));
        let account = self.with(py, |ledger| {
            let Some(account) = ledger.account(&address, &at)? else { return Ok(None) };
            Ok(Some(Account { storage_root: ledger.storage_root(&address, &at)?, ..account }))
        })?;
        Ok(account.map(|account| parts(py, account)))
    }
}
