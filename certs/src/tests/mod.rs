//! Checks against the `openssl` command, and damage on purpose.

mod authority;
mod chains;
mod damage;
mod kinds;
mod seals;
mod timestamps;
mod tokens;
