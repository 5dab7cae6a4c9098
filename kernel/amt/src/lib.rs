//! 0G DA as mathematics: a blob becomes 3,072 rows over the scalar field of BN254, a commitment, and a proof for each row.
//!
//! Source: 0glabs/0g-da-encoder, crates/amt and crates/encoder. The crate knows neither Python nor files' places nor a clock.

pub mod batch;
pub mod blob;
pub mod bls;
pub mod curve;
pub mod decode;
pub mod domain;
pub mod ecfft;
pub mod encode;
mod few;
pub mod fixed;
pub mod known;
#[cfg(target_arch = "x86_64")]
mod lanes;
pub mod merkle;
pub mod msm;
pub mod ntt;
pub mod pairing;
pub mod parameters;
pub mod points;
pub mod prove;
pub mod rows;
pub mod setup;
pub mod shape;
pub mod slice;
pub mod srs;
pub mod verify;
pub mod windows;

#[cfg(test)]
mod tests;
