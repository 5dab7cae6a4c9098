//! 0G DA as mathematics: a blob becomes 3,072 rows over the scalar field of BN254, a commitment, and a proof for each row.
//!
//! Source: 0glabs/0g-da-encoder, crates/amt and crates/encoder. The crate knows neither Python nor files' places nor a clock.

pub mod blob;
pub mod bls;
pub mod curve;
pub mod domain;
pub mod encode;
pub mod fixed;
pub mod known;
pub mod merkle;
pub mod ntt;
pub mod points;
pub mod rows;
pub mod setup;
pub mod shape;
pub mod slice;
pub mod verify;

#[cfg(test)]
mod tests;
