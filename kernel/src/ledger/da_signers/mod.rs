//! The precompiled contract 0x…1000, DASigners: who signs for DA, with which key, and which rows of a blob each of them keeps in an epoch.
//!
//! Sources: 0glabs/0g-geth, core/vm/dasigners.go and core/vm/precompiles/dasigners/; 0gfoundation/revm, crates/precompile/src/da_signers.rs.
//! It adds to them: points are checked (on the curve, in the group, not at infinity), and a call's work is bounded whatever it asks for.
mod arguments;
mod calls;
mod layout;
mod packed;
mod quorum;
mod results;

use super::stateful;
use alloy_primitives::{Address, address};
use calls::Signers;
use revm::{
    context::{ContextTr, Transaction},
    interpreter::{CallInputs, InterpreterResult},
};
use std::num::NonZeroU64;

pub const DA_SIGNERS: Address = address!("0000000000000000000000000000000000001000");
/// The contract that alone may register signers; it weighs their votes.
const REGISTRY: Address = address!("20f30b2584f3096ea0d6c18c3b5cacc0585e12fc");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Params,
    EpochNumber,
    QuorumCount,
    IsSigner,
    GetSigner,
    GetQuorum,
    GetQuorumRow,
    RegisteredEpoch,
    GetAggregate,
    RegisterSigner,
    RegisterNextEpoch,
    UpdateSocket,
    MakeEpoch,
}

impl stateful::Method for Method {
    fn of(selector: [u8; 4]) -> Option<Self> {
        match selector {
            [0xcf, 0xf0, 0xab, 0x96] => Some(Self::Params),
            [0xf4, 0x14, 0x5a, 0x83] => Some(Self::EpochNumber),
            [0x5e, 0xcb, 0xa5, 0x03] => Some(Self::QuorumCount),
            [0x7d, 0xf7, 0x3e, 0x27] => Some(Self::IsSigner),
            [0xd1, 0xf5, 0xe5, 0xf8] => Some(Self::GetSigner),
            [0x6a, 0xb6, 0xf6, 0x54] => Some(Self::GetQuorum),
            [0xfa, 0x6f, 0xcb, 0xa6] => Some(Self::GetQuorumRow),
            [0x6c, 0x9e, 0x56, 0x0c] => Some(Self::RegisteredEpoch),
            [0x50, 0xb7, 0x37, 0x39] => Some(Self::GetAggregate),
            [0x7c, 0xa4, 0xdd, 0x5e] => Some(Self::RegisterSigner),
            [0x0f, 0x62, 0xbd, 0xa5] => Some(Self::RegisterNextEpoch),
            [0x0c, 0xf4, 0xb7, 0x67] => Some(Self::UpdateSocket),
            [0x5a, 0x88, 0x9f, 0x0c] => Some(Self::MakeEpoch),
            _ => None,
        }
    }

    fn gas(self) -> u64 {
        match self {
            Self::Params | Self::EpochNumber | Self::QuorumCount => 1_000,
            Self::IsSigner | Self::GetQuorumRow | Self::RegisteredEpoch => 10_000,
            Self::UpdateSocket => 50_000,
            Self::GetSigner | Self::GetQuorum | Self::RegisterSigner | Self::RegisterNextEpoch | Self::MakeEpoch => 100_000,
            Self::GetAggregate => 1_000_000,
        }
    }

    /// An epoch can be made by a static call, too: the reference has it so.
    fn writes(self) -> bool {
        matches!(self, Self::RegisterSigner | Self::RegisterNextEpoch | Self::UpdateSocket)
    }
}

/// Run a call to the contract on a chain whose epochs of DA last at least so many blocks. An error means that the state could not be read.
pub fn run<CTX: ContextTr>(context: &mut CTX, inputs: &CallInputs, epoch_blocks: NonZeroU64) -> Result<InterpreterResult, String> {
    let (caller, origin) = (stateful::caller(inputs), context.tx().caller());
    stateful::run(context, inputs, DA_SIGNERS, |context, method, arguments| {
        Signers { context, caller, origin, epoch_blocks }.call(method, arguments)
    })
}

#[cfg(test)]
mod tests {
    use super::{stateful::Method as _, *};
    use alloy_primitives::keccak256;

    #[test]
    fn selectors_are_the_hashes_of_the_signatures() {
        for (signature, method) in [
            ("params()", Method::Params),
            ("epochNumber()", Method::EpochNumber),
            ("quorumCount(uint256)", Method::QuorumCount),
            ("isSigner(address)", Method::IsSigner),
            ("getSigner(address[])", Method::GetSigner),
            ("getQuorum(uint256,uint256)", Method::GetQuorum),
            ("getQuorumRow(uint256,uint256,uint32)", Method::GetQuorumRow),
            ("registeredEpoch(address,uint256)", Method::RegisteredEpoch),
            ("getAggPkG1(uint256,uint256,bytes)", Method::GetAggregate),
            ("registerSigner((address,string,(uint256,uint256),(uint256[2],uint256[2])),(uint256,uint256))", Method::RegisterSigner),
            ("registerNextEpoch(address,(uint256,uint256),uint256)", Method::RegisterNextEpoch),
            ("updateSocket(string)", Method::UpdateSocket),
            ("makeEpoch()", Method::MakeEpoch),
        ] {
            let hash = keccak256(signature);
            assert_eq!(Method::of([hash[0], hash[1], hash[2], hash[3]]), Some(method), "{signature}");
        }
    }
}
