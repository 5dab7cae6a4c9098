//! What the contract's methods do. Source of the rules, their order and the reasons: 0glabs/0g-geth, core/vm/dasigners.go.
use super::{
    DA_SIGNERS, Method, REGISTRY,
    arguments::Arguments,
    layout,
    packed::{SIGNER_BYTES_MAX, SOCKET_BYTES_MAX, Signer, pack_quorum, place_of_row, quorum_bytes, rows_of, unpack_quorum, unpack_row},
    quorum::{QUORUMS_MAX, ROWS, Registration, VOTES_MAX, quorums},
    results,
};
use crate::ledger::stateful::{Failure, Outcome, StoredBytes, give_code, load_word, store_word};
use alloy_primitives::{
    Address, B256, Bytes, Log, U256, b256, keccak256,
    map::{AddressMap, AddressSet},
};
use revm::context::{Block, Cfg, ContextTr, JournalTr};
use std::num::NonZeroU64;
use zerog_amt::{
    bls::{self, PublicKey},
    curve::{self, G1_BYTES},
};

/// `NewSigner(address,(uint256,uint256),(uint256[2],uint256[2]))`.
const NEW_SIGNER: B256 = b256!("679917c2006df1daaa987a56bf1d66e99764d5ad317892d9e83a6eb4e3f051e7");
/// `SocketUpdated(address,string)`.
const SOCKET_UPDATED: B256 = b256!("09617a966176a40f8f1410768b118506db0096484acd5811064fcc12038798de");
/// Ends the message with which a signer proves that it has its key.
const REGISTRATION_DOMAIN: &[u8] = b"0G_BN254_Pubkey_Registration";
/// Tokens behind a vote; only told, the registry weighs votes.
const TOKENS_PER_VOTE: u64 = 30;
/// Signers that are told in one call: no quorum has more. The reference has no limit.
const SIGNERS_TOLD_MAX: usize = ROWS;
/// Registrations of an epoch that are looked at, in their order. The reference has no limit.
const REGISTRATIONS_MAX: u64 = 1 << 18;

/// The contract in a call.
pub struct Signers<'a, CTX> {
    pub context: &'a mut CTX,
    pub caller: Address,
    /// Who signed the transaction.
    pub origin: Address,
    pub epoch_blocks: NonZeroU64,
}

impl<CTX: ContextTr> Signers<'_, CTX> {
    pub fn call(&mut self, method: Method, data: &[u8]) -> Outcome<Bytes> {
        let arguments = Arguments(data);
        match method {
            Method::Params => Ok(self.params()),
            Method::EpochNumber => Ok(results::words(&[U256::from(self.epoch_number()?)])),
            Method::QuorumCount => Ok(results::words(&[U256::from(self.quorum_count(arguments.low_number(0)?)?)])),
            Method::IsSigner => Ok(results::flag(self.is_signer(arguments.address(0)?)?)),
            Method::GetSigner => self.signers(&arguments.addresses(0)?),
            Method::GetQuorum => Ok(results::addresses(&self.quorum(arguments.low_number(0)?, arguments.low_number(1)?)?)),
            Method::GetQuorumRow => {
                self.quorum_row(arguments.low_number(0)?, arguments.low_number(1)?, arguments.small_number(2)?).map(results::address)
            }
            Method::RegisteredEpoch => {
                let (account, epoch) = (arguments.address(0)?, arguments.low_number(1)?);
                Ok(results::flag(!self.registration(epoch, account)?.is_zero()))
            }
            Method::GetAggregate => self.aggregate(arguments.low_number(0)?, arguments.low_number(1)?, arguments.bytes(2)?),
            Method::RegisterSigner => self.register_signer(arguments.signer(0)?, arguments.point(1)?),
            Method::RegisterNextEpoch => self.register_next_epoch(arguments.address(0)?, arguments.point(1)?, arguments.number(3)?),
            Method::UpdateSocket => self.update_socket(arguments.bytes(0)?),
            Method::MakeEpoch => self.make_epoch(),
        }
    }

    fn params(&self) -> Bytes {
        let numbers = [TOKENS_PER_VOTE, VOTES_MAX, QUORUMS_MAX as u64, self.epoch_blocks.get(), ROWS as u64];
        results::words(&numbers.map(U256::from))
    }

    // ---- state -----------------------------------------------------------------------------------------------------

    fn load(&mut self, slot: B256) -> Outcome<U256> {
        load_word(self.context, DA_SIGNERS, slot)
    }

    fn load_low(&mut self, slot: B256) -> Outcome<u64> {
        Ok(self.load(slot)?.as_limbs()[0])
    }

    fn store(&mut self, slot: B256, value: impl Into<U256>) -> Outcome<()> {
        store_word(self.context, DA_SIGNERS, slot, value.into())
    }

    fn epoch_number(&mut self) -> Outcome<u64> {
        self.load_low(layout::epoch_number())
    }

    /// 0 for an epoch that was not made.
    fn quorum_count(&mut self, epoch: u64) -> Outcome<u64> {
        self.load_low(layout::quorum_count(epoch))
    }

    fn registration(&mut self, epoch: u64, account: Address) -> Outcome<U256> {
        self.load(layout::registration(epoch, account))
    }

    fn is_signer(&mut self, account: Address) -> Outcome<bool> {
        Ok(layout::signer(account).length(self.context, SIGNER_BYTES_MAX)? > 0)
    }

    fn signer(&mut self, account: Address) -> Outcome<Signer> {
        let packed = layout::signer(account).load(self.context, SIGNER_BYTES_MAX)?;
        if packed.is_empty() {
            return Err(Failure::Error("signer not found"));
        }
        Signer::unpack(&packed).ok_or(Failure::Error("the signer cannot be read"))
    }

    fn store_signer(&mut self, signer: &Signer) -> Outcome<()> {
        layout::signer(signer.account).store(self.context, &signer.pack())
    }

    fn stored_quorum(&mut self, epoch: u64, quorum: u64) -> Outcome<StoredBytes> {
        if self.quorum_count(epoch)? <= quorum {
            return Err(Failure::Error("quorum id out of bound"));
        }
        if self.epoch_number()? < epoch {
            return Err(Failure::Error("epoch out of bound"));
        }
        Ok(layout::quorum(epoch, quorum))
    }

    // ---- questions -------------------------------------------------------------------------------------------------

    fn signers(&mut self, accounts: &[Address]) -> Outcome<Bytes> {
        if accounts.len() > SIGNERS_TOLD_MAX {
            return Err(Failure::Error("too many signers asked for"));
        }
        // Each is read once, however often it is asked for.
        let mut known: AddressMap<Signer> = AddressMap::default();
        for account in accounts {
            if !known.contains_key(account) {
                known.insert(*account, self.signer(*account)?);
            }
        }
        let signers: Vec<&Signer> = accounts.iter().map(|account| &known[account]).collect();
        Ok(results::signers(&signers))
    }

    fn quorum(&mut self, epoch: u64, quorum: u64) -> Outcome<Vec<Address>> {
        let packed = self.stored_quorum(epoch, quorum)?.load(self.context, quorum_bytes(ROWS))?;
        unpack_quorum(&packed).ok_or(Failure::Error("the quorum cannot be read"))
    }

    /// Only the words are read in which the row lies.
    fn quorum_row(&mut self, epoch: u64, quorum: u64, row: u32) -> Outcome<Address> {
        let stored = self.stored_quorum(epoch, quorum)?;
        let (rows, row) = (rows_of(stored.length(self.context, quorum_bytes(ROWS))?), row as usize);
        if row >= rows {
            return Err(Failure::Error("row id out of bound"));
        }
        let (start, end) = place_of_row(rows, row);
        let words = stored.words(self.context, start, end)?;
        unpack_row(&words[start % 32..start % 32 + end - start]).ok_or(Failure::Error("the quorum cannot be read"))
    }

    /// The sum of the keys of those who signed. The bit of a signer's first row that is set stands for all its rows from there on, and
    /// only for them: rows before it are not counted.
    fn aggregate(&mut self, epoch: u64, quorum: u64, bitmap: &[u8]) -> Outcome<Bytes> {
        let quorum = self.quorum(epoch, quorum)?;
        if quorum.len().div_ceil(8) != bitmap.len() {
            return Err(Failure::Error("quorum bitmap length mismatch"));
        }
        let (mut added, mut keys, mut hit) = (AddressSet::default(), Vec::new(), 0u64);
        for (row, account) in quorum.iter().enumerate() {
            let is_added = added.contains(account);
            if !is_added && bitmap[row / 8] >> (row % 8) & 1 == 0 {
                continue;
            }
            hit += 1;
            if !is_added {
                added.insert(*account);
                keys.push(curve::from_words(&self.signer(*account)?.key_g1).map_err(|_| Failure::Error("the signer cannot be read"))?);
            }
        }
        let sum = curve::to_words(&bls::sum_g1(&keys));
        Ok([sum.as_slice(), &results::words(&[U256::from(quorum.len()), U256::from(hit)])].concat().into())
    }

    // ---- signers ---------------------------------------------------------------------------------------------------

    fn register_signer(&mut self, signer: Signer, signature: [u8; G1_BYTES]) -> Outcome<Bytes> {
        if self.caller != REGISTRY {
            return Err(Failure::Error("sender not registry"));
        }
        check_socket(&signer.socket)?;
        if self.is_signer(signer.account)? {
            return Err(Failure::Error("signer exists"));
        }
        let chain_id = self.chain_id();
        check_signature(&signer, &signature, &[signer.account.as_slice(), &chain_id, REGISTRATION_DOMAIN].concat())?;
        self.store_signer(&signer)?;
        let key = [signer.key_g1.as_slice(), &signer.key_g2].concat();
        self.emit(NEW_SIGNER, signer.account, key.into());
        self.emit(SOCKET_UPDATED, signer.account, results::text(&signer.socket));
        Ok(Bytes::new())
    }

    fn update_socket(&mut self, socket: &[u8]) -> Outcome<Bytes> {
        if self.caller != self.origin {
            return Err(Failure::Error("sender not origin"));
        }
        check_socket(socket)?;
        let signer = Signer { socket: socket.to_vec(), ..self.signer(self.caller)? };
        self.store_signer(&signer)?;
        self.emit(SOCKET_UPDATED, signer.account, results::text(socket));
        Ok(Bytes::new())
    }

    // ---- epochs ----------------------------------------------------------------------------------------------------

    /// The first registration for an epoch holds; another one changes nothing.
    fn register_next_epoch(&mut self, account: Address, signature: [u8; G1_BYTES], votes: U256) -> Outcome<Bytes> {
        if self.caller != REGISTRY {
            return Err(Failure::Error("sender not registry"));
        }
        let signer = self.signer(account)?;
        let epoch = self.epoch_number()?.wrapping_add(1);
        let chain_id = self.chain_id();
        check_signature(&signer, &signature, &[account.as_slice(), &epoch.to_be_bytes(), &chain_id].concat())?;
        if !self.registration(epoch, account)?.is_zero() {
            return Ok(Bytes::new());
        }
        let index = self.load_low(layout::registration_count(epoch))?;
        self.store(layout::registration(epoch, account), keccak256(signature))?;
        self.store(layout::votes(epoch, account), votes)?;
        self.store(layout::registration_count(epoch), U256::from(index.wrapping_add(1)))?;
        self.store(layout::registered_signer(epoch, index), account.into_word())?;
        Ok(Bytes::new())
    }

    /// Nothing happens before the epoch has lasted long enough. The first one is made at once.
    fn make_epoch(&mut self) -> Outcome<Bytes> {
        let epoch = self.epoch_number()?;
        let (begun, height) = (self.load_low(layout::epoch_block(epoch))?, self.context.block().number().as_limbs()[0]);
        if begun > 0 && height < begun.saturating_add(self.epoch_blocks.get()) {
            return Ok(Bytes::new());
        }
        let next = epoch.wrapping_add(1);
        let registrations = self.registrations(next)?;
        let quorums = quorums(&registrations);
        // A static call may come here before any other has given the account its code.
        give_code(self.context, DA_SIGNERS)?;
        for (id, quorum) in (0u64..).zip(quorums.iter()) {
            layout::quorum(next, id).store(self.context, &pack_quorum(quorum))?;
        }
        self.store(layout::quorum_count(next), U256::from(quorums.len()))?;
        self.store(layout::epoch_number(), U256::from(next))?;
        self.store(layout::epoch_block(next), U256::from(height))?;
        Ok(Bytes::new())
    }

    fn registrations(&mut self, epoch: u64) -> Outcome<Vec<Registration>> {
        let count = self.load_low(layout::registration_count(epoch))?.min(REGISTRATIONS_MAX);
        (0..count)
            .map(|index| {
                let account = Address::from_word(self.load(layout::registered_signer(epoch, index))?.into());
                let seed = self.registration(epoch, account)?.into();
                // The reference takes the low 64 bits as a number with a sign.
                let votes = self.load_low(layout::votes(epoch, account))?.cast_signed().max(0).cast_unsigned();
                Ok(Registration { account, seed, votes })
            })
            .collect()
    }

    // ---- what both need --------------------------------------------------------------------------------------------

    fn chain_id(&self) -> [u8; 32] {
        U256::from(self.context.cfg().chain_id()).to_be_bytes()
    }

    fn emit(&mut self, topic: B256, signer: Address, data: Bytes) {
        self.context.journal_mut().log(Log::new_unchecked(DA_SIGNERS, vec![topic, signer.into_word()], data));
    }
}

fn check_socket(socket: &[u8]) -> Outcome<()> {
    if socket.len() > SOCKET_BYTES_MAX { Err(Failure::Error("socket too long")) } else { Ok(()) }
}

/// Points that are none, of the signature or of the key, are refused like a signature that does not fit.
fn check_signature(signer: &Signer, signature: &[u8; G1_BYTES], message: &[u8]) -> Outcome<()> {
    let invalid = Failure::Error("invalid signature");
    let (Ok(key), Ok(signature)) = (PublicKey::from_words(&signer.key_g1, &signer.key_g2), curve::from_words(signature)) else {
        return Err(invalid);
    };
    let hash = bls::hash_to_g1(&keccak256(message).0);
    let challenge = keccak256(bls::transcript(&hash, &signature, &key));
    if bls::is_bound(&hash, &signature, &key, &challenge.0) { Ok(()) } else { Err(invalid) }
}
