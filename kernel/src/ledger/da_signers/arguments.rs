//! A call's arguments, as go-ethereum's accounts/abi reads them: words beyond the last one, and what stands before an address, are not looked at.
use super::packed::Signer;
use crate::ledger::stateful::{Failure, Outcome};
use alloy_primitives::{Address, B256, U256};
use zerog_amt::{bls::G2_BYTES, curve::G1_BYTES};

const WORD: usize = 32;

/// ABI data from which places are counted.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(pub &'a [u8]);

impl<'a> Arguments<'a> {
    fn bytes_at<const SIZE: usize>(self, word: usize) -> Outcome<[u8; SIZE]> {
        let start = WORD * word;
        let bytes = self.0.get(start..start + SIZE).ok_or(Failure::Reverted)?;
        bytes.try_into().map_err(|_| Failure::Reverted)
    }

    fn word(self, word: usize) -> Outcome<B256> {
        self.bytes_at(word).map(B256::new)
    }

    pub fn address(self, word: usize) -> Outcome<Address> {
        self.word(word).map(Address::from_word)
    }

    pub fn number(self, word: usize) -> Outcome<U256> {
        self.word(word).map(Into::into)
    }

    /// The low 64 bits of a number, which is what the reference takes of an epoch and a quorum's id.
    pub fn low_number(self, word: usize) -> Outcome<u64> {
        Ok(self.number(word)?.as_limbs()[0])
    }

    /// A number of 32 bits; larger ones are refused.
    pub fn small_number(self, word: usize) -> Outcome<u32> {
        self.number(word)?.try_into().map_err(|_| Failure::Reverted)
    }

    pub fn point(self, word: usize) -> Outcome<[u8; G1_BYTES]> {
        self.bytes_at(word)
    }

    /// What lies where the offset in `word` says.
    fn pointed(self, word: usize) -> Outcome<&'a [u8]> {
        let offset = usize::try_from(self.number(word)?).map_err(|_| Failure::Reverted)?;
        self.0.get(offset..).ok_or(Failure::Reverted)
    }

    /// How many there are, and what follows the count.
    fn counted(self, word: usize) -> Outcome<(usize, &'a [u8])> {
        let place = self.pointed(word)?;
        let count = usize::try_from(Arguments(place).number(0)?).map_err(|_| Failure::Reverted)?;
        Ok((count, &place[WORD..]))
    }

    /// A byte string, or a text.
    pub fn bytes(self, word: usize) -> Outcome<&'a [u8]> {
        let (count, rest) = self.counted(word)?;
        rest.get(..count).ok_or(Failure::Reverted)
    }

    pub fn addresses(self, word: usize) -> Outcome<Vec<Address>> {
        let (count, rest) = self.counted(word)?;
        let size = count.checked_mul(WORD).ok_or(Failure::Reverted)?;
        let words = rest.get(..size).ok_or(Failure::Reverted)?;
        Ok(words.chunks_exact(WORD).map(|word| Address::from_word(B256::from_slice(word))).collect())
    }

    /// The tuple of a signer: address, socket, key in G1, key in G2.
    pub fn signer(self, word: usize) -> Outcome<Signer> {
        let tuple = Arguments(self.pointed(word)?);
        Ok(Signer {
            account: tuple.address(0)?,
            socket: tuple.bytes(1)?.to_vec(),
            key_g1: tuple.point(2)?,
            key_g2: tuple.bytes_at::<G2_BYTES>(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| U256::from(*number).to_be_bytes::<WORD>()).collect()
    }

    #[test]
    fn lists_and_byte_strings_end_within_the_data() {
        let data = words(&[32, 2, 7, 8]);
        let expected = vec![Address::with_last_byte(7), Address::with_last_byte(8)];
        assert_eq!(Arguments(&data).addresses(0), Ok(expected));
        assert_eq!(Arguments(&data[..data.len() - 1]).addresses(0), Err(Failure::Reverted));
        assert_eq!(Arguments(&words(&[32, 3])).bytes(0), Err(Failure::Reverted));
        assert_eq!(Arguments(&words(&[32, 0])).bytes(0), Ok(&[][..]));
        assert_eq!(Arguments(&words(&[64, 0])).bytes(0), Err(Failure::Reverted));
        let huge = [words(&[32]), vec![0xff; 32]].concat();
        assert_eq!(Arguments(&huge).addresses(0), Err(Failure::Reverted));
    }

    #[test]
    fn numbers_are_cut_or_refused_as_the_reference_does() {
        let data = [[0xff; 24].as_slice(), &7u64.to_be_bytes()].concat();
        assert_eq!(Arguments(&data).low_number(0), Ok(7));
        assert_eq!(Arguments(&data).small_number(0), Err(Failure::Reverted));
        assert_eq!(Arguments(&words(&[u64::from(u32::MAX)])).small_number(0), Ok(u32::MAX));
        assert_eq!(Arguments(&words(&[1 << 32])).small_number(0), Err(Failure::Reverted));
    }

    proptest! {
        #[test]
        fn whatever_bytes_are_no_arguments_are_refused_without_a_panic(data in proptest::collection::vec(any::<u8>(), 0..600), small in 0..400u64) {
            let arguments = Arguments(&data);
            let _ = (arguments.signer(0), arguments.addresses(0), arguments.bytes(1), arguments.point(3));
            let placed = [words(&[small, small, 1]), data.clone()].concat();
            let _ = (Arguments(&placed).signer(0), Arguments(&placed).addresses(1), Arguments(&placed).bytes(0));
        }
    }
}
