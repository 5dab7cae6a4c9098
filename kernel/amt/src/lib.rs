//! 0G DA as mathematics: a blob becomes 3,072 rows over the scalar field of BN254, a commitment, and a proof for each row.
//!
//! Source: 0glabs/0g-da-encoder, crates/amt and crates/encoder. The crate knows neither Python nor files' places nor a clock.

pub mod bls;
pub mod curve;
pub mod points;
pub mod shape;
