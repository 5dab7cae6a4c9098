//! The precompiled contract 0x…1002 behind W0G: it mints and burns the native token within each minter's cap.
//!
//! Sources: 0glabs/0g-geth, core/vm/wrapped_a0gi_base.go; 0gfoundation/revm, crates/precompile/src/wa0gi_base/ and journal.rs.
use super::stateful::{self, Failure, Outcome, StoredBytes, fatal};
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use revm::{
    context::{ContextTr, JournalTr},
    context_interface::journaled_state::account::JournaledAccountTr,
    interpreter::{CallInputs, InterpreterResult},
};

pub const WRAPPED_BASE: Address = address!("0000000000000000000000000000000000001002");
/// The token, the only one that may mint and burn.
pub const W0G: Address = address!("1cd0690ff9a693f5ef2dd976660a8dafc81a109c");
/// The only one that may set caps.
pub const AGENCY: Address = address!("e1a5162f99e075f8c6681ae28191ab3ac250b468");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    GetToken,
    MinterSupply,
    Mint,
    Burn,
    SetMinterCap,
}

impl stateful::Method for Method {
    fn of(selector: [u8; 4]) -> Option<Self> {
        match selector {
            [0xa9, 0x28, 0x3a, 0x7a] => Some(Self::GetToken),
            [0x95, 0x60, 0x92, 0x12] => Some(Self::MinterSupply),
            [0x40, 0xc1, 0x0f, 0x19] => Some(Self::Mint),
            [0x9d, 0xc2, 0x9f, 0xac] => Some(Self::Burn),
            [0xdd, 0xdb, 0xa6, 0xc8] => Some(Self::SetMinterCap),
            _ => None,
        }
    }

    fn gas(self) -> u64 {
        match self {
            Self::GetToken => 5_000,
            Self::MinterSupply => 10_000,
            Self::Mint | Self::Burn | Self::SetMinterCap => 100_000,
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::Mint | Self::Burn | Self::SetMinterCap)
    }
}

/// Run a call to the contract. An error means that the state could not be read.
pub fn run<CTX: ContextTr>(context: &mut CTX, inputs: &CallInputs) -> Result<InterpreterResult, String> {
    let caller = stateful::caller(inputs);
    stateful::run(context, inputs, WRAPPED_BASE, |context, method, arguments| call(context, caller, method, arguments))
}

fn call<CTX: ContextTr>(context: &mut CTX, caller: Address, method: Method, arguments: &[u8]) -> Outcome<Bytes> {
    match method {
        Method::GetToken => Ok(W0G.into_word().to_vec().into()),
        Method::MinterSupply => {
            let supply = Supply::load(context, minter(arguments)?)?;
            Ok([supply.cap, supply.initial, supply.supply].map(|amount| amount.to_be_bytes::<32>()).concat().into())
        }
        Method::Mint => mint(context, caller, minter(arguments)?, amount(arguments, 1)?),
        Method::Burn => burn(context, caller, minter(arguments)?, amount(arguments, 1)?),
        Method::SetMinterCap => set_minter_cap(context, caller, minter(arguments)?, amount(arguments, 1)?, amount(arguments, 2)?),
    }
}

fn mint<CTX: ContextTr>(context: &mut CTX, caller: Address, minter: Address, amount: U256) -> Outcome<Bytes> {
    if caller != W0G {
        return Err(Failure::Error("sender is not WA0GI"));
    }
    let mut supply = Supply::load(context, minter)?;
    let Some(grown) = supply.supply.checked_add(amount).filter(|grown| *grown <= supply.cap) else {
        return Err(Failure::Error("insufficient mint cap"));
    };
    supply.supply = grown;
    if !context.journal_mut().load_account_mut(W0G).map_err(fatal)?.data.incr_balance(amount) {
        return Err(Failure::Error("WA0GI balance overflow"));
    }
    supply.store(context, minter)
}

fn burn<CTX: ContextTr>(context: &mut CTX, caller: Address, minter: Address, amount: U256) -> Outcome<Bytes> {
    if caller != W0G {
        return Err(Failure::Error("sender is not WA0GI"));
    }
    let mut supply = Supply::load(context, minter)?;
    let Some(left) = supply.supply.checked_sub(amount) else {
        return Err(Failure::Error("insufficient mint supply"));
    };
    supply.supply = left;
    if !context.journal_mut().load_account_mut(W0G).map_err(fatal)?.data.decr_balance(amount) {
        return Err(Failure::Error("WA0GI balance insufficient"));
    }
    supply.store(context, minter)
}

fn set_minter_cap<CTX: ContextTr>(context: &mut CTX, caller: Address, minter: Address, cap: U256, initial: U256) -> Outcome<Bytes> {
    if caller != AGENCY {
        return Err(Failure::Error("sender is not agency"));
    }
    let mut supply = Supply::load(context, minter)?;
    supply.supply = if initial >= supply.initial {
        supply.supply.saturating_add(initial - supply.initial)
    } else {
        supply.supply.saturating_sub(supply.initial - initial)
    };
    (supply.cap, supply.initial) = (cap, initial);
    supply.store(context, minter)
}

// ---- arguments: as go-ethereum's accounts/abi reads them ---------------------------------------------------------------

fn word(arguments: &[u8], index: usize) -> Outcome<B256> {
    arguments.get(32 * index..32 * (index + 1)).map(B256::from_slice).ok_or(Failure::Reverted)
}

/// The first argument. What stands before the 20 bytes of an address is not looked at.
fn minter(arguments: &[u8]) -> Outcome<Address> {
    Ok(Address::from_word(word(arguments, 0)?))
}

fn amount(arguments: &[u8], index: usize) -> Outcome<U256> {
    Ok(word(arguments, index)?.into())
}

// ---- storage -----------------------------------------------------------------------------------------------------------

/// What one minter may mint and has minted, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Supply {
    cap: U256,
    initial: U256,
    supply: U256,
}

const NAMES: [&str; 3] = ["Cap", "InitialSupply", "Supply"];
/// Longest encoding: the names, and three numbers of at most 78 digits.
const SUPPLY_BYTES_MAX: usize = 1 + (1 + 3) + (1 + 13) + (1 + 6) + 3 * (2 + 78);

impl Supply {
    fn load<CTX: ContextTr>(context: &mut CTX, minter: Address) -> Outcome<Self> {
        let encoded = stored(minter).load(context, SUPPLY_BYTES_MAX)?;
        if encoded.is_empty() { Ok(Self::default()) } else { Self::decode(&encoded).ok_or(Failure::Error("the supply cannot be read")) }
    }

    fn store<CTX: ContextTr>(self, context: &mut CTX, minter: Address) -> Outcome<Bytes> {
        stored(minter).store(context, &self.encode())?;
        Ok(Bytes::new())
    }

    /// MessagePack: a map by the names of the fields; each number is a byte string of its decimal digits.
    fn encode(self) -> Vec<u8> {
        let mut out = vec![0x80 | NAMES.len() as u8];
        for (name, number) in NAMES.into_iter().zip([self.cap, self.initial, self.supply]) {
            let digits = number.to_string();
            out.push(0xa0 | name.len() as u8);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&[0xc4, digits.len() as u8]);
            out.extend_from_slice(digits.as_bytes());
        }
        out
    }

    fn decode(encoded: &[u8]) -> Option<Self> {
        let mut rest = encoded.strip_prefix(&[0x80 | NAMES.len() as u8])?;
        let mut numbers = [U256::ZERO; 3];
        for (name, number) in NAMES.into_iter().zip(&mut numbers) {
            rest = rest.strip_prefix(&[0xa0 | name.len() as u8])?.strip_prefix(name.as_bytes())?.strip_prefix(&[0xc4])?;
            let (length, after) = rest.split_first()?;
            let (digits, after) = after.split_at_checked(usize::from(*length))?;
            *number = U256::from_str_radix(std::str::from_utf8(digits).ok()?, 10).ok()?;
            rest = after;
        }
        let [cap, initial, supply] = numbers;
        rest.is_empty().then_some(Self { cap, initial, supply })
    }
}

fn stored(minter: Address) -> StoredBytes {
    StoredBytes::new(WRAPPED_BASE, keccak256([&[0], minter.as_slice()].concat()))
}

#[cfg(test)]
mod tests {
    use super::{stateful::Method as _, *};
    use alloy_primitives::hex;

    /// Source of the bytes: 0gfoundation/revm, crates/precompile/src/wa0gi_base/types.rs (test_supply).
    #[test]
    fn a_supply_is_encoded_as_the_reference_does() {
        let ether = |tenths: u64| U256::from(tenths) * U256::from(10).pow(U256::from(17));
        let supply = Supply { cap: ether(10), initial: ether(5), supply: ether(5) };
        let encoded = hex!(
            "83a3436170c41331303030303030303030303030303030303030ad496e697469616c537570706c79c412353030303030303030303030303030303030"
            "a6537570706c79c412353030303030303030303030303030303030"
        );
        assert_eq!(supply.encode(), encoded);
        assert_eq!(Supply::decode(&encoded), Some(supply));
        assert_eq!(Supply::default().encode(), hex!("83a3436170c40130ad496e697469616c537570706c79c40130a6537570706c79c40130"));
    }

    #[test]
    fn the_largest_supply_fits_the_limit_and_damage_is_noticed() {
        let supply = Supply { cap: U256::MAX, initial: U256::MAX, supply: U256::MAX };
        let encoded = supply.encode();
        assert_eq!(encoded.len(), SUPPLY_BYTES_MAX);
        assert_eq!(Supply::decode(&encoded), Some(supply));
        for length in 0..encoded.len() {
            assert_eq!(Supply::decode(&encoded[..length]), None);
        }
    }

    #[test]
    fn arguments_that_are_too_short_revert() {
        assert_eq!(minter(&[0; 31]), Err(Failure::Reverted));
        assert_eq!(amount(&[0; 63], 1), Err(Failure::Reverted));
        assert_eq!(minter(&[0xff; 32]), Ok(Address::repeat_byte(0xff)));
    }

    #[test]
    fn selectors_are_the_hashes_of_the_signatures() {
        for (signature, method) in [
            ("getWA0GI()", Method::GetToken),
            ("minterSupply(address)", Method::MinterSupply),
            ("mint(address,uint256)", Method::Mint),
            ("burn(address,uint256)", Method::Burn),
            ("setMinterCap(address,uint256,uint256)", Method::SetMinterCap),
        ] {
            let hash = keccak256(signature);
            assert_eq!(Method::of([hash[0], hash[1], hash[2], hash[3]]), Some(method), "{signature}");
        }
    }
}
