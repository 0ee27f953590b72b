//! Checks against the `openssl` command, and damage on purpose.

mod authority;
mod damage;
mod seals;
mod timestamps;
