//! Messages sealed to a public key, in order: HPKE in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305.
//! Nothing here has dice: what a key pair is made from is an argument. Source: RFC 9180.

use core::convert::Infallible;

use ::hpke::aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305};
use ::hpke::kdf::HkdfSha256;
use ::hpke::kem::X25519HkdfSha256;
use ::hpke::rand_core::{TryCryptoRng, TryRng};
use ::hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng};
use thiserror::Error;

/// A key of X25519, also what goes out instead of a sender's one.
pub const KEY_BYTES: usize = 32;
pub const TAG_BYTES: usize = 16;
/// What RFC 9180 lets be written before a context's `info`, from two bytes of length.
const INFO_BYTES_MAX: usize = u16::MAX as usize - 64;
/// RFC 5869: at most 255 times what the hash gives.
const EXPORTED_BYTES_MAX: usize = 255 * 32;

pub type Key = [u8; KEY_BYTES];
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncapsulatedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HpkeError {
    #[error("this public key leads to a secret that everybody knows")]
    WeakKey,
    #[error("the info of a context has at most {INFO_BYTES_MAX} bytes")]
    LongInfo,
    #[error("at most {EXPORTED_BYTES_MAX} bytes can be exported")]
    LongExport,
    /// Changed, sealed to somebody else, with other data beside it, or not the next one.
    #[error("message {sequence} is not what was sealed")]
    Broken { sequence: u64 },
    #[error("a context seals no more messages")]
    Exhausted,
}

/// Gives what it was made from once: the crate asks its dice for the seed of one key pair.
struct Seed(Key);

impl TryRng for Seed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, output: &mut [u8]) -> Result<(), Infallible> {
        for (target, byte) in output.iter_mut().zip(&self.0) {
            *target = *byte;
        }
        Ok(())
    }
}

impl TryCryptoRng for Seed {}

/// The private and the public key that come from 32 random bytes (RFC 9180, 7.1.3).
pub fn key_pair(seed: &Key) -> (Key, Key) {
    let (private_key, public_key) = X25519HkdfSha256::derive_keypair(seed);
    (private_key.to_bytes().into(), public_key.to_bytes().into())
}

/// The public key of a private one. Any 32 bytes are one (RFC 7748).
pub fn public_key_of(private_key: &Key) -> Result<Key, HpkeError> {
    let private_key = PrivateKey::from_bytes(private_key).map_err(|_| HpkeError::WeakKey)?;
    Ok(X25519HkdfSha256::sk_to_pk(&private_key).to_bytes().into())
}

/// The side that seals.
pub struct Sender {
    context: AeadCtxS<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>,
    encapsulated: Key,
    sealed: u64,
}

impl Sender {
    /// `seed`: 32 random bytes that are used for nothing else.
    pub fn new(public_key: &Key, info: &[u8], seed: &Key) -> Result<Self, HpkeError> {
        check_info(info)?;
        let public_key = PublicKey::from_bytes(public_key).map_err(|_| HpkeError::WeakKey)?;
        let (encapsulated, context) =
            setup_sender_with_rng(&OpModeS::Base, &public_key, info, &mut Seed(*seed)).map_err(|_| HpkeError::WeakKey)?;
        Ok(Self { context, encapsulated: encapsulated.to_bytes().into(), sealed: 0 })
    }

    /// What the receiver needs besides its own key.
    pub fn encapsulated(&self) -> Key {
        self.encapsulated
    }

    pub fn seal(&mut self, plain: &[u8], beside: &[u8]) -> Result<Vec<u8>, HpkeError> {
        let sealed = self.context.seal(plain, beside).map_err(|_| HpkeError::Exhausted)?;
        self.sealed += 1;
        Ok(sealed)
    }

    /// Fill `output` with a secret that both sides have.
    pub fn export(&self, about: &[u8], output: &mut [u8]) -> Result<(), HpkeError> {
        self.context.export(about, output).map_err(|_| HpkeError::LongExport)
    }
}

/// The side that opens.
pub struct Receiver {
    context: AeadCtxR<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>,
    opened: u64,
}

impl Receiver {
    pub fn new(private_key: &Key, encapsulated: &Key, info: &[u8]) -> Result<Self, HpkeError> {
        check_info(info)?;
        let private_key = PrivateKey::from_bytes(private_key).map_err(|_| HpkeError::WeakKey)?;
        let encapsulated = EncapsulatedKey::from_bytes(encapsulated).map_err(|_| HpkeError::WeakKey)?;
        let context = setup_receiver(&OpModeR::Base, &private_key, &encapsulated, info).map_err(|_| HpkeError::WeakKey)?;
        Ok(Self { context, opened: 0 })
    }

    /// The next message. One that cannot be opened does not count, so that a better one may come in its place.
    pub fn open(&mut self, sealed: &[u8], beside: &[u8]) -> Result<Vec<u8>, HpkeError> {
        let plain = self.context.open(sealed, beside).map_err(|_| HpkeError::Broken { sequence: self.opened })?;
        self.opened += 1;
        Ok(plain)
    }

    /// As the sender's.
    pub fn export(&self, about: &[u8], output: &mut [u8]) -> Result<(), HpkeError> {
        self.context.export(about, output).map_err(|_| HpkeError::LongExport)
    }
}

fn check_info(info: &[u8]) -> Result<(), HpkeError> {
    if info.len() > INFO_BYTES_MAX { Err(HpkeError::LongInfo) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn key(text: &str) -> Key {
        bytes(text).try_into().unwrap()
    }

    // RFC 9180, A.2.1.
    const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
    const SENDER_SEED: &str = "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b";
    const ENCAPSULATED: &str = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
    const RECEIVER_SEED: &str = "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df";
    const RECEIVER_PUBLIC: &str = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a";
    const RECEIVER_PRIVATE: &str = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
    const PLAIN: &str = "4265617574792069732074727574682c20747275746820626561757479";
    const SEALED: [(u64, &str); 4] = [
        (0, "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"),
        (1, "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c"),
        (2, "71146bd6795ccc9c49ce25dda112a48f202ad220559502cef1f34271e0cb4b02b4f10ecac6f48c32f878fae86b"),
        (4, "63357a2aa291f5a4e5f27db6baa2af8cf77427c7c1a909e0b37214dd47db122bb153495ff0b02e9e54a50dbe16"),
    ];
    const EXPORTED: [(&str, &str); 3] = [
        ("", "4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e"),
        ("00", "8c1df14732580e5501b00f82b10a1647b40713191b7c1240ac80e2b68808ba69"),
        ("54657374436f6e74657874", "5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53"),
    ];

    #[test]
    fn keys_come_from_seeds_as_the_rfc_says() {
        let (mut private_key, public_key) = (key(RECEIVER_PRIVATE), key(RECEIVER_PUBLIC));
        // The bits that every use of a key sets and clears (RFC 7748, 5) are set and cleared in what is given out.
        private_key[0] &= 248;
        private_key[31] = private_key[31] & 127 | 64;
        assert_eq!(key_pair(&key(RECEIVER_SEED)), (private_key, public_key));
        assert_eq!(public_key_of(&key(RECEIVER_PRIVATE)), Ok(key(RECEIVER_PUBLIC)));
    }

    #[test]
    fn both_sides_give_what_the_rfc_gives() {
        let mut sender = Sender::new(&key(RECEIVER_PUBLIC), &bytes(INFO), &key(SENDER_SEED)).unwrap();
        assert_eq!(sender.encapsulated(), key(ENCAPSULATED));
        let mut receiver = Receiver::new(&key(RECEIVER_PRIVATE), &key(ENCAPSULATED), &bytes(INFO)).unwrap();
        for sequence in 0..5 {
            let beside = format!("Count-{sequence}");
            let sealed = sender.seal(&bytes(PLAIN), beside.as_bytes()).unwrap();
            if let Some((_, expected)) = SEALED.iter().find(|(at, _)| *at == sequence) {
                assert_eq!(sealed, bytes(expected), "message {sequence}");
            }
            assert_eq!(receiver.open(&sealed, beside.as_bytes()).unwrap(), bytes(PLAIN));
        }
        for (about, expected) in EXPORTED {
            let mut outputs = [[0; 32]; 2];
            sender.export(&bytes(about), &mut outputs[0]).unwrap();
            receiver.export(&bytes(about), &mut outputs[1]).unwrap();
            assert_eq!(outputs, [key(expected); 2]);
        }
    }

    #[test]
    fn a_message_opens_only_unchanged_in_its_turn_and_with_what_stood_beside_it() {
        let mut sender = Sender::new(&key(RECEIVER_PUBLIC), &bytes(INFO), &key(SENDER_SEED)).unwrap();
        let mut receiver = Receiver::new(&key(RECEIVER_PRIVATE), &key(ENCAPSULATED), &bytes(INFO)).unwrap();
        let first = sender.seal(b"first", b"beside").unwrap();
        let second = sender.seal(b"second", b"beside").unwrap();
        let broken = Err(HpkeError::Broken { sequence: 0 });
        assert_eq!(receiver.open(&second, b"beside"), broken);
        assert_eq!(receiver.open(&first, b"besides"), broken);
        for at in 0..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 1;
            assert_eq!(receiver.open(&changed, b"beside"), broken);
        }
        for length in 0..first.len() {
            assert_eq!(receiver.open(&first[..length], b"beside"), broken);
        }
        assert_eq!(receiver.open(&first, b"beside").unwrap(), b"first");
        assert_eq!(receiver.open(&first, b"beside"), Err(HpkeError::Broken { sequence: 1 }));
        assert_eq!(receiver.open(&second, b"beside").unwrap(), b"second");
    }

    #[test]
    fn keys_that_lead_to_a_known_secret_are_refused() {
        assert_eq!(Sender::new(&[0; 32], b"", &[7; 32]).map(|_| ()), Err(HpkeError::WeakKey));
        assert_eq!(Receiver::new(&[7; 32], &[0; 32], b"").map(|_| ()), Err(HpkeError::WeakKey));
        assert_eq!(Sender::new(&key(RECEIVER_PUBLIC), &vec![0; 1 << 16], &[7; 32]).map(|_| ()), Err(HpkeError::LongInfo));
    }

    #[test]
    fn an_export_is_bounded() {
        let sender = Sender::new(&key(RECEIVER_PUBLIC), b"", &[7; 32]).unwrap();
        assert_eq!(sender.export(b"", &mut vec![0; EXPORTED_BYTES_MAX + 1]), Err(HpkeError::LongExport));
    }
}
