//! One session: made, used, ended; next to `crun` and the bare floor.

use crate::crun::Crun;
use crate::stats::{Samples, print_table};
use anyhow::{Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Bins, Rpc, Server};

const WARM_UP: usize = 5;

/// Measures and prints.
pub(crate) async fn run(server: &Server, rounds: usize) -> Result<()> {
    let bins = Bins::find()?;
    // The client: the AgentBay protocol over TLS with authentication, on a connection opened beforehand.
    let ours = Rpc::new(server)?;
    ours.ok("ListSession", &[("Labels", "{}")]).await?;
    let peer = Crun::prepare(&bins.images.join("linux_latest/rootfs.erofs"))?;

    let [mut cold, mut trip, mut delete, mut cycle, mut run_true, mut floor] = std::array::from_fn(|_| Samples::default());
    for round in 0..WARM_UP + rounds {
        let counts = round >= WARM_UP;
        let take = |samples: &mut Samples, took: Duration| {
            if counts {
                samples.add(took);
            }
        };

        let began = Instant::now();
        let session = ours.create().await?;
        ours.stdout(&session, "true").await?;
        take(&mut cold, began.elapsed());

        let second = Instant::now();
        ours.stdout(&session, "true").await?;
        take(&mut trip, second.elapsed());
        let trip_took = second.elapsed();

        let third = Instant::now();
        ours.ok("ReleaseMcpSession", &[("SessionId", &session)]).await?;
        take(&mut delete, third.elapsed());
        take(&mut cycle, began.elapsed().saturating_sub(trip_took));

        if let Some(peer) = &peer {
            let began = Instant::now();
            peer.run_true(&format!("roadstead-bench-{}-{round}", std::process::id()))?;
            take(&mut run_true, began.elapsed());
        }

        let began = Instant::now();
        ensure!(Command::new("/bin/sh").args(["-c", "true"]).status()?.success(), "sh -c true failed on the host");
        take(&mut floor, began.elapsed());
    }

    println!("Roadstead: TLS, authentication, limits and seccomp on; no pool; {rounds} rounds, interleaved");
    let base = floor.median();
    print_table(
        "One session",
        "fork+exec of sh -c true on the host",
        base,
        &[
            ("floor: fork+exec sh -c true on the host", &floor),
            ("ours: command round trip in a live session", &trip),
            ("ours: create -> first command done (cold)", &cold),
            ("ours: delete, until nothing is left", &delete),
        ],
    );
    if peer.is_some() {
        print_table(
            "Whole cycle: make, run `true`, remove",
            "ours",
            cycle.median(),
            &[("ours: create + command + delete", &cycle), ("crun run, same root file system", &run_true)],
        );
    } else {
        println!("\n(crun is not installed: no peer row. apt-get install crun)");
    }
    Ok(())
}
