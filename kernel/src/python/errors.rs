//! The exceptions that the kernel raises, and which Rust error becomes which.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::crypto::CryptoError;
use crate::transaction::TransactionError;

create_exception!(zerog._kernel, ZerogError, PyException, "Root of every expected failure in zerog; anything else is a bug.");
create_exception!(
    zerog._kernel,
    DecodeError,
    ZerogError,
    "Bytes or JSON that are not what they should be (RLP, a transaction, ABI data, typed data, a genesis)."
);
create_exception!(
    zerog._kernel,
    SignatureError,
    ZerogError,
    "A signature from which no key can be recovered, or one with a high `s` (EIP-2)."
);
create_exception!(
    zerog._kernel,
    LedgerCorruptError,
    ZerogError,
    "The files of the ledger were damaged in a way that a crash cannot explain."
);
create_exception!(zerog._kernel, LedgerOldFormatError, ZerogError, "The ledger was written by an older version, in another form.");
create_exception!(
    zerog._kernel,
    LedgerFailedError,
    ZerogError,
    "A write to disk failed: the ledger accepts no more changes until it is opened again."
);
create_exception!(zerog._kernel, LedgerBusyError, ZerogError, "Another process has this ledger open.");
create_exception!(
    zerog._kernel,
    GenesisMismatchError,
    ZerogError,
    "The ledger in this folder began from another genesis. `args` = (kept hash hex, given hash hex)."
);
create_exception!(zerog._kernel, UnknownBlockError, ZerogError, "No such block in this ledger.");
create_exception!(
    zerog._kernel,
    StateNotKeptError,
    ZerogError,
    "The state of that block is older than the history that this ledger keeps."
);
create_exception!(
    zerog._kernel,
    TraceRefusedError,
    ZerogError,
    "A trace that cannot be given. `args` = (kind, message, the `Rejection` of a call that could not begin or `None`)."
);
create_exception!(
    zerog._kernel,
    BlockRefusedError,
    ZerogError,
    "A block of others that breaks the rules, or is not what executing it gives. `args` = (number, hash hex, what is wrong)."
);
create_exception!(
    zerog._kernel,
    FlowRefusedError,
    ZerogError,
    "A submission, a checkpoint or a question that does not fit the flow as it is."
);
create_exception!(
    zerog._kernel,
    SealBrokenError,
    ZerogError,
    "A sealed block that is not what was encrypted, or stands in another place. `args` = (index of the block,)."
);
create_exception!(
    zerog._kernel,
    ModelRefusedError,
    ZerogError,
    "A model file that is not used, or a request to it that is not fulfilled. `args` = (code, what is wrong, what to do)."
);
create_exception!(
    zerog._kernel,
    PointError,
    ZerogError,
    "Bytes that are no point of BN254's groups: not canonical, not on the curve, or outside the group."
);
create_exception!(zerog._kernel, SetupError, ZerogError, "A setup of DA that cannot be used, or not for this.");
create_exception!(zerog._kernel, BlobSizeError, ZerogError, "A blob that is longer than DA takes.");
create_exception!(
    zerog._kernel,
    SliceError,
    ZerogError,
    "A slice that is none, or whose claims do not hold. `position` says which one of those that were checked."
);
create_exception!(zerog._kernel, RecoveryError, ZerogError, "Rows that do not give a blob: too few, malformed, or not of one.");
create_exception!(zerog._kernel, DecoderFullError, ZerogError, "All slots of a decoder are taken. `args` = (slots,).");

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("ZerogError", py.get_type::<ZerogError>())?;
    module.add("DecodeError", py.get_type::<DecodeError>())?;
    module.add("SignatureError", py.get_type::<SignatureError>())?;
    module.add("LedgerCorruptError", py.get_type::<LedgerCorruptError>())?;
    module.add("LedgerOldFormatError", py.get_type::<LedgerOldFormatError>())?;
    module.add("LedgerFailedError", py.get_type::<LedgerFailedError>())?;
    module.add("LedgerBusyError", py.get_type::<LedgerBusyError>())?;
    module.add("GenesisMismatchError", py.get_type::<GenesisMismatchError>())?;
    module.add("UnknownBlockError", py.get_type::<UnknownBlockError>())?;
    module.add("TraceRefusedError", py.get_type::<TraceRefusedError>())?;
    module.add("StateNotKeptError", py.get_type::<StateNotKeptError>())?;
    module.add("SealBrokenError", py.get_type::<SealBrokenError>())?;
    module.add("FlowRefusedError", py.get_type::<FlowRefusedError>())?;
    module.add("SetupError", py.get_type::<SetupError>())?;
    module.add("BlobSizeError", py.get_type::<BlobSizeError>())?;
    module.add("RecoveryError", py.get_type::<RecoveryError>())?;
    // A plain value of the type, which each error's own hides.
    py.get_type::<SliceError>().setattr("position", 0)?;
    module.add("SliceError", py.get_type::<SliceError>())?;
    module.add("PointError", py.get_type::<PointError>())?;
    module.add("DecoderFullError", py.get_type::<DecoderFullError>())?;
    module.add("ModelRefusedError", py.get_type::<ModelRefusedError>())?;
    module.add("BlockRefusedError", py.get_type::<BlockRefusedError>())
}

impl From<CryptoError> for PyErr {
    fn from(error: CryptoError) -> Self {
        SignatureError::new_err(error.to_string())
    }
}

impl From<TransactionError> for PyErr {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Signature(detail) => SignatureError::new_err(detail),
            other => DecodeError::new_err(other.to_string()),
        }
    }
}
