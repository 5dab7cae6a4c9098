//! Blocks of others for Python, and our own with the edits that belong to them.

use pyo3::{exceptions::PyValueError, prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use super::ledger::{BlockArgument, PyBlockSummary, PyLedger};
use crate::ledger::{self, ForeignBlock, Origin};

#[pymethods]
impl PyLedger {
    #[pyo3(
        signature = (blocks, *, edits = vec![], developer = false),
        text_signature = "($self, blocks, *, edits=(), developer=False)"
    )]
    fn import_blocks(
        &self,
        py: Python<'_>,
        blocks: Vec<PyBackedBytes>,
        edits: Vec<PyBackedBytes>,
        developer: bool,
    ) -> PyResult<Vec<PyBlockSummary>> {
        if !edits.is_empty() && edits.len() != blocks.len() {
            return Err(PyValueError::new_err(format!("{} edits for {} blocks", edits.len(), blocks.len())));
        }
        let origin = if developer { Origin::Developer } else { Origin::Network };
        let imported = self.with(py, |ledger| {
            let given = blocks.iter().enumerate().map(|(index, rlp)| {
                let edits = edits.get(index).map_or(Ok(vec![]), |edits| ledger::decode_edits(edits))?;
                Ok(ForeignBlock { rlp, edits })
            });
            ledger.import_blocks(given.collect::<Result<_, ledger::LedgerError>>()?, origin)
        })?;
        Ok(imported.into_iter().map(PyBlockSummary).collect())
    }

    fn block_with_edits<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let found = self.with(py, |ledger| {
            let Some(block) = ledger.block(BlockArgument::Number(number).into())? else { return Ok(None) };
            Ok(Some((ledger::raw_block(&block), ledger::encode_edits(&ledger.edits_before(number)?))))
        })?;
        Ok(found.map(|(block, edits)| (PyBytes::new(py, &block), PyBytes::new(py, &edits))))
    }
}
