//! Which rules hold at which block: forks and blob parameters, read from the genesis configuration.
use super::error::{LedgerError, Result};
use alloy_consensus::Header;
use alloy_eips::{eip7840::BlobParams, eip7892::BlobScheduleBlobParams};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, U256};
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;
use std::{borrow::Cow, num::NonZeroU64};

const WEI_PER_ETHER: u64 = 1_000_000_000_000_000_000;

/// Parameters of the executor that are not Ethereum's: all off unless the genesis says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ZeroGravityRules {
    /// A transaction is charged at least this share of its gas limit. Source: 0gfoundation/revm, crates/handler/src/post_execution.rs.
    pub min_gas_used_percent: u8,
    /// A block may carry its parent's timestamp. Source: 0glabs/0g-geth, consensus/beacon/consensus.go.
    pub equal_timestamps: bool,
    /// The precompiled contract 0x…1002 behind W0G is there. Source: 0glabs/0g-geth, core/vm/wrapped_a0gi_base.go.
    pub wrapped_base: bool,
    /// The precompiled contract 0x…1000 that knows DA's signers is there, and an epoch lasts at least so many blocks.
    /// Source: 0glabs/0g-geth, core/vm/dasigners.go.
    pub da_epoch_blocks: Option<NonZeroU64>,
}

#[derive(Clone, Debug)]
pub struct Rules {
    pub chain_id: u64,
    pub zero_gravity: ZeroGravityRules,
    pub deposit_contract: Option<Address>,
    config: ChainConfig,
    blobs: BlobScheduleBlobParams,
}

impl Rules {
    pub fn new(config: ChainConfig) -> Result<Self> {
        let zero_gravity = match config.extra_fields.get_deserialized::<ZeroGravityRules>("zeroGravity") {
            Some(Ok(rules)) if rules.min_gas_used_percent <= 100 => rules,
            Some(Ok(rules)) => {
                return Err(LedgerError::Decode(format!("zeroGravity.minGasUsedPercent is {}, above 100", rules.min_gas_used_percent)));
            }
            Some(Err(error)) => return Err(LedgerError::Decode(format!("zeroGravity in the genesis configuration: {error}"))),
            None => ZeroGravityRules::default(),
        };
        Ok(Self {
            chain_id: config.chain_id,
            zero_gravity,
            deposit_contract: config.deposit_contract_address,
            blobs: config.blob_schedule_blob_params(),
            config,
        })
    }

    /// The fork that a block follows whose header is known. Where the configuration names a total difficulty for the merge, the chain is
    /// merged from the first block without difficulty on: nobody sums difficulties up that are trusted anyway.
    pub fn fork_of(&self, header: &Header) -> SpecId {
        let merges_by_difficulty = self.config.terminal_total_difficulty.is_some_and(|total| !total.is_zero());
        let merged = match merges_by_difficulty {
            true => header.number > 0 && header.difficulty.is_zero(),
            false => self.is_merged(header.number),
        };
        self.fork_at(header.number, header.timestamp, merged)
    }

    /// Wei that the producer of a block earns for its proof of work. Sources: EIP-649, EIP-1234.
    pub fn block_reward(&self, number: u64, fork: SpecId) -> U256 {
        let at_block = |block: Option<u64>| block.is_some_and(|block| number >= block);
        let ether = match fork {
            fork if fork.is_enabled_in(SpecId::MERGE) => 0,
            _ if at_block(self.config.constantinople_block) => 2,
            fork if fork.is_enabled_in(SpecId::BYZANTIUM) => 3,
            _ => 5,
        };
        U256::from(ether) * U256::from(WEI_PER_ETHER)
    }

    /// Whether a transaction of a block may name its chain (EIP-155).
    pub fn is_replay_protected(&self, number: u64) -> bool {
        self.config.eip155_block.is_some_and(|block| number >= block)
    }

    /// The same without 0G's gas floor.
    pub fn without_gas_floor(&self) -> Cow<'_, Self> {
        if self.zero_gravity.min_gas_used_percent == 0 {
            return Cow::Borrowed(self);
        }
        let zero_gravity = ZeroGravityRules { min_gas_used_percent: 0, ..self.zero_gravity };
        Cow::Owned(Self { zero_gravity, ..self.clone() })
    }

    /// The fork that a block with this number and timestamp (seconds) follows, as far as the configuration tells it.
    pub fn fork(&self, number: u64, timestamp: u64) -> SpecId {
        self.fork_at(number, timestamp, self.is_merged(number))
    }

    /// A chain that begins after the merge says so by a terminal difficulty of zero or by its time-based forks.
    fn is_merged(&self, number: u64) -> bool {
        let config = &self.config;
        config.terminal_total_difficulty.is_some_and(|total| total.is_zero())
            || config.merge_netsplit_block.is_some_and(|block| number >= block)
    }

    fn fork_at(&self, number: u64, timestamp: u64, merged: bool) -> SpecId {
        let config = &self.config;
        let at_time = |time: Option<u64>| time.is_some_and(|time| timestamp >= time);
        let at_block = |block: Option<u64>| block.is_some_and(|block| number >= block);
        let table = [
            (SpecId::OSAKA, at_time(config.osaka_time)),
            (SpecId::PRAGUE, at_time(config.prague_time)),
            (SpecId::CANCUN, at_time(config.cancun_time)),
            (SpecId::SHANGHAI, at_time(config.shanghai_time)),
            (SpecId::MERGE, merged),
            (SpecId::LONDON, at_block(config.london_block)),
            (SpecId::BERLIN, at_block(config.berlin_block)),
            (SpecId::ISTANBUL, at_block(config.istanbul_block)),
            (SpecId::PETERSBURG, at_block(config.petersburg_block)),
            (SpecId::BYZANTIUM, at_block(config.byzantium_block)),
            (SpecId::SPURIOUS_DRAGON, at_block(config.eip158_block)),
            (SpecId::TANGERINE, at_block(config.eip150_block)),
            (SpecId::HOMESTEAD, at_block(config.homestead_block)),
        ];
        table.into_iter().find_map(|(fork, active)| active.then_some(fork)).unwrap_or(SpecId::FRONTIER)
    }

    /// Wei for a unit of blob gas in the block with this header; none before Cancun. Sources: EIP-4844, EIP-7691, EIP-7892.
    pub fn blob_base_fee(&self, header: &Header) -> Option<u128> {
        let params = self.blob_params(self.fork_of(header), header.timestamp);
        header.excess_blob_gas.map(|excess| params.calc_blob_fee(excess))
    }

    /// The same in the block after it, if that has the same parameters.
    pub fn blob_base_fee_after(&self, header: &Header) -> Option<u128> {
        let fork = self.fork_of(header);
        header.excess_blob_gas?;
        Some(self.blob_params(fork, header.timestamp).calc_blob_fee(self.excess_blob_gas_after(header, fork, header.timestamp)))
    }

    /// Excess blob gas of a block of this fork and time on top of `parent`. Sources: EIP-4844, EIP-7691, EIP-7918.
    pub fn excess_blob_gas_after(&self, parent: &Header, fork: SpecId, timestamp: u64) -> u64 {
        let params = self.blob_params(fork, timestamp);
        let (excess, used) = (parent.excess_blob_gas.unwrap_or_default(), parent.blob_gas_used.unwrap_or_default());
        if fork.is_enabled_in(SpecId::OSAKA) {
            return params.next_block_excess_blob_gas_osaka(excess, used, parent.base_fee_per_gas.unwrap_or_default());
        }
        excess.saturating_add(used).saturating_sub(params.target_blob_gas_per_block())
    }

    /// Blob limits and fee parameters at a time, in seconds (EIP-7840, EIP-7892).
    pub fn blob_params(&self, fork: SpecId, timestamp: u64) -> BlobParams {
        match self.blobs.active_scheduled_params_at_timestamp(timestamp) {
            Some(params) => *params,
            None if fork.is_enabled_in(SpecId::OSAKA) => *self.blobs.osaka(),
            None if fork.is_enabled_in(SpecId::PRAGUE) => *self.blobs.prague(),
            None => *self.blobs.cancun(),
        }
    }
}
