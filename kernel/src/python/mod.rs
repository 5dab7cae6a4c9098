//! The one place that knows PyO3: it converts arguments and results, and nothing else. The typed face is `zerog/_kernel.pyi`.

mod abi;
mod amt;
mod basics;
mod bls;
mod buffer;
mod call;
mod cipher;
mod convert;
mod decoder;
mod errors;
#[cfg(unix)]
mod front;
mod hpke;
mod import;
mod ledger;
mod merkle;
mod mining;
mod model;
mod parameters;
mod pool;
#[cfg(unix)]
mod pora;
mod proof;
mod raw;
mod rejection;
mod simulate;
mod trace;
mod transaction;

use pyo3::prelude::*;

#[pymodule]
fn _kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::register(module)?;
    basics::register(module)?;
    amt::register(module)?;
    bls::register(module)?;
    merkle::register(module)?;
    cipher::register(module)?;
    hpke::register(module)?;
    abi::register(module)?;
    transaction::register(module)?;
    pool::register(module)?;
    call::register(module)?;
    simulate::register(module)?;
    ledger::register(module)?;
    model::register(module)?;
    decoder::register(module)?;
    #[cfg(unix)]
    front::register(module)?;
    #[cfg(unix)]
    pora::register(module)?;
    Ok(())
}
