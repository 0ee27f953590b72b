//! `README.txt`: how to check the proof by hand, with bash and `openssl`, in French and English.
//!
//! The commands are the text of `readme.sh`, which the tests run as it stands; they use nothing but bash,
//! `openssl`, `sha256sum` and `unzip`.

use crate::bundle::Bundle;
use sealpost_envelope::Timestamp;

const COMMANDS: &str = include_str!("readme.sh");

/// The text.
pub(crate) fn render(bundle: &Bundle<'_>, now: Timestamp) -> String {
    let commands = COMMANDS.replace("@EPOCH@", &now.as_second().to_string());
    format!(
        "SEALPOST - PREUVE / PROOF\n\
         Référence / Reference: {reference}\n\
         Dépôt / Deposit:       {deposit}\n\
         Organisation:          {organisation}\n\n\
         FR  Ce fichier .asice est une archive ZIP. Pour le vérifier sans notre logiciel, il faut bash, openssl\n\
         (3.0 ou plus récent), sha256sum et unzip, et le certificat racine (ca.pem) obtenu par une autre voie que\n\
         cette archive. Copiez les commandes ci-dessous, dans l'ordre. Chaque ligne affichée commence par OK ou\n\
         par BAD. Avec notre logiciel : sealpost proof verify FICHIER --trust ca.pem\n\n\
         EN  This .asice file is a ZIP archive. To check it without our software you need bash, openssl (3.0 or\n\
         newer), sha256sum and unzip, and the root certificate (ca.pem), which must reach you some other way than\n\
         this archive. Copy the commands below, in order. Every line printed begins with OK or BAD.\n\
         With our software: sealpost proof verify FILE --trust ca.pem\n\n\
         ------------------------------------------------------------------------\n\
         {commands}",
        reference = bundle.reference,
        deposit = bundle.deposit,
        organisation = bundle.organisation.replace(char::is_control, " "),
    )
}
