//! Checks against the `openssl` command, and damage on purpose.

mod authority;
mod chains;
mod damage;
mod kinds;
mod longterm;
mod ocsp;
mod seals;
mod timestamps;
mod tokens;
