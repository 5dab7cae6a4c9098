//! Signers of DA through a chain's life: blocks with them are taken back, checkpointed and opened again, and nothing of it shows.
use super::*;
use crate::ledger::da_signers::DA_SIGNERS;
use alloy_primitives::{hex, keccak256};
use zerog_amt::{
    bls::{SecretKey, g2_to_words},
    curve::to_words,
};

const REGISTRY: Address = alloy_primitives::address!("20f30b2584f3096ea0d6c18c3b5cacc0585e12fc");
const EPOCH_BLOCKS: u64 = 2;

fn da_ledger(folder: Option<&Path>) -> Ledger {
    let extra = format!(r#", "zeroGravity": {{"daEpochBlocks": {EPOCH_BLOCKS}}}"#);
    Ledger::open(folder, genesis(&extra).as_bytes(), options()).unwrap()
}

/// In place of the registry, code that passes its call on to the contract, and reverts if that fails.
fn place_registry(ledger: &Ledger) {
    // CALLDATASIZE 0 0 CALLDATACOPY  0 0 CALLDATASIZE 0 0 0x1000 GAS CALL  ISZERO 22 JUMPI STOP  JUMPDEST 0 0 REVERT
    ledger.edit(Edit::Code(REGISTRY, bytes!("365f5f375f5f365f5f6110005af11560165700005b5f5ffd"))).unwrap();
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

struct Signer {
    account: Address,
    key: SecretKey,
}

fn signer(index: u8) -> Signer {
    Signer { account: Address::repeat_byte(index), key: SecretKey::new(&word(1_000 + u64::from(index))).unwrap() }
}

impl Signer {
    fn sign(&self, rest: &[&[u8]]) -> [u8; 64] {
        to_words(&self.key.sign(&keccak256([self.account.as_slice(), rest.concat().as_slice()].concat()).0))
    }

    /// Call data of `registerSigner`, without a socket.
    fn registration(&self) -> Bytes {
        let (key, signature) = (self.key.public_key(), self.sign(&[&word(31337), b"0G_BN254_Pubkey_Registration"]));
        let account = self.account.into_word();
        let parts: [&[u8]; 8] =
            [&hex!("7ca4dd5e"), &word(96), &signature, account.as_slice(), &word(256), &to_words(&key.g1), &g2_to_words(&key.g2), &word(0)];
        parts.concat().into()
    }

    /// Call data of `registerNextEpoch`.
    fn entry(&self, epoch: u64, votes: u64) -> Bytes {
        let signature = self.sign(&[&epoch.to_be_bytes(), &word(31337)]);
        let account = self.account.into_word();
        let parts: [&[u8]; 4] = [&hex!("0f62bda5"), account.as_slice(), &signature, &word(votes)];
        parts.concat().into()
    }
}

fn send(ledger: &Ledger, inputs: &[Bytes]) {
    let nonce = ledger.account(&crypto::address_of(&KEY).unwrap(), &At::Newest).unwrap().unwrap().nonce;
    let transactions: Vec<SignedTransaction> =
        (nonce..).zip(inputs).map(|(nonce, input)| sign(nonce, Some(REGISTRY), 0, input.clone(), 400_000)).collect();
    let executed = mine(ledger, &transactions);
    assert!(executed.block.receipts.iter().all(|receipt| receipt.succeeded));
}

/// One block a step: two signers come, enter two epochs, and make them.
fn steps() -> Vec<Vec<Bytes>> {
    let (one, two) = (signer(1), signer(2));
    let make = Bytes::from(hex!("5a889f0c").to_vec());
    vec![
        vec![one.registration(), two.registration()],
        vec![one.entry(1, 100), two.entry(1, 4_000), make.clone()],
        vec![one.entry(2, 7)],
        vec![make.clone()],
        vec![make],
    ]
}

/// What a chain answers after as many of the steps: epoch, quorums of epochs 1 and 2, and the first row of epoch 1.
fn answers(ledger: &Ledger, at: &At) -> [Bytes; 4] {
    let ask = |input: Vec<u8>| {
        let call = Call {
            to: Some(DA_SIGNERS),
            input: input.into(),
            gas_cap: 50_000_000,
            time_limit: Duration::from_secs(9),
            ..Default::default()
        };
        ledger.call(&call, at).unwrap().unwrap().output
    };
    [
        ask(hex!("f4145a83").to_vec()),
        ask([hex!("5ecba503").as_slice(), &word(1)].concat()),
        ask([hex!("5ecba503").as_slice(), &word(2)].concat()),
        ask([hex!("fa6fcba6").as_slice(), &word(1), &word(0), &word(0)].concat()),
    ]
}

#[test]
fn epochs_are_taken_back_and_made_again_with_the_same_roots() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = da_ledger(Some(folder.path()));
    place_registry(&ledger);
    let mut seen = vec![(ledger.newest().hash, answers(&ledger, &At::Newest))];
    for step in steps() {
        send(&ledger, &step);
        seen.push((ledger.newest().hash, answers(&ledger, &At::Newest)));
    }
    let epochs: Vec<u8> = seen.iter().map(|(_, [epoch, ..])| epoch[31]).collect();
    assert_eq!(epochs, [0, 0, 1, 1, 2, 2]);
    for (number, (_, answers_then)) in (0u64..).zip(&seen) {
        assert_eq!(&answers(&ledger, &At::Number(number)), answers_then, "block {number}");
    }
    for target in [4, 3, 2, 1] {
        ledger.unwind(target, 0).unwrap();
        let unwound = (ledger.newest().hash, answers(&ledger, &At::Newest));
        assert_eq!(unwound, seen[target as usize]);
        audit(&ledger);
    }
    ledger.close().unwrap();
    drop(ledger);
    let ledger = da_ledger(Some(folder.path()));
    for (index, step) in steps().iter().enumerate().skip(1) {
        send(&ledger, step);
        assert_eq!((ledger.newest().hash, answers(&ledger, &At::Newest)), seen[index + 1]);
    }
}

#[test]
fn an_epoch_of_no_blocks_is_refused() {
    let document = genesis(r#", "zeroGravity": {"daEpochBlocks": 0}"#);
    assert!(matches!(Ledger::open(None, document.as_bytes(), options()), Err(LedgerError::Decode(_))));
}
