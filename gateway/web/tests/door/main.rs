//! The recipient's door over a real store: the whole walk, what strangers try, what files do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod administrators;
mod bench;
mod demo;
mod effort;
mod files;
mod guests;
mod programs;
mod strangers;
mod walk;
