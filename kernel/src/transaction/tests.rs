//! Transactions: known vectors, round trips, and bytes that must be refused.

use super::*;
