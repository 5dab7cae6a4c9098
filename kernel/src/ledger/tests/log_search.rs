//! What a search for logs finds is what looking at every log of every block finds, whatever happened to the chain.
use super::*;
use proptest::prelude::*;
use serde_json::Value;

const EMITTERS: u8 = 3;
const TOPICS: u8 = 5;

#[derive(Clone, Debug)]
enum Step {
    /// A block of transactions, each to an emitter with the topics of its log.
    Emit(Vec<(u8, Vec<u8>)>),
    Empty(u64),
    Unwind(u64),
    Checkpoint,
    Reopen,
}

#[derive(Clone, Debug)]
struct Wanted {
    first: u64,
    length: u64,
    addresses: Vec<u8>,
    topics: Vec<Vec<u8>>,
}

fn step() -> impl Strategy<Value = Step> {
    let topics = proptest::collection::vec(0..TOPICS, 0..=4);
    prop_oneof![
        8 => proptest::collection::vec((0..EMITTERS, topics), 1..4).prop_map(Step::Emit),
        // So many that blocks leave what is kept decoded, and that more than one thread searches.
        1 => prop_oneof![1..5u64, Just(300)].prop_map(Step::Empty),
        1 => (1..6u64).prop_map(Step::Unwind),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let choices = proptest::collection::vec(0..TOPICS + 1, 0..3);
    let topics = proptest::collection::vec(choices, 0..4);
    (0..20u64, 0..900u64, proptest::collection::vec(0..EMITTERS + 1, 0..3), topics).prop_map(|(first, length, addresses, topics)| Wanted {
        first,
        length,
        addresses,
        topics,
    })
}

fn emitter(index: u8) -> Address {
    Address::repeat_byte(0xe0 + index)
}

fn topic(index: u8) -> B256 {
    B256::repeat_byte(0x70 + index)
}

/// Emits a log whose topics are the words of its input.
fn program() -> Bytes {
    // JUMP(CALLDATASIZE / 2 + 16): from there on 16 bytes for each number of words, which begin with JUMPDEST.
    let mut code = [&[0x36, 0x60, 0x01, 0x1c, 0x60, 0x10, 0x01, 0x56][..], &[0x00; 8]].concat();
    for count in 0..=4u8 {
        let words = (0..count).flat_map(|word| [0x60, 32 * word, 0x35]);
        let branch: Vec<u8> = std::iter::once(0x5b).chain(words).chain([0x5f, 0x5f, 0xa0 + count, 0x00]).collect();
        code.extend_from_slice(&branch);
        code.resize(16 * (usize::from(count) + 2), 0x00);
    }
    code.into()
}

fn take(ledger: &mut Ledger, folder: &Path, step: &Step) {
    let nonce = ledger.account(&crypto::address_of(&KEY).unwrap(), &At::Newest).unwrap().unwrap().nonce;
    match step {
        Step::Emit(logs) => {
            let transaction = |(nonce, (index, topics)): (u64, &(u8, Vec<u8>))| {
                let input: Vec<u8> = topics.iter().flat_map(|index| topic(*index).0).collect();
                sign(nonce, Some(emitter(*index)), 0, input.into(), 60_000)
            };
            let transactions: Vec<_> = (nonce..).zip(logs).map(transaction).collect();
            let executed = mine(ledger, &transactions);
            assert!(executed.block.receipts.iter().all(|receipt| receipt.logs.len() == 1));
        }
        Step::Empty(count) => empty_blocks(ledger, *count),
        // The first block holds the programs.
        Step::Unwind(count) => ledger.unwind(ledger.newest().header.number.saturating_sub(*count).max(1), 0).unwrap(),
        Step::Checkpoint => ledger.checkpoint().unwrap(),
        Step::Reopen => {
            *ledger = open(None);
            *ledger = open(Some(folder));
        }
    }
}

/// Every log of every block, as block number, index and transaction.
fn looked_through(ledger: &Ledger, query: &LogQuery) -> Vec<(u64, usize, B256)> {
    let mut found = Vec::new();
    for number in query.first..=query.last.min(ledger.newest().header.number) {
        let block = ledger.block(BlockId::Number(number)).unwrap().unwrap();
        let logs = block.receipts.iter().zip(&block.transactions).flat_map(|(receipt, it)| receipt.logs.iter().map(|log| (it.hash, log)));
        found.extend(logs.enumerate().filter(|(_, (_, log))| query.matches(log)).map(|(index, (hash, _))| (number, index, hash)));
    }
    found
}

fn searched(ledger: &Ledger, query: &LogQuery) -> Vec<(u64, usize, B256)> {
    let answer: Vec<Value> = serde_json::from_slice(&ledger.logs_json(query, false).unwrap()).unwrap();
    let number = |log: &Value, name: &str| u64::from_str_radix(log[name].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let place = |log: &Value| {
        let block = number(log, "blockNumber");
        assert_eq!(log["blockHash"], ledger.block(BlockId::Number(block)).unwrap().unwrap().hash.to_string());
        (block, number(log, "logIndex") as usize, log["transactionHash"].as_str().unwrap().parse().unwrap())
    };
    answer.iter().map(place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_search_finds_what_looking_at_every_log_finds(
        steps in proptest::collection::vec(step(), 1..24),
        queries in proptest::collection::vec(wanted(), 12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(Some(folder.path()));
        for index in 0..EMITTERS {
            ledger.edit(Edit::Code(emitter(index), program())).unwrap();
        }
        mine(&ledger, &[]);
        for step in &steps {
            take(&mut ledger, folder.path(), step);
        }
        for Wanted { first, length, addresses, topics } in queries {
            let query = LogQuery {
                first,
                last: first + length,
                addresses: addresses.into_iter().map(emitter).collect(),
                topics: topics.into_iter().map(|choices| choices.into_iter().map(topic).collect()).collect(),
            };
            prop_assert_eq!(searched(&ledger, &query), looked_through(&ledger, &query), "{:?}", query);
        }
    }
}
