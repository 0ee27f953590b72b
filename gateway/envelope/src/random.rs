//! Random octets, from the one generator of the process.
//!
//! **Failure.** None that could be handled: the generator reseeds from the kernel, and without randomness there is
//! no safe way on.

use aws_lc_rs::rand;

/// Fills `out`.
pub fn fill(out: &mut [u8]) {
    // aws-lc's generator has no recoverable failure.
    rand::fill(out).expect("the system's random generator works");
}

/// `N` octets.
pub fn octets<const N: usize>() -> [u8; N] {
    let mut raw = [0; N];
    fill(&mut raw);
    raw
}
