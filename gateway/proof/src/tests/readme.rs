//! The commands of README.txt, run as they stand, with nothing else in reach.

use super::World;
use jiff::Timestamp;
use std::path::Path;
use std::process::Command;

/// Runs the commands of a proof's README over `proof`; only these programs can be found.
fn run(dir: &Path, proof: &[u8], ca: &str, commands: &str) -> String {
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for program in ["openssl", "sha256sum", "unzip"] {
        let found = Command::new("bash").args(["-c", &format!("command -v {program}")]).output().unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        assert!(!found.is_empty(), "{program} is not installed");
        let _ = std::os::unix::fs::symlink(found.trim(), bin.join(program));
    }
    std::fs::write(dir.join("proof.asice"), proof).unwrap();
    std::fs::write(dir.join("ca.pem"), ca).unwrap();
    let shell = Command::new("bash").args(["-c", "command -v bash"]).output().unwrap();
    let shell = String::from_utf8(shell.stdout).unwrap();
    let out = Command::new(shell.trim())
        .args(["-c", commands])
        .current_dir(dir)
        .env("PATH", &bin)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!errors.contains("command not found"), "{errors}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The commands, taken out of the proof by `unzip` as a reader would.
fn commands(dir: &Path, proof: &[u8]) -> String {
    std::fs::write(dir.join("p.asice"), proof).unwrap();
    let out = Command::new("unzip").args(["-p", "p.asice", "README.txt"]).current_dir(dir).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.split_once("------\n").unwrap().1.to_owned()
}

#[test]
fn the_commands_confirm_a_proof_and_find_damage() {
    let w = World::new(Timestamp::now());
    let proof = w.proof();
    let dir = tempfile::tempdir().unwrap();
    let commands = commands(dir.path(), &proof);
    let ca = w.authority.certificate().to_pem();
    let said = run(dir.path(), &proof, &ca, &commands);
    let count = |said: &str, word: &str| said.lines().filter(|l| l.starts_with(word)).count();
    assert_eq!(count(&said, "BAD"), 0, "{said}");
    // Manifest and 25 members, three evidence files twice and the message in each, checkpoint, four entries.
    assert!(count(&said, "OK") >= 30, "{said}");
    assert!(said.contains(&w.facts.digests.sha256.to_hex()), "{said}");

    // At the date of export, as a reader in ten years would do it.
    let dated = commands.replace("AT=\"\"\n# AT=", "AT=");
    assert_ne!(dated, commands);
    assert_eq!(count(&run(dir.path(), &proof, &ca, &dated), "BAD"), 0);

    // Somebody else's root.
    let other = World::new(Timestamp::now()).authority.certificate().to_pem();
    assert!(count(&run(dir.path(), &proof, &other, &commands), "BAD") >= 6);

    // A changed message in a container made right again.
    let mut changed = proof.clone();
    let at = changed.windows(7).position(|w| w == b"Bonjour").unwrap();
    changed[at] ^= 0x20;
    let said = run(dir.path(), &changed, &ca, &commands);
    assert!(said.contains("BAD  message/original.eml"), "{said}");
}

#[test]
fn the_commands_confirm_a_proof_whose_signers_have_ended() {
    let w = World::new(Timestamp::now() - jiff::SignedDuration::from_hours(24 * 365 * 4));
    let proof = w.proof();
    let dir = tempfile::tempdir().unwrap();
    let commands = commands(dir.path(), &proof);
    let said = run(dir.path(), &proof, &w.authority.certificate().to_pem(), &commands);
    assert!(said.contains("OK") && !said.contains("BAD"), "{said}");
}
