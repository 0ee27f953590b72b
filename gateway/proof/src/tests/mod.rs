//! Whole proofs.
