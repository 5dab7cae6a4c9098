//! secp256k1 as Ethereum uses it: keys, addresses, recoverable signatures.

use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use rayon::prelude::*;
use secp256k1::ecdh::shared_secret_point;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

/// Half of the order of the curve; a higher `s` is refused. Source: EIP-2.
pub const S_MAX: U256 = U256::from_limbs([0xdfe92f46681b20a0, 0x5d576e7357a4501d, 0xffffffffffffffff, 0x7fffffffffffffff]);

/// Why a key or signature cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The private key is not 32 bytes, zero, or not below the order of the curve.
    #[error("invalid private key")]
    PrivateKey,
    /// The compressed public key is not 33 bytes, or no point of the curve.
    #[error("invalid public key")]
    PublicKey,
    /// The digest is not 32 bytes.
    #[error("a digest has 32 bytes")]
    Digest,
    /// Not 65 bytes, or a recovery id other than 0, 1, 27 and 28.
    #[error("a signature is r, s and a recovery id of 0, 1, 27 or 28")]
    Form,
    /// `s` in the upper half of the order, which EIP-2 forbids.
    #[error("s is in the upper half of the curve's order")]
    HighS,
    /// `r` or `s` is out of range, or no key fits.
    #[error("no key fits this signature")]
    Unrecoverable,
}

/// Below this many items a second thread costs more than it gives.
const PARALLEL_ITEMS_MIN: usize = 8;

fn secret(private_key: &[u8]) -> Result<SecretKey, CryptoError> {
    let bytes = <[u8; 32]>::try_from(private_key).map_err(|_| CryptoError::PrivateKey)?;
    SecretKey::from_byte_array(bytes).map_err(|_| CryptoError::PrivateKey)
}

fn uncompressed(key: &PublicKey) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes.copy_from_slice(&key.serialize_uncompressed()[1..]);
    bytes
}

fn address_of_key(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(uncompressed(key))[12..])
}

/// Public key (64 bytes, without the leading 04) of a private key.
pub fn public_key_of(private_key: &[u8]) -> Result<[u8; 64], CryptoError> {
    Ok(uncompressed(&PublicKey::from_secret_key(SECP256K1, &secret(private_key)?)))
}

/// Address of a private key.
pub fn address_of(private_key: &[u8]) -> Result<Address, CryptoError> {
    Ok(address_of_key(&PublicKey::from_secret_key(SECP256K1, &secret(private_key)?)))
}

/// What two key pairs have in common (ECDH): the x-coordinate of the private key times the public one, which is compressed.
pub fn shared_x(private_key: &[u8], public_key: &[u8]) -> Result<[u8; 32], CryptoError> {
    let private = secret(private_key)?;
    let compressed = <[u8; 33]>::try_from(public_key).map_err(|_| CryptoError::PublicKey)?;
    let public = PublicKey::from_byte_array_compressed(compressed).map_err(|_| CryptoError::PublicKey)?;
    let mut x = [0; 32];
    x.copy_from_slice(&shared_secret_point(&public, &private)[..32]);
    Ok(x)
}

/// Sign a digest: deterministic (RFC 6979), `s` low (EIP-2).
pub fn sign(digest: &B256, private_key: &[u8]) -> Result<Signature, CryptoError> {
    let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret(private_key)?);
    let (id, bytes) = signature.serialize_compact();
    // The library gives a low s; an id of 2 or 3 (r above the order) would take 2^127 attempts to meet.
    Ok(Signature::from_bytes_and_parity(&bytes, i32::from(id) & 1 == 1))
}

/// What is signed for a message of a person's: its length and a prefix keep it apart from everything else. Source: EIP-191, version 0x45.
pub fn personal_digest(message: &[u8]) -> B256 {
    let mut bytes = format!("\x19Ethereum Signed Message:\n{}", message.len()).into_bytes();
    bytes.extend_from_slice(message);
    keccak256(&bytes)
}

/// Sign a message (`personal_sign` of EIP-191): r, s and v, which is 27 or 28.
pub fn sign_personal(message: &[u8], private_key: &[u8]) -> Result<[u8; 65], CryptoError> {
    Ok(sign(&personal_digest(message), private_key)?.as_bytes())
}

/// Address that signed the digest.
pub fn recover(digest: &B256, signature: &Signature) -> Result<Address, CryptoError> {
    if signature.s() > S_MAX {
        return Err(CryptoError::HighS);
    }
    recover_with_any_s(digest, signature)
}

/// The same where `s` may be high, as it could before Homestead.
pub fn recover_with_any_s(digest: &B256, signature: &Signature) -> Result<Address, CryptoError> {
    let bytes = signature.as_bytes();
    let id = RecoveryId::from_u8_masked(u8::from(signature.v()));
    let signature = RecoverableSignature::from_compact(&bytes[..64], id).map_err(|_| CryptoError::Unrecoverable)?;
    let key = SECP256K1.recover_ecdsa(Message::from_digest(digest.0), &signature).map_err(|_| CryptoError::Unrecoverable)?;
    Ok(address_of_key(&key))
}

/// A signature from its 65 bytes: r, s and a recovery id 0, 1, 27 or 28.
pub fn signature_from_bytes(bytes: &[u8]) -> Result<Signature, CryptoError> {
    let bytes = <&[u8; 65]>::try_from(bytes).map_err(|_| CryptoError::Form)?;
    let parity = match bytes[64] {
        0 | 27 => false,
        1 | 28 => true,
        _ => return Err(CryptoError::Form),
    };
    Ok(Signature::from_bytes_and_parity(bytes, parity))
}

/// r, s and the recovery id 0 or 1.
pub fn signature_to_bytes(signature: &Signature) -> [u8; 65] {
    let mut bytes = signature.as_bytes();
    bytes[64] = u8::from(signature.v());
    bytes
}

/// A digest from its 32 bytes.
pub fn digest_from_bytes(bytes: &[u8]) -> Result<B256, CryptoError> {
    B256::try_from(bytes).map_err(|_| CryptoError::Digest)
}

/// Address that signed, from bytes.
pub fn recover_bytes(digest: &[u8], signature: &[u8]) -> Result<Address, CryptoError> {
    recover(&digest_from_bytes(digest)?, &signature_from_bytes(signature)?)
}

/// Address that signed each (digest, signature), on all threads when there are many.
pub fn recover_many<T: AsRef<[u8]> + Sync>(items: &[(T, T)]) -> Vec<Result<Address, CryptoError>> {
    let recover = |(digest, signature): &(T, T)| recover_bytes(digest.as_ref(), signature.as_ref());
    if items.len() < PARALLEL_ITEMS_MIN {
        return items.iter().map(recover).collect();
    }
    items.par_iter().with_min_len(PARALLEL_ITEMS_MIN / 2).map(recover).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256, hex};
    use proptest::prelude::*;

    /// The first private key and the addresses of "test test … junk". Source: NomicFoundation/hardhat, default network accounts.
    const TEST_KEYS: [(B256, Address); 10] = [
        (b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")),
        (b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"), address!("70997970C51812dc3A010C7d01b50e0d17dc79C8")),
        (b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"), address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")),
        (b256!("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"), address!("90F79bf6EB2c4f870365E785982E1f101E93b906")),
        (b256!("47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"), address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65")),
        (b256!("8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"), address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc")),
        (b256!("92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"), address!("976EA74026E726554dB657fA54763abd0C3a0aa9")),
        (b256!("4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"), address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955")),
        (b256!("dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"), address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f")),
        (b256!("2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"), address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720")),
    ];
    const ORDER: [u8; 32] = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

    #[test]
    fn the_ten_test_accounts_have_their_known_addresses() {
        for (key, address) in TEST_KEYS {
            assert_eq!(address_of(key.as_slice()), Ok(address));
        }
    }

    #[test]
    fn keys_out_of_range_are_refused() {
        for key in [&[0; 32][..], &ORDER, &[1; 31], &[1; 33], &[]] {
            assert_eq!(address_of(key), Err(CryptoError::PrivateKey));
            assert_eq!(sign(&B256::ZERO, key), Err(CryptoError::PrivateKey));
        }
    }

    /// Source: RFC 6979 with SHA-256 on secp256k1, key 1 and message "Satoshi Nakamoto" (trezor-crypto and bitcoin-core vectors).
    #[test]
    fn signatures_are_those_of_rfc_6979() {
        let digest = b256!("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e");
        let key = U256::from(1).to_be_bytes::<32>();
        let signature = sign(&digest, &key).unwrap();
        assert_eq!(
            signature_to_bytes(&signature)[..64],
            hex!(
                "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
                "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
            )
        );
        assert_eq!(recover(&digest, &signature), address_of(&key));
    }

    /// Source: 0gfoundation/0g-storage-client, encryption of files for a public key: what it derives its key from.
    #[test]
    fn two_key_pairs_share_a_point() {
        let (first, second) = ([1; 32], [2; 32]);
        let compressed = |key: &[u8; 32]| PublicKey::from_secret_key(SECP256K1, &secret(key).unwrap()).serialize();
        assert_eq!(compressed(&first), hex!("031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"));
        assert_eq!(shared_x(&first, &compressed(&second)), shared_x(&second, &compressed(&first)));
        assert_ne!(shared_x(&first, &compressed(&second)), shared_x(&first, &compressed(&first)));
        // Twice the generator, times one. Source: SEC 2 names the generator; its double is widely published.
        let one = U256::from(1).to_be_bytes::<32>();
        let double = hex!("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5");
        assert_eq!(shared_x(&one, &double).unwrap()[..], double[1..]);
    }

    #[test]
    fn keys_that_are_none_share_nothing() {
        let public = hex!("031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f");
        assert_eq!(shared_x(&[0; 32], &public), Err(CryptoError::PrivateKey));
        let mut off_the_curve = public;
        off_the_curve[1..].fill(0xff);
        for key in [&public[1..], &off_the_curve, &[0; 33], &[]] {
            assert_eq!(shared_x(&[1; 32], key), Err(CryptoError::PublicKey));
        }
    }

    /// Source: the text of an answer and its signature, made with ethers 6 and eth-keys.
    #[test]
    fn a_personal_signature_is_that_of_other_libraries() {
        let text = "548f58d1c36c715b44f0863472074a97c448d5b8d18164b92adf55592b127f86:\
                    4062edaf750fb8074e7e83e0c9028c94e32468a8b6f1614774328ef045150f93";
        let key = hex!("4c0883a69102937d6231471b5dbb6204fe512961708279b7e1a8d7d7a3c2b9e3");
        let signature = sign_personal(text.as_bytes(), &key).unwrap();
        assert_eq!(
            signature,
            hex!(
                "e2a1fa19fc77b7574514696d6eb1fffb0a97f76c9f8d6a0d3cd4a7805f58272f"
                "3377a77e5dd471e7163e4918ec4b1bb488193a95d72bd439c98e247c116046ec1b"
            )
        );
        assert_eq!(recover_bytes(personal_digest(text.as_bytes()).as_slice(), &signature), address_of(&key));
    }

    #[test]
    fn a_high_s_is_refused() {
        let digest = B256::repeat_byte(7);
        let signature = sign(&digest, &[3; 32]).unwrap();
        let mirrored = Signature::new(signature.r(), U256::from_be_bytes(ORDER) - signature.s(), !signature.v());
        assert_eq!(recover(&digest, &mirrored), Err(CryptoError::HighS));
        assert_eq!(S_MAX, (U256::from_be_bytes(ORDER) - U256::from(1)) / U256::from(2));
    }

    #[test]
    fn malformed_signatures_are_refused() {
        let digest = [1; 32];
        let mut signature = signature_to_bytes(&sign(&B256::from(digest), &[3; 32]).unwrap());
        assert_eq!(recover_bytes(&digest[1..], &signature), Err(CryptoError::Digest));
        assert_eq!(recover_bytes(&digest, &signature[1..]), Err(CryptoError::Form));
        signature[64] = 2;
        assert_eq!(recover_bytes(&digest, &signature), Err(CryptoError::Form));
        assert_eq!(recover_bytes(&digest, &[0; 65]), Err(CryptoError::Unrecoverable));
        let mut out_of_range = [0; 65];
        out_of_range[..32].copy_from_slice(&ORDER);
        out_of_range[63] = 1;
        assert_eq!(recover_bytes(&digest, &out_of_range), Err(CryptoError::Unrecoverable));
    }

    proptest! {
        #[test]
        fn who_signs_is_recovered(key: [u8; 32], digest: [u8; 32], old_form: bool) {
            prop_assume!(address_of(&key).is_ok());
            let signature = sign(&B256::from(digest), &key).unwrap();
            prop_assert!(signature.s() <= S_MAX);
            let mut bytes = signature_to_bytes(&signature);
            bytes[64] += if old_form { 27 } else { 0 };
            prop_assert_eq!(recover_bytes(&digest, &bytes), address_of(&key));
            prop_assert_eq!(recover_many(&vec![(&digest[..], &bytes[..]); 40]), vec![address_of(&key); 40]);
        }

        #[test]
        fn arbitrary_signatures_never_panic(digest: [u8; 32], signature: [u8; 65]) {
            let _ = recover_bytes(&digest, &signature);
        }
    }
}
