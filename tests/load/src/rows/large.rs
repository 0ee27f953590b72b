//! One large message: from the first octet of data to the acknowledgement.

use super::Bench;
use crate::load::{self, RECIPIENT};
use crate::message::Large;
use crate::peer::postfix::Postfix;
use crate::report::{Budget, Row, Samples};
use crate::smtp::{Client, Target};
use crate::tls;
use anyhow::Result;
use std::time::Instant;

/// Against Postfix.
pub async fn one_message(bench: &mut Bench<'_>) -> Result<()> {
    let large = Large::of_size(bench.settings.message_mib << 20);
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..bench.settings.rounds {
        let (cert, key) = bench.sealpost.identity();
        let server =
            Postfix::start(&bench.settings.dir, bench.port(1), &bench.sink, &cert, &key, false).await?;
        let target = Target {
            addr: server.addr,
            tls: tls::connector(&bench.sealpost.ca())?,
            login: None,
            from: bench.sealpost.target()?.from,
        };
        theirs.0.push(rate(&target, &large, bench).await?);
        server.stop();
        bench.fresh().await?;
        ours.0.push(rate(&bench.sealpost.target()?, &large, bench).await?);
        bench.sealpost.stop()?;
    }
    let what = format!("one {} MiB message over STARTTLS", bench.settings.message_mib);
    bench.report.add(Row::new(what, "MB/s", Budget::Ratio(2.0), ours).against("Postfix", theirs));
    Ok(())
}

async fn rate(target: &Target, large: &Large, bench: &Bench<'_>) -> Result<f64> {
    let before = bench.sink.count();
    let mut client = Client::connect(target).await?;
    let begun = Instant::now();
    client.send_large(&target.from, RECIPIENT, large).await?;
    let rate = large.wire() as f64 / 1e6 / begun.elapsed().as_secs_f64();
    client.quit().await?;
    // What follows the acknowledgement must not disturb the next server.
    bench.sink.wait_for(before + 1, std::time::Duration::from_secs(60)).await;
    load::settled(&bench.sink).await;
    Ok(rate)
}
