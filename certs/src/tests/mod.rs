//! Checks against the `openssl` command, and damage on purpose.

mod authority;
mod chains;
mod damage;
mod seals;
mod timestamps;
