//! The pool against a model that is too simple to be wrong: a list that is searched from end to end.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Add {
        sender: u8,
        nonce: u64,
        tip: u128,
        cap: u128,
    },
    /// Mine so many of the best at this base fee.
    Mine {
        base_fee: u64,
        count: usize,
    },
    Remove {
        index: usize,
    },
    /// The chain moves a nonce by itself: a block of others, or an unwind.
    Move {
        sender: u8,
        nonce: u64,
    },
    Spend {
        sender: u8,
        transfers: u64,
    },
    Snapshot,
    Restore,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let sender = || 1u8..5;
    prop_oneof![
        20 => (sender(), 0u64..6, 0u128..8, 0u128..16).prop_map(|(sender, nonce, tip, more)| Step::Add { sender, nonce, tip, cap: tip + more }),
        3 => (0u64..16, 0usize..6).prop_map(|(base_fee, count)| Step::Mine { base_fee, count }),
        2 => (0usize..12).prop_map(|index| Step::Remove { index }),
        2 => (sender(), 0u64..6).prop_map(|(sender, nonce)| Step::Move { sender, nonce }),
        1 => (sender(), 0u64..9).prop_map(|(sender, transfers)| Step::Spend { sender, transfers }),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Restore),
        1 => Just(Step::Clear),
    ]
}

const CAPACITY: usize = 9;
const PER_ACCOUNT: usize = 5;

fn address_of(sender: u8) -> Address {
    Address::repeat_byte(sender)
}

fn transaction(sender: u8, nonce: u64, tip: u128, cap: u128) -> SignedTransaction {
    let fields = TransactionFields { max_priority_fee_per_gas: Some(tip), max_fee_per_gas: cap, value: U256::ZERO, ..transfer(nonce) };
    let raw = UnsignedTransaction::new(fields).unwrap().impersonate(address_of(sender));
    SignedTransaction::decode_trusted(&raw).unwrap()
}

/// Transactions in the order of arrival.
#[derive(Clone, Debug, Default)]
struct Model(Vec<SignedTransaction>);

impl Model {
    fn of(&self, sender: Address) -> impl Iterator<Item = &SignedTransaction> {
        self.0.iter().filter(move |it| it.sender == sender)
    }

    fn next_nonce(&self, chain: &Chain, sender: Address) -> u64 {
        let mut nonce = chain.account(sender).unwrap().nonce;
        while self.of(sender).any(|it| it.nonce() == nonce) {
            nonce += 1;
        }
        nonce
    }

    fn executable(&self, chain: &Chain) -> Vec<B256> {
        self.0.iter().filter(|it| it.nonce() < self.next_nonce(chain, it.sender)).map(|it| it.hash).collect()
    }

    fn add(&mut self, chain: &Chain, new: SignedTransaction) -> Result<B256, &'static str> {
        let facts = chain.account(new.sender).unwrap();
        let hash = new.hash;
        if self.0.iter().any(|it| it.hash == hash) {
            return Err("already_known");
        }
        if new.nonce() < facts.nonce {
            return Err("nonce_too_low");
        }
        self.0.retain(|it| it.sender != new.sender || it.nonce() >= facts.nonce);
        let next = self.next_nonce(chain, new.sender);
        let others = self.of(new.sender).filter(|it| it.nonce() < next && it.nonce() != new.nonce());
        let spent: U256 = others.map(|it| it.cost().unwrap()).sum();
        if facts.balance < spent + new.cost().unwrap() {
            return Err("insufficient_funds");
        }
        if let Some(index) = self.0.iter().position(|it| (it.sender, it.nonce()) == (new.sender, new.nonce())) {
            let old = &self.0[index];
            let tenth_more = |old: u128, new: u128| new > old && new * 10 >= old * 11;
            if !tenth_more(old.tip_cap(), new.tip_cap()) || !tenth_more(old.max_fee_per_gas(), new.max_fee_per_gas()) {
                return Err("replacement_underpriced");
            }
            self.0.remove(index);
        } else if self.of(new.sender).count() == PER_ACCOUNT {
            return Err("account_limit");
        } else if self.0.len() == CAPACITY {
            let lowest = self.0.iter().map(SignedTransaction::tip_cap).min().unwrap();
            let victim = self.0.iter().rposition(|it| it.tip_cap() == lowest).unwrap();
            if new.tip_cap() <= lowest || self.0[victim].sender == new.sender {
                return Err("pool_full");
            }
            self.0.remove(victim);
        }
        self.0.push(new);
        Ok(hash)
    }

    fn best(&self, chain: &Chain, base_fee: u64) -> Vec<B256> {
        let mut nonces: BTreeMap<Address, u64> = chain.accounts.iter().map(|(address, facts)| (*address, facts.nonce)).collect();
        let mut order = Vec::new();
        loop {
            let mut best: Option<(u128, &SignedTransaction)> = None;
            for it in self.0.iter().filter(|it| nonces[&it.sender] == it.nonce()) {
                if let Some(tip) = it.effective_tip(base_fee)
                    && best.is_none_or(|(highest, _)| tip > highest)
                {
                    best = Some((tip, it));
                }
            }
            let Some((_, it)) = best else {
                return order;
            };
            order.push(it.hash);
            *nonces.get_mut(&it.sender).unwrap() += 1;
        }
    }

    /// What a look at the newest state leaves of a sender.
    fn follow(&mut self, chain: &Chain, sender: Address) {
        let facts = chain.account(sender).unwrap();
        self.0.retain(|it| it.sender != sender || (it.nonce() >= facts.nonce && it.cost().unwrap() <= facts.balance));
    }
}

struct Pair {
    pool: Pool,
    chain: Chain,
    model: Model,
    snapshot: Option<(PoolSnapshot, Model)>,
}

impl Pair {
    fn new() -> Self {
        let mut chain = Chain::new(SpecId::PRAGUE);
        (1..5).for_each(|sender| chain.fund(address_of(sender), ETHER).nonce = 0);
        let settings = PoolSettings { capacity: CAPACITY, per_account: PER_ACCOUNT, ..PoolSettings::default() };
        Self { pool: Pool::new(settings), chain, model: Model::default(), snapshot: None }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add { sender, nonce, tip, cap } => {
                let new = transaction(sender, nonce, tip, cap);
                let Ok(added) = self.pool.add(&self.chain, [Ok(new.clone())]);
                let added = added.into_iter().next().unwrap().map_err(|rejection| rejection.kind());
                assert_eq!(added, self.model.add(&self.chain, new));
            }
            Step::Mine { base_fee, count } => {
                let mined: Vec<_> = self.pool.best(base_fee, None).take(count).map(|it| it.transaction.sender).collect();
                mined.iter().for_each(|sender| self.chain.accounts.get_mut(sender).unwrap().nonce += 1);
                self.pool.included(&self.chain, mined.clone()).unwrap();
                mined.iter().for_each(|sender| self.model.follow(&self.chain, *sender));
            }
            Step::Remove { index } => {
                if index < self.model.0.len() {
                    assert!(self.pool.remove(&self.model.0.remove(index).hash));
                }
            }
            Step::Move { sender, nonce } => {
                self.chain.accounts.get_mut(&address_of(sender)).unwrap().nonce = nonce;
                self.refresh();
            }
            Step::Spend { sender, transfers } => {
                self.chain.fund(address_of(sender), 21_000 * 10 * u128::from(transfers));
                self.refresh();
            }
            Step::Snapshot => self.snapshot = Some((self.pool.snapshot(), self.model.clone())),
            Step::Restore => {
                if let Some((pool, model)) = &self.snapshot {
                    self.pool.restore(pool);
                    self.model = model.clone();
                    self.refresh();
                }
            }
            Step::Clear => {
                self.pool.clear();
                self.model = Model::default();
            }
        }
    }

    fn refresh(&mut self) {
        self.pool.refresh(&self.chain).unwrap();
        (1..5).for_each(|sender| self.model.follow(&self.chain, address_of(sender)));
    }

    fn compare(&self) {
        let executable = self.model.executable(&self.chain);
        assert_eq!(self.pool.executable().iter().map(|it| it.transaction.hash).collect::<Vec<_>>(), executable);
        assert_eq!(self.pool.counts(), (executable.len(), self.model.0.len() - executable.len()));
        assert_eq!(self.pool.pending_gas(), 21_000 * executable.len() as u128);
        for sender in (1..5).map(address_of) {
            assert_eq!(self.pool.next_nonce(&self.chain, sender), Ok(self.model.next_nonce(&self.chain, sender)));
        }
        for it in &self.model.0 {
            assert_eq!(self.pool.is_executable(&it.hash), executable.contains(&it.hash));
        }
        for base_fee in [0, 1, 3, 7, 12] {
            let best: Vec<_> = self.pool.best(base_fee, None).map(|it| it.transaction.hash).collect();
            assert_eq!(best, self.model.best(&self.chain, base_fee), "base fee {base_fee}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_pool_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
            pair.compare();
        }
    }
}
