//! From submission to its acceptance, to the first command, to the end.

use super::Bench;
use crate::floors::{Appended, BareSandbox, spawn_true};
use crate::jobs::timed;
use crate::report::Figure;
use crate::samples::Samples;
use anyhow::Result;

#[derive(Default)]
struct Times {
    accepted: Samples,
    first_command: Samples,
    finished: Samples,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("One job after the other")?;
    let folder = &bench.arguments.folder;
    let mut sandbox = BareSandbox::start(&folder.join("bare"), bench.arguments.network)?;
    let mut file = Appended::create(folder)?;
    let (mut spawns, mut appends, mut sandboxes) = <(Samples, Samples, Samples)>::default();
    let mut times: Vec<Times> = bench.stages.iter().map(|_| Times::default()).collect();
    let mut clients = vec![];
    for stage in &bench.stages {
        let mut client = stage.client()?;
        // The image is made for the first one.
        timed(&mut client, stage.client()?).await?;
        clients.push(client);
    }
    for _ in 0..bench.arguments.scaled(bench.arguments.jobs) {
        spawns.push_time(spawn_true()?);
        appends.push_time(file.append()?);
        sandboxes.push_time(sandbox.open()?.ran);
        for ((stage, client), times) in bench.stages.iter().zip(&mut clients).zip(&mut times) {
            let job = timed(client, stage.client()?).await?;
            times.accepted.push_time(job.accepted);
            times.first_command.push_time(job.first_command);
            times.finished.push_time(job.finished);
        }
    }
    let report = &mut bench.report;
    report.add(Figure::new("spawn and wait for /bin/true", spawns.median(), "ms"))?;
    report.add(Figure::new("append a record and fdatasync", appends.median(), "ms"))?;
    report.add(Figure::new("bare sandbox around /bin/true", sandboxes.median(), "ms"))?;
    for (stage, times) in bench.stages.iter().zip(&times) {
        let Times { accepted, first_command, finished } = times;
        let append = appends.median();
        let ready = sandboxes.median() + accepted.median();
        let figure = |what: &str, value| Figure::new(what, value, "ms").of(stage);
        let (to_disk, to_run) = ("append + fdatasync", "bare sandbox + accepted");
        report.add(figure("accepted", accepted.median()).beside(to_disk, append).at_most_times(1.3))?;
        report.add(
            figure("accepted, 99 of 100", accepted.percentile(99)).beside(to_disk, appends.percentile(99)),
        )?;
        report
            .add(figure("first command", first_command.median()).beside(to_run, ready).at_most_times(1.2))?;
        let slow = sandboxes.percentile(99) + accepted.percentile(99);
        report.add(figure("first command, 99 of 100", first_command.percentile(99)).beside(to_run, slow))?;
        report.add(figure("finished", finished.median()).beside(to_run, ready))?;
        report.add(figure("finished, 99 of 100", finished.percentile(99)).beside(to_run, slow))?;
    }
    Ok(())
}
